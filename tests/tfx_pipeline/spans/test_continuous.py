"""Two weeks of data, one after the other: warm starts, the judgement against the last model, and going back."""

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_model_analysis as tfma
import yaml
from tfx import v1 as tfx

from modules.evaluator import load_model
from modules.training.progress import MONITOR
from tests.tfx_pipeline.small_table import write_config
from tfx_pipeline.config import PipelineConfig, load_config
from tfx_pipeline.pipeline import create_pipeline
from tfx_pipeline.report.lineage import Artifact, Run, latest_run
from tfx_pipeline.versions import rollback

USERS, HALF, LENGTH = 50, 18, 14


def write_week(path: Path, week: int) -> None:
    """Writes a week's interactions: users of two tastes walk through their own items, some of which are new each week.

    Ten users and two items of each taste of the week before are gone, and as many are new.
    """
    random = np.random.default_rng(week)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["who", "what", "when", "kind"])
        for user in range(10 * week, 10 * week + USERS):
            start = random.integers(HALF)
            for step in range(LENGTH):
                place = 2 * week + (start + step) % HALF
                writer.writerow(
                    [
                        f"user {user}",
                        f"№ {user % 2}-{place}",
                        1_600_000_000 + 100 * step,
                        "even" if place % 2 else "odd",
                    ]
                )


def keys(week: int) -> tuple[set[str], set[str]]:
    """Returns the users and items of a week."""
    users = {f"user {user}" for user in range(10 * week, 10 * week + USERS)}
    return users, {f"№ {taste}-{place}" for taste in range(2) for place in range(2 * week, 2 * week + HALF)}


class Weeks:
    """A pipeline that is run again and again, and what each of its runs left behind."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.runs: dict[str, Run] = {}
        self.versions: dict[str, list[str]] = {}
        self.rollback: list[rollback.Restored] = []

    def config(self, week: int, **training: Any) -> PipelineConfig:
        """Returns the configuration of a week; but for `training`, only the data differ."""
        path = self._folder / f"week{week}.yaml"
        write_config(
            path,
            self._folder / f"week{week}.csv",
            self._folder / "var",
            # The smallest there is with rows of users, items and categories, and no search to be judged.
            model={
                "retriever": {"name": "mf"},
                "ranker": {"name": "deepfm", "hidden_units": [8]},
                "sampler": {"name": "uniform"},
                "candidates": "all",
                # What goes with what would make up for a ruined training.
                "neighbours": 0,
            },
            training={
                "warm_start": True,
                "epochs": 10,
                "patience": 10,
                "batch_size": 64,
                "retriever_learning_rate": 0.02,
                "ranker_learning_rate": 0.02,
                **training,
            },
            serving={"scann": False},
            evaluation={"cutoffs": [10], "full_ranking_share": 0.0, "max_ndcg_drop": 0.0},
            deployment={"infra_validator": "off", "warmup_users": 2},
        )
        return load_config(path)

    def run(self, name: str, week: int, **training: Any) -> None:
        """Runs the pipeline on a week's data."""
        config = self.config(week, **training)
        Path(config.metadata_path).parent.mkdir(parents=True, exist_ok=True)
        tfx.orchestration.LocalDagRunner().run(create_pipeline(config, run_token=name))
        self.runs[name] = latest_run(config.metadata_path, config.name)
        served = Path(config.serving_model_dir) / config.name
        self.versions[name] = sorted(entry.name for entry in served.iterdir() if entry.name.isdigit())


@pytest.fixture(scope="module")
def weeks(tmp_path_factory: pytest.TempPathFactory) -> Weeks:
    """All runs: two weeks, a ruined training, and after a rollback the second week and the first once more."""
    folder = tmp_path_factory.mktemp("weeks")
    for week in (0, 1):
        write_week(folder / f"week{week}.csv", week)
    done = Weeks(folder)
    done.run("first", 0)
    done.run("second", 1)
    done.run("ruined", 1, epochs=1, retriever_learning_rate=0.5, ranker_learning_rate=0.5)
    done.rollback = rollback.roll_back(done.config(1))
    done.run("second again", 1)
    done.run("first again", 0)
    return done


def only(run: Run, artifact_type: str, node: str) -> Artifact:
    (found,) = (made for execution, made in run.producing(artifact_type) if execution.node == node)
    return found


def state(run: Run, node: str) -> str:
    return next(execution.state for execution in run.executions if execution.node == node)


def warm_start(run: Run) -> dict[str, Any] | None:
    path = Path(only(run, "ModelRun", "Trainer").uri) / "warm_start.json"
    return json.loads(path.read_text()) if path.exists() else None


def history(run: Run) -> list[dict[str, float]]:
    return json.loads((Path(only(run, "ModelRun", "Trainer").uri) / "history.json").read_text())


def model_path(run: Run) -> str:
    return str(Path(only(run, "Model", "Trainer").uri) / "Format-Serving")


def ndcg(run: Run, of_baseline: bool = False) -> float:
    """Returns what the Evaluator of a run measured of the new model, or of the one it is compared with."""
    (overall,) = (
        record
        for record in tfma.load_metrics(only(run, "ModelEvaluation", "Evaluator.small").uri)
        if not record.slice_key.single_slice_keys
    )
    (value,) = (
        pair.value.double_value.value
        for pair in overall.metric_keys_and_values
        if pair.key.name == "two_stage/ndcg@10"
        and not pair.key.is_diff
        and (pair.key.model_name == tfma.constants.BASELINE_KEY) == of_baseline
    )
    return value


def is_blessed(run: Run) -> bool:
    return only(run, "ModelBlessing", "Evaluator.small").properties["blessed"] == 1


def test_the_first_training_begins_anew_and_is_pushed(weeks: Weeks) -> None:
    assert warm_start(weeks.runs["first"]) is None
    assert is_blessed(weeks.runs["first"])
    assert len(weeks.versions["first"]) == 1


def test_the_second_training_begins_with_the_rows_of_the_first(weeks: Weeks) -> None:
    first, second = weeks.runs["first"], weeks.runs["second"]
    summary = warm_start(second)
    assert summary["base"] == model_path(first)
    (old_users, old_items), (users, items) = keys(0), keys(1)
    by_user = {"vocabulary": "users", "carried": 40, "new": 10, "dropped": 10}
    by_item = {"vocabulary": "items", "carried": 32, "new": 4, "dropped": 4}
    assert (len(users & old_users), len(items & old_items)) == (40, 32)
    (kinds,) = (path for path in summary["tables"] if "item_kind" in path)
    assert summary["tables"] == {
        "retriever/user_embeddings": by_user,
        "retriever/item_embeddings": by_item,
        "ranker/_user_fields/user_embeddings": by_user,
        "ranker/_item_fields/item_embeddings": by_item,
        "ranker/item_bias": by_item,
        kinds: {"vocabulary": "item_kind", "carried": 2, "new": 0, "dropped": 0},
    }
    assert summary["initialised"] == {}
    # What was learned is of use: one epoch more is further on than the first one from nothing.
    assert history(second)[0][MONITOR] > 1.5 * history(first)[0][MONITOR]


def test_both_models_are_judged_on_the_same_new_examples(weeks: Weeks) -> None:
    first, second = weeks.runs["first"], weeks.runs["second"]
    examples = Path(second.raw_examples().uri) / "Split-test"
    users = list(read_examples(examples))
    assert len(users) == USERS
    for of_baseline, run in ((False, second), (True, first)):
        assert ndcg(second, of_baseline) == pytest.approx(mean_ndcg(model_path(run), users), abs=1e-6)
    assert ndcg(second) != ndcg(second, of_baseline=True)


def read_examples(folder: Path) -> Iterator[tuple[bytes, str]]:
    """Yields each serialized example of a split with its one target."""
    for file in sorted(folder.iterdir()):
        for record in tf.data.TFRecordDataset(str(file), compression_type="GZIP"):
            example = tf.train.Example.FromString(record.numpy())
            (target,) = example.features.feature["target"].bytes_list.value
            yield record.numpy(), target.decode()


def mean_ndcg(path: str, users: list[tuple[bytes, str]]) -> float:
    """Returns the mean of 1 / log2(1 + rank of the target) within the first ten, by an export's own answers."""
    evaluate = load_model(path).signatures["evaluate"]
    ranked = evaluate(examples=tf.constant([example for example, _ in users]))["ranked"].numpy()[:, :10]
    gains = []
    for row, (_, target) in zip(ranked, users, strict=True):
        places = [place for place, item in enumerate(row) if item.decode() == target]
        gains.append(1 / np.log2(2 + places[0]) if places else 0.0)
    return float(np.mean(gains))


def test_a_better_model_is_pushed_and_a_worse_one_is_not(weeks: Weeks) -> None:
    second, ruined = weeks.runs["second"], weeks.runs["ruined"]
    assert ndcg(second) > ndcg(second, of_baseline=True)
    assert is_blessed(second)
    assert len(weeks.versions["second"]) == 2
    # The second week's own model, on the same examples, is what the ruined one has to reach.
    assert warm_start(ruined)["base"] == model_path(second)
    assert ndcg(ruined, of_baseline=True) == pytest.approx(ndcg(second))
    assert ndcg(ruined) < ndcg(ruined, of_baseline=True)
    assert not is_blessed(ruined)
    assert weeks.versions["ruined"] == weeks.versions["second"]


def test_a_withdrawn_model_is_not_pushed_again_by_the_next_run(weeks: Weeks) -> None:
    first, second = weeks.versions["second"]
    (restored,) = weeks.rollback
    assert (str(restored.restored), str(restored.withdrawn)) == (first, second)
    again = weeks.runs["second again"]
    # Same base, same data: nothing was trained anew, and the verdict that was taken back stays so.
    assert state(again, "Trainer") == "CACHED"
    assert model_path(again) == model_path(weeks.runs["second"])
    assert not is_blessed(again)
    assert weeks.versions["second again"] == [first, second, str(restored.published)]


def test_the_run_after_a_rollback_builds_on_the_restored_model(weeks: Weeks) -> None:
    again = weeks.runs["first again"]
    # It was trained on this very data with these settings, so it is handed on as it is.
    assert warm_start(again) == {"base": model_path(weeks.runs["first"]), "handed_on": True}
    assert history(again) == history(weeks.runs["first"])
    assert ndcg(again) == ndcg(again, of_baseline=True) == ndcg(weeks.runs["first"])
    assert is_blessed(again)
    assert len(weeks.versions["first again"]) == len(weeks.versions["second again"]) + 1


def test_results_do_not_depend_on_earlier_runs_unless_asked_for(tmp_path: Path) -> None:
    write_week(tmp_path / "week0.csv", 0)
    path = tmp_path / "config.yaml"
    write_config(path, tmp_path / "week0.csv", tmp_path / "var")
    assert "warm_start" not in yaml.safe_load(path.read_text())["training"]
    pipeline = create_pipeline(load_config(path))
    (trainer,) = (component for component in pipeline.components if component.id == "Trainer")
    assert "base_model" not in trainer.inputs
