"""Searches whose trials are real trainings: finished, killed and started again, partly failed, wholly failed."""

import gc
import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from modules.models.algorithms.base import TwoStageModel
from modules.training.fit import fit
from modules.training.progress import MONITOR
from modules.tuning.hyperparameters import to_point
from modules.tuning.search import JointTuner
from modules.tuning.space import settings_at
from modules.tuning.trials import Trials
from tests.modules import tiny
from tests.modules.tuning import searches
from tests.paths import ROOT

HALVED = searches.model_config(sampler=tiny.MIDX, algorithm={"name": "retriever_only", "loss": "sampled_softmax"})


class Search(NamedTuple):
    """A search of three trials, start to end, and what it left behind."""

    tuner: JointTuner
    folder: Path
    models_kept: int


@pytest.fixture(scope="module")
def searched(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Search:
    folder = tmp_path_factory.mktemp("search")
    tuner = searches.make_tuner(data, folder)
    before = count_models()
    tuner.search()
    return Search(tuner, folder, count_models() - before)


def count_models() -> int:
    """Returns how many models this process holds."""
    gc.collect()
    return sum(isinstance(thing, TwoStageModel) for thing in gc.get_objects())


def outcome(tuner: JointTuner) -> list[tuple[dict, float | None]]:
    """Returns the values and the score of each trial, in order."""
    return [(trial.hyperparameters.values, trial.score) for _, trial in sorted(tuner.oracle.trials.items())]


def results(folder: Path) -> dict[Path, int]:
    """Returns the files of the finished trainings, and when each was written."""
    return {path: path.stat().st_mtime_ns for path in (folder / "results").glob("*.json")}


def test_the_best_point_has_the_best_score_and_can_be_trained_again(
    data: Path, searched: Search, tmp_path: Path
) -> None:
    trials = outcome(searched.tuner)
    assert len({json.dumps(values) for values, _ in trials}) == 3
    (best,) = searched.tuner.get_best_hyperparameters()
    score = max(score for _, score in trials)
    assert (best.values, score) in trials
    assert len({score for _, score in trials}) > 1

    model, training = settings_at(to_point(best.values), searches.model_config(), searches.training_config())
    training = training.model_copy(update={"epochs": 1})
    fitted = fit(model, training, searches.training_data(data), str(tmp_path))
    assert fitted.history[0][MONITOR] == pytest.approx(score, abs=1e-6)
    assert fitted.model.retriever.all_candidates().shape[1] == best.values["model.embedding_dim"]
    assert fitted.model.options.loss == to_point(best.values)["model.algorithm.loss"]


def test_no_checkpoint_and_no_model_is_left(searched: Search) -> None:
    assert results(searched.folder)
    assert not list(searched.folder.rglob("*.index"))
    assert searched.models_kept == 0


def test_a_killed_search_trains_only_what_was_not_finished(data: Path, searched: Search, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.modules.tuning.searches", str(data), str(tmp_path), "2"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    finished = results(tmp_path)
    assert len(finished) == 2

    resumed = searches.make_tuner(data, tmp_path)
    resumed.search()
    after = results(tmp_path)
    assert len(after) == 3
    assert finished.items() <= after.items()
    for (values, score), (unbroken_values, unbroken_score) in zip(
        outcome(resumed), outcome(searched.tuner), strict=True
    ):
        assert values == unbroken_values
        assert score == pytest.approx(unbroken_score, abs=1e-6)


def test_a_longer_training_goes_on_where_a_shorter_one_ended(data: Path, tmp_path: Path) -> None:
    trials = Trials(searches.training_data(data), str(tmp_path))
    model, training = searches.model_config(), searches.training_config()
    history = []
    for epochs in (1, 2):
        trials.score(model, training.model_copy(update={"epochs": epochs}))
        (path,) = (tmp_path / "checkpoints").glob("*/history.json")
        history.append(json.loads(path.read_text()))
    assert len(history[1]) == 2
    # With the seconds it took: not another first epoch.
    assert history[1][0] == history[0][0]


def test_hyperband_gives_the_best_more_epochs(data: Path, tmp_path: Path) -> None:
    tuner = searches.make_tuner(data, tmp_path, algorithm="hyperband", epochs=3, max_trials=4)
    tuner.search()
    trials = [trial.hyperparameters.values for trial in tuner.oracle.trials.values()]
    assert [values["tuner/epochs"] for values in trials] == [1, 1, 1, 3]
    best = max(outcome(tuner)[:3], key=lambda trial: trial[1])
    assert to_point(trials[3]) == to_point(best[0])


def test_a_trial_is_the_mean_of_its_executions(data: Path, tmp_path: Path) -> None:
    tuner = searches.make_tuner(data, tmp_path, max_trials=1, executions=2)
    tuner.search()
    scores = [json.loads(path.read_text())["score"] for path in results(tmp_path)]
    assert len(scores) == 2
    assert outcome(tuner)[0][1] == pytest.approx(sum(scores) / 2)


def test_a_trial_that_fails_costs_no_other(data: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    # MIDX cuts embeddings in halves; and this step size is not one that weights survive.
    space = {"model.embedding_dim": {"values": [3, 4]}, "training.retriever_learning_rate": {"values": [0.01, 1e30]}}
    settings = {"algorithm": "grid", "max_trials": None, "space": space}
    with caplog.at_level("INFO"):
        tuner = searches.make_tuner(data, tmp_path, model=HALVED, **settings)
        tuner.search()
    assert [score is None for _, score in outcome(tuner)] == [True, True, False, True]
    assert [trial.status for trial in tuner.oracle.trials.values()] == ["FAILED", "FAILED", "COMPLETED", "FAILED"]
    assert "`embedding_dim` must be even for the MIDX sampler" in caplog.text
    assert "The training loss must be finite" in caplog.text
    # As TFX asks for the results.
    assert tuner.oracle.get_best_trials(tuner.oracle.max_trials)[0].score == outcome(tuner)[2][1]

    finished = results(tmp_path)
    searches.make_tuner(data, tmp_path, model=HALVED, **settings).search()
    assert results(tmp_path) == finished


def test_a_search_of_nothing_but_failures_says_so(data: Path, tmp_path: Path) -> None:
    space = {"model.embedding_dim": {"values": [3, 5, 7, 9, 11]}}
    tuner = searches.make_tuner(data, tmp_path, model=HALVED, space=space)
    with pytest.raises(ValueError, match=r"3 trials, all of which failed.*`embedding_dim` must be even"):
        tuner.search()


def test_a_fault_that_is_not_of_the_settings_ends_the_search(data: Path, tmp_path: Path) -> None:
    tuner = searches.make_tuner(data, tmp_path)
    (tmp_path / "checkpoints").write_text("in the way")
    with pytest.raises(RuntimeError, match=r"Trial \d of the tuner"):
        tuner.search()
