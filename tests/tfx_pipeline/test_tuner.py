"""Real runs up to the Trainer: what the Tuner finds is what the Trainer trains with."""

import json
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import tensorflow as tf
import yaml
from tfx import v1 as tfx
from tfx.orchestration.pipeline import RunOptions

from modules.training.progress import MONITOR
from tests.tfx_pipeline.small_table import write_config, write_table
from tfx_pipeline.config import ConfigError, PipelineConfig, load_config
from tfx_pipeline.pipeline import create_pipeline
from tfx_pipeline.report.collect import collect
from tfx_pipeline.report.lineage import Run, latest_run
from tfx_pipeline.report.render import render

TUNER = {
    "enabled": True,
    "algorithm": "grid",
    "max_trials": None,
    "epochs": 1,
    # The configured width is 8.
    "space": {
        "model.embedding_dim": {"values": [6]},
        "training.retriever_learning_rate": {"values": [0.0001, 0.02]},
    },
}


class Runs(NamedTuple):
    """Three runs: of a search, of the same once more, and of the same search before a longer training."""

    config: PipelineConfig
    first: Run
    repeated: Run
    longer: Run


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Runs:
    folder = tmp_path_factory.mktemp("tuner")
    table, path = folder / "table.csv", folder / "config.yaml"
    write_table(table)
    write_config(
        path,
        table,
        folder / "var",
        # The fastest to train.
        model={"retriever": {"name": "mf"}, "ranker": {"name": "none"}, "algorithm": {"name": "retriever_only"}},
        training={"epochs": 1},
        serving={"scann": False},
        deployment={"infra_validator": "off"},
        tuner=TUNER,
    )
    first, repeated = _run(path), _run(path)
    values = yaml.safe_load(path.read_text())
    path.write_text(yaml.safe_dump({**values, "training": {**values["training"], "epochs": 2}}))
    return Runs(load_config(path), first, repeated, _run(path))


def _run(path: Path) -> Run:
    config = load_config(path)
    tfx.orchestration.LocalDagRunner().run(create_pipeline(config), run_options=RunOptions(to_nodes=["Trainer"]))
    return latest_run(config.metadata_path, config.name)


def _output(run: Run, artifact_type: str, file: str) -> Any:
    ((_, artifact),) = run.producing(artifact_type)
    return json.loads((Path(artifact.uri) / file).read_text())


def _states(run: Run) -> dict[str, str]:
    return {execution.node: execution.state for execution in run.executions}


def test_the_point_taken_is_the_best_of_all_trials(runs: Runs) -> None:
    trials = _output(runs.first, "TunerResults", "tuner_results.json")
    assert len(trials) == 2
    best = max(trials, key=lambda trial: trial["score"])
    assert best["score"] > min(trial["score"] for trial in trials)
    point = {key: best[key] for key in TUNER["space"]}
    assert _output(runs.first, "HyperParameters", "best_hyperparameters.txt")["values"] == point
    assert _output(runs.first, "ModelRun", "configuration.json")["tuned"] == point


def test_the_model_is_trained_with_the_point(runs: Runs) -> None:
    written = _output(runs.first, "ModelRun", "configuration.json")
    point = written["tuned"]
    assert written["model"]["embedding_dim"] == point["model.embedding_dim"]
    assert written["training"]["retriever_learning_rate"] == point["training.retriever_learning_rate"]
    assert written["training"]["epochs"] == 1
    assert written["model"]["num_negatives"] == 5

    ((_, model),) = runs.first.producing("Model")
    weights = tf.train.list_variables(f"{model.uri}/Format-Serving/variables/variables")
    widths = {shape[-1] for _, shape in weights if len(shape) == 2}
    assert point["model.embedding_dim"] in widths
    assert runs.config.model.embedding_dim not in widths

    # Trained as the trial was, it does as the trial did.
    trials = _output(runs.first, "TunerResults", "tuner_results.json")
    history = _output(runs.first, "ModelRun", "history.json")
    assert history[0][MONITOR] == pytest.approx(max(trial["score"] for trial in trials), abs=1e-6)


def test_nothing_is_searched_or_trained_twice(runs: Runs) -> None:
    assert _states(runs.first)["Tuner"] == _states(runs.first)["Trainer"] == "COMPLETE"
    assert _states(runs.repeated)["Tuner"] == _states(runs.repeated)["Trainer"] == "CACHED"


def test_a_longer_training_needs_no_other_search(runs: Runs) -> None:
    assert _states(runs.longer)["Tuner"] == "CACHED"
    assert _states(runs.longer)["Trainer"] == "COMPLETE"
    written = _output(runs.longer, "ModelRun", "configuration.json")
    assert written["tuned"] == _output(runs.first, "ModelRun", "configuration.json")["tuned"]
    assert len(_output(runs.longer, "ModelRun", "history.json")) == 2


def test_no_checkpoints_are_left(runs: Runs) -> None:
    assert not list(Path(runs.config.checkpoint_dir).rglob("*.index"))


def test_the_report_shows_the_trials(runs: Runs) -> None:
    facts = collect(runs.config.metadata_path, runs.config.name)
    trials = _output(runs.first, "TunerResults", "tuner_results.json")
    assert [trial.score for trial in facts.trials] == sorted((t["score"] for t in trials), reverse=True)
    assert facts.trials[0].point == _output(runs.first, "ModelRun", "configuration.json")["tuned"]
    page = render(facts)
    assert 'id="tuning"' in page
    assert "training.retriever_learning_rate" in page
    assert "0.02" in page


@pytest.mark.parametrize(
    ("tuner", "expected"),
    [
        ({"space": {"model.embeding_dim": {"values": [8]}}}, r"`tuner.space`.*closest is 'model.embedding_dim'"),
        ({"enabled": True, "algorithm": "best"}, r"`tuner.algorithm`: Input should be 'random'.*Received: 'best'"),
        ({"max_trials": 0}, r"`tuner.max_trials`.*greater than or equal to 1.*0"),
        ({"max_trials": None}, r"`tuner`: `max_trials` must be a number with `algorithm: random`"),
        ({"space": {}}, r"`tuner.space`.*at least 1 item"),
    ],
)
def test_a_search_that_cannot_be_made_is_refused_on_load(tmp_path: Path, tuner: dict, expected: str) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump({"tuner": tuner}))
    with pytest.raises(ConfigError, match=expected):
        load_config(path)


def test_a_pipeline_searches_only_where_it_is_told_to(tmp_path: Path) -> None:
    nodes = {}
    for enabled in (False, True):
        config = PipelineConfig(root=str(tmp_path), tuner={"enabled": enabled})
        nodes[enabled] = {component.id for component in create_pipeline(config).components}
    assert nodes[True] - nodes[False] == {"Tuner"}
