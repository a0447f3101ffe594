"""Whole training runs: broken and unbroken, stopped early, gone wrong."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from modules.models.build import build_model
from modules.training.config import TrainingConfig
from modules.training.fit import FitResult
from modules.training.progress import MONITOR
from tests.modules import tiny
from tests.modules.training import runs
from tests.paths import ROOT

# The least that can be trained, where the model does not matter.
SIMPLE = {"retriever": tiny.MF, "ranker": {"name": "none"}, "algorithm": {"name": "retriever_only"}}
CLOCKS = {"seconds", "cpu_seconds"}


@pytest.fixture(scope="module")
def unbroken(data: Path, tmp_path_factory: pytest.TempPathFactory) -> FitResult:
    """The result of the sequential run, start to end."""
    return runs.run(data, tmp_path_factory.mktemp("unbroken"))


def weights(result: FitResult) -> list[np.ndarray]:
    """Returns the trained weights, after an answer that builds whatever layer is not built yet."""
    context = tiny.make_context([1], [[1, 2, 3]])
    result.model.rank(context, tf.constant([[4]], tf.int64))
    return [weight.numpy() for weight in result.model.trainable_variables]


def assert_same_weights(first: list[np.ndarray], second: list[np.ndarray]) -> None:
    for ours, theirs in zip(first, second, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-6)


def test_a_killed_run_ends_where_an_unbroken_one_does(data: Path, tmp_path: Path, unbroken: FitResult) -> None:
    command = [sys.executable, "-m", "tests.modules.training.runs", str(data), str(tmp_path), "2", str(runs.STEPS - 1)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == runs.KILLED, done.stderr
    assert len(json.loads((tmp_path / "history.json").read_text())) == 2

    resumed = runs.run(data, tmp_path)
    assert resumed.best_epoch == unbroken.best_epoch
    for ours, theirs in zip(resumed.history, unbroken.history, strict=True):
        assert ours.keys() == theirs.keys()
        for name in ours.keys() - CLOCKS:
            assert ours[name] == pytest.approx(theirs[name], rel=1e-4, abs=1e-6), name
    assert_same_weights(weights(resumed), weights(unbroken))


class Script(tf.keras.callbacks.Callback):
    """Puts given scores in place of the measured ones, and keeps the weights and the model's epoch of each."""

    def __init__(self, scores: list[float]) -> None:
        super().__init__()
        self._scores = scores
        self.tables: list[np.ndarray] = []
        self.epochs: list[int] = []

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        logs[MONITOR] = self._scores[epoch]
        self.epochs.append(int(self.model.epoch))
        self.tables.append(self.model.retriever.all_candidates().numpy())


def test_a_finished_run_is_not_trained_again_unless_more_is_asked_for(data: Path, tmp_path: Path) -> None:
    # The first epoch is made the best, so that the latest checkpoint is not the one to restore.
    first = runs.run(data, tmp_path, SIMPLE, [Script([0.5, 0.1])], epochs=2)
    watch = Script([])
    again = runs.run(data, tmp_path, SIMPLE, [watch], epochs=2)
    assert watch.tables == []
    assert again.history == first.history
    assert again.best_epoch == 1
    assert_same_weights(weights(again), weights(first))
    resumed = Script([0.0, 0.0, 0.6])
    longer = runs.run(data, tmp_path, SIMPLE, [resumed], epochs=3)
    assert resumed.epochs == [2]
    assert [entry[MONITOR] for entry in longer.history] == [0.5, 0.1, 0.6]
    assert longer.best_epoch == 3


def test_training_stops_early_and_the_best_epoch_is_restored(data: Path, tmp_path: Path) -> None:
    script = Script([0.1, 0.4, 0.3, 0.4, 0.9])
    result = runs.run(data, tmp_path, SIMPLE, [script], epochs=5, patience=2)
    assert [entry[MONITOR] for entry in result.history] == [0.1, 0.4, 0.3, 0.4]
    assert result.best_epoch == 2
    np.testing.assert_array_equal(result.model.retriever.all_candidates(), script.tables[1])
    assert np.any(script.tables[1] != script.tables[3])


def test_the_history_has_losses_diagnostics_and_validation(unbroken: FitResult) -> None:
    assert [entry["epoch"] for entry in unbroken.history] == [1, 2, 3, 4]
    expected = {"loss", "ranker_loss", "retriever_loss", "kl", "ranker_gradient_norm", "codebook_residual", MONITOR}
    for entry in unbroken.history:
        assert expected | {"val_retriever_recall@10", "val_retriever_ndcg@10", *CLOCKS} <= entry.keys()
        assert all(np.isfinite(value) for value in entry.values())
    assert unbroken.history[-1]["retriever_loss"] < unbroken.history[0]["retriever_loss"]


def test_weight_decay_shrinks_what_is_not_trained(data: Path, tmp_path: Path) -> None:
    start = build_model(tiny.make_config(**SIMPLE), tiny.make_corpus(runs.ITEMS, runs.USERS), TrainingConfig().seed)
    trained = runs.run(data, tmp_path, SIMPLE, epochs=1, weight_decay=0.5)
    before, after = (model.retriever.all_candidates().numpy()[0] for model in (start, trained.model))
    # The padding item has no gradient: a factor of 1 - rate * decay a step is all that moves it.
    np.testing.assert_allclose(after, before * (1 - 0.001 * 0.5) ** runs.STEPS, rtol=1e-5)


class Poison(tf.keras.callbacks.Callback):
    """Puts a NaN into the weights before the second epoch's second step."""

    def __init__(self) -> None:
        super().__init__()
        self._steps = 0

    def on_train_batch_begin(self, batch: int, logs: dict | None = None) -> None:
        self._steps += 1
        if self._steps == runs.STEPS + 2:
            table = self.model.retriever.all_candidates()
            table.assign(tf.fill(table.shape, float("nan")))


def test_a_loss_that_is_no_number_stops_the_run_and_keeps_the_last_good_epoch(data: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="The training loss must be finite. Received: nan at batch 2 of the epoch"):
        runs.run(data, tmp_path, SIMPLE, [Poison()], epochs=2)
    result = runs.run(data, tmp_path, SIMPLE, epochs=2)
    assert [entry["epoch"] for entry in result.history] == [1, 2]
    assert all(np.all(np.isfinite(weight)) for weight in weights(result))


@pytest.mark.parametrize("changes", [{"candidates": 17}, {"num_negatives": 17}])
def test_sizes_beyond_the_corpus_are_upper_bounds(data: Path, tmp_path: Path, changes: dict) -> None:
    assert runs.ITEMS == 16
    assert runs.run(data, tmp_path, {**SIMPLE, **changes}).history


def test_missing_examples_are_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="`patterns` must match at least one file. Received: .*train-"):
        runs.run(tmp_path / "nowhere", tmp_path / "run", SIMPLE)
