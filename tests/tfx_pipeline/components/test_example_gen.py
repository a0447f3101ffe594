"""The ExampleGen under TFX's local runner: its records, its report, and when its cache is hit."""

import functools
import glob
import json
import os
import random
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from ml_metadata.proto import metadata_store_pb2
from tfx import v1 as tfx
from tfx.orchestration import metadata
from tfx.types.artifact_utils import decode_split_names

from modules import names
from modules.data import locating
from modules.data.config import DataConfig
from modules.data.report import read_report
from tests.modules.data.beam_runs import BEAM_ARGS, Parsed, read_splits
from tfx_pipeline.components.example_gen import interaction_example_gen

COMPLETE, CACHED = (
    metadata_store_pb2.Execution.COMPLETE,
    metadata_store_pb2.Execution.CACHED,
)


class Run(NamedTuple):
    """What one run of the pipeline left behind."""

    state: int
    uri: str
    split_names: list[str]
    records: dict[str, list[Parsed]]


def settings(folder: Path, **changes: Any) -> DataConfig:
    return DataConfig(
        source="csv",
        path=str(folder / "input" / "rows-*.csv"),
        items_path=str(folder / "items.csv"),
        columns={"title": "name"},
        item_features={"kind": {"column": "kind"}},
        min_user_interactions=3,
        min_item_interactions=3,
        **changes,
    )


def write_input(folder: Path) -> None:
    rng = random.Random(7)
    (folder / "input").mkdir()
    lines = [f"user {u},i{rng.randrange(8)},{rng.randrange(1000)}\n" for u in range(12) for _ in range(9)]
    rng.shuffle(lines)
    for number, part in enumerate((lines[:60], lines[60:])):
        path = folder / "input" / f"rows-{number}.csv"
        path.write_text("user_id,item_id,timestamp\n" + "".join(part))
    rows = [f"i{n},Name {n},kind {n % 3}\n" for n in range(8)]
    (folder / "items.csv").write_text("item_id,name,kind\n" + "".join(rows))


def run_pipeline(folder: Path, data: DataConfig) -> Run:
    base, pattern = locating.locate(data, str(folder))
    connection = tfx.orchestration.metadata.sqlite_metadata_connection_config(str(folder / "metadata.sqlite"))
    pipeline = tfx.dsl.Pipeline(
        pipeline_name="data",
        pipeline_root=str(folder / "root"),
        components=[interaction_example_gen(data, base, pattern, "a")],
        metadata_connection_config=connection,
        beam_pipeline_args=BEAM_ARGS,
        enable_cache=True,
    )
    tfx.orchestration.LocalDagRunner().run(pipeline)
    with metadata.Metadata(connection) as store:
        execution = max(store.store.get_executions(), key=lambda e: e.id)
        (event,) = [
            event
            for event in store.store.get_events_by_execution_ids([execution.id])
            if event.type == metadata_store_pb2.Event.OUTPUT
        ]
        (artifact,) = store.store.get_artifacts_by_id([event.artifact_id])
    split_names = decode_split_names(artifact.properties["split_names"].string_value)
    return Run(execution.last_known_state, artifact.uri, split_names, read_splits(artifact.uri))


@functools.cache
def runs() -> dict[str, Run]:
    """Runs one pipeline again and again, changing one thing before each run."""
    folder = Path(tempfile.mkdtemp())
    write_input(folder)
    data = settings(folder)
    done = {"first": run_pipeline(folder, data), "again": run_pipeline(folder, data)}
    rows = folder / "input" / "rows-0.csv"
    os.utime(rows, (1_000_000_000, 1_000_000_000))
    done["input touched"] = run_pipeline(folder, data)
    items = folder / "items.csv"
    items.write_text(items.read_text().replace("kind 2", "kind 9"))
    done["items changed"] = run_pipeline(folder, data)
    return done


def test_the_artifact_has_the_four_splits() -> None:
    run = runs()["first"]
    assert run.state == COMPLETE
    assert run.split_names == list(names.SPLITS)
    for split in names.SPLITS:
        assert glob.glob(os.path.join(run.uri, f"Split-{split}", "*.gz"))


def test_the_records_hold_what_the_protocol_says() -> None:
    records = runs()["first"].records
    titles = {example["item_id"][0]: example["item_title"] for example in records["catalog"]}
    assert titles == {f"i{n}".encode(): [f"Name {n}".encode()] for n in range(8)}
    users = zip(records["train"], records["valid"], records["test"], strict=True)
    for train, valid, test in users:
        assert train["user_id"] == valid["user_id"] == test["user_id"]
        assert valid["history"] == train["target"]
        assert test["history"] == train["target"] + valid["target"]
        assert len(valid["target"]) == len(test["target"]) == 1
        number = int(test["target"][0].decode()[1:])
        assert test["target_kind"] == [f"kind {number % 3}".encode()]
    train_items = [item for example in records["train"] for item in example["target"]]
    for example in records["catalog"]:
        assert example["item_count"] == [train_items.count(example["item_id"][0])]


def test_the_report_lies_beside_the_splits() -> None:
    run = runs()["first"]
    report = read_report(run.uri)
    assert report["rows"]["read"] == 108
    assert report["corpus"]["users"] == len(run.records["train"])
    assert report["splits"]["test"]["targets"] == len(run.records["test"])
    assert json.loads((Path(run.uri) / names.REPORT_FILE).read_text()) == report


def test_nothing_temporary_is_left() -> None:
    run = runs()["first"]
    assert sorted(os.listdir(run.uri)) == sorted([names.REPORT_FILE, *(f"Split-{split}" for split in names.SPLITS)])
    assert not glob.glob(os.path.join(run.uri, "..", "..", "..", "**", "*.jsonl"), recursive=True)


@pytest.mark.parametrize(
    ("name", "state"),
    [
        ("again", CACHED),
        ("input touched", COMPLETE),
        ("items changed", COMPLETE),
    ],
)
def test_the_cache_is_hit_unless_something_changed(name: str, state: int) -> None:
    assert runs()[name].state == state


def test_two_executions_over_the_same_data_write_the_same_records() -> None:
    assert runs()["input touched"].uri != runs()["first"].uri
    assert runs()["input touched"].records == runs()["first"].records


def test_a_change_of_a_side_table_reaches_the_records() -> None:
    kinds = {example["kind"][0] for example in runs()["items changed"].records["catalog"]}
    assert kinds == {b"kind 0", b"kind 1", b"kind 9"}


def test_a_side_table_that_is_missing_is_refused_at_once(tmp_path: Path) -> None:
    data = settings(tmp_path)
    with pytest.raises(ValueError, match="`data.items_path` must name a file that exists"):
        interaction_example_gen(data, str(tmp_path), "rows-*.csv", "a")


def test_the_settings_and_the_code_are_part_of_the_cache_key(tmp_path: Path) -> None:
    write_input(tmp_path)

    def key(code: str, **changes: Any) -> str:
        component = interaction_example_gen(settings(tmp_path, **changes), str(tmp_path / "input"), "*.csv", code)
        return component.exec_properties["custom_config"]

    assert key("a") == key("a")
    assert len({key("a"), key("b"), key("a", min_rating=4.0), key("a", task="general")}) == 4
