"""What happened to the data, as a JSON file beside the examples."""

import datetime
import json
import logging
import os
from typing import Any

import tensorflow as tf

from modules import names
from modules.data.config import DataConfig
from modules.data.filtering import FilteredData
from modules.data.reading.bad_rows import reasons_of, samples_of
from modules.data.sources.base import ITEMS, USERS

_LOG = logging.getLogger(__name__)


def make_report(corpus: FilteredData, facts: dict[str, Any], data: DataConfig, has_time: bool) -> dict[str, Any]:
    """Returns the report.

    Args:
      corpus: with the counts up to the k-core.
      facts: counts of the examples.
      data: the settings.
      has_time: whether rows have timestamps.
    """
    users = facts.get("corpus/users", 0)
    items = facts.get("catalog/items", 0)
    splits = {
        split: {what: facts.get(f"{split}/{what}", 0) for what in ("users", "targets")}
        for split in (names.TRAIN, names.VALID, names.TEST)
    }
    interactions = sum(split["targets"] for split in splits.values())
    return {
        "source": data.source,
        "task": data.task,
        "split": data.protocol,
        "rows": {
            **_table(corpus.facts, "interactions"),
            "ignored": corpus.facts.get("interactions/ignored", 0),
            "below_min_rating": corpus.facts.get("interactions/low", 0),
            "duplicates": corpus.facts.get("sequences/duplicates", 0),
            "capped_users": corpus.facts.get("sequences/capped_users", 0),
        },
        "side_tables": {kind: _table(corpus.facts, kind) for kind in (ITEMS, USERS) if f"{kind}/read" in corpus.facts},
        "before_kcore": {what: corpus.facts.get(f"sequences/{what}", 0) for what in ("users", "interactions")},
        "kcore_rounds": corpus.rounds,
        "corpus": {
            "users": users,
            "items": items,
            "interactions": interactions,
            "density": interactions / max(1, users * items),
            "first": iso_time(facts["first/time"]) if has_time else None,
            "last": iso_time(facts["last/time"]) if has_time else None,
        },
        "ties": {
            "neighbours": facts.get("ties/neighbours", 0) / max(1, facts.get("ties/pairs", 0)),
            "tests": facts.get("ties/tests", 0) / max(1, facts.get("test/users", 0)),
        }
        if has_time
        else None,
        "splits": splits,
        "cold_users": {split: facts.get(f"{split}/cold_users", 0) for split in (names.VALID, names.TEST)},
        "catalog": {
            "without_train_interactions": facts.get("catalog/cold", 0),
            "left_out": {"items": facts.get("catalog/left_out", 0), "samples": facts.get("sample/left_out", [])},
            "without_title": facts.get("catalog/untitled", 0),
            "without_feature": {name: facts.get(f"catalog/missing/{name}", 0) for name in data.item_features},
        },
    }


def require_every_split(report: dict[str, Any]) -> None:
    """Raises ValueError where a split has no users: there would be nothing to train or test on."""
    for name, split in report["splits"].items():
        if split["users"]:
            continue
        corpus = report["corpus"]
        if report["split"] == "date":
            raise ValueError(
                f"Split {name!r} is empty: the {corpus['interactions']} interactions lie between {corpus['first']} and "
                f"{corpus['last']}. Choose `data.valid_from` and `data.test_from` so that some come before both, "
                "between them and after."
            )
        raise ValueError(
            f"Split {name!r} is empty: of {corpus['users']} users none has three or more items (or baskets), the least "
            "that leaves one to validate and one to test on. Read more data, or lower `data.min_item_interactions` or "
            "`data.min_rating`."
        )


def require_order(report: dict[str, Any], data: DataConfig) -> None:
    """Logs how much of the order is not in the data; raises ValueError where the sequential task has none to learn."""
    ties = report["ties"]
    if ties is None:
        return
    neighbours, tests = f"{ties['neighbours']:.1%}", f"{ties['tests']:.1%}"
    told = f"{neighbours} of a user's items have the time of the one before; of the test items {tests}"
    _LOG.info("%s. Among equal times the order is random.", told)
    if data.task != "sequential" or data.ties == "basket":
        return
    if ties["tests"] > data.max_tied_share:
        raise ValueError(
            f"{told}, more than `data.max_tied_share` = {data.max_tied_share:.0%} allows: what comes next cannot be "
            "learnt from a random order. Name a column of finer times in `data.columns.timestamp`, keep the items of "
            "one time together by `data.ties: basket`, or set `data.task: general`."
        )
    if ties["tests"] >= data.warn_tied_share:
        _LOG.warning(
            "%s, a random choice among those of one time. `data.ties: basket` keeps them together, and a column of "
            "finer times orders them.",
            told,
        )


def write_report(report: dict[str, Any], folder: str) -> None:
    """Writes the report as `data_report.json` into a folder."""
    with tf.io.gfile.GFile(os.path.join(folder, names.REPORT_FILE), "w") as file:
        json.dump(report, file, indent=2, ensure_ascii=False)


def read_report(folder: str) -> dict[str, Any]:
    """Returns the report of an Examples artifact.

    Args:
      folder: the artifact's root.
    """
    with tf.io.gfile.GFile(os.path.join(folder, names.REPORT_FILE)) as file:
        return json.load(file)


def _table(facts: dict[str, Any], kind: str) -> dict[str, Any]:
    return {
        "read": facts.get(f"{kind}/read", 0),
        "set_aside": facts.get(f"{kind}/bad", 0),
        "reasons": reasons_of(facts, kind),
        "samples": [sample._asdict() for sample in samples_of(facts, kind)],
    }


def iso_time(seconds: float) -> str:
    """Returns unix seconds as ISO 8601 in UTC, or as a number where no calendar reaches."""
    epoch = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
    try:
        return (epoch + datetime.timedelta(seconds=seconds)).isoformat()
    except OverflowError:
        return str(seconds)
