"""Checkpoints and the history, epoch by epoch and after a kill at the worst moments."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from modules.models.algorithms.base import TwoStageModel
from modules.training.progress import MONITOR, Progress, StopOnNonFiniteLoss
from tests.modules import tiny

NDCG = [0.1, 0.3, 0.3, 0.2, 0.2]


def table(model: TwoStageModel) -> tf.Variable:
    return model.retriever.all_candidates()


def run_epochs(directory: Path, scores: list[float], patience: int = 3) -> Progress:
    """Goes on after the epochs that are done; after epoch e (from 1) every item's embedding is e."""
    model = tiny.make_model()
    progress = Progress(model, str(directory), patience)
    progress.set_model(model)
    for epoch in range(progress.resume(), len(scores)):
        progress.on_epoch_begin(epoch)
        table(model).assign(tf.fill(table(model).shape, float(epoch + 1)))
        progress.on_epoch_end(epoch, {"loss": 1.0, "val_retriever_ndcg@10": 0.0, MONITOR: scores[epoch]})
        if model.stop_training:
            break
    return progress


def test_a_fresh_directory_has_nothing_to_resume(tmp_path: Path) -> None:
    progress = Progress(tiny.make_model(), str(tmp_path / "new" / "folder"), 3)
    assert progress.resume() == 0
    assert progress.history == []
    assert not progress.finished


def test_the_history_tells_every_epoch(tmp_path: Path) -> None:
    progress = run_epochs(tmp_path, NDCG[:3])
    assert json.loads((tmp_path / "history.json").read_text()) == progress.history
    assert [entry["epoch"] for entry in progress.history] == [1, 2, 3]
    assert [entry[MONITOR] for entry in progress.history] == NDCG[:3]
    assert all(entry["seconds"] >= 0 for entry in progress.history)
    assert not list(tmp_path.glob("*.partial"))


def test_training_stops_when_patience_is_over(tmp_path: Path) -> None:
    progress = run_epochs(tmp_path, [*NDCG, 0.9, 0.9], patience=3)
    # The best is the second epoch, the first of equals; three without a better one follow.
    assert progress.best_epoch == 2
    assert len(progress.history) == 5
    assert progress.finished


def test_the_best_weights_come_back(tmp_path: Path) -> None:
    progress = run_epochs(tmp_path, NDCG)
    np.testing.assert_array_equal(table(progress.model), np.full([21, 8], 5.0))
    progress.restore_best()
    np.testing.assert_array_equal(table(progress.model), np.full([21, 8], 2.0))


def test_a_finished_run_stays_finished(tmp_path: Path) -> None:
    run_epochs(tmp_path, NDCG)
    again = run_epochs(tmp_path, NDCG)
    assert again.finished
    again.restore_best()
    np.testing.assert_array_equal(table(again.model), np.full([21, 8], 2.0))


@pytest.mark.parametrize("done", [1, 2, 3])
def test_a_run_goes_on_where_it_was_left(tmp_path: Path, done: int) -> None:
    run_epochs(tmp_path, NDCG[:done])
    resumed = Progress(tiny.make_model(), str(tmp_path), 3)
    assert resumed.resume() == done
    np.testing.assert_array_equal(table(resumed._checkpoint.model), np.full([21, 8], float(done)))
    progress = run_epochs(tmp_path, NDCG)
    assert [entry["epoch"] for entry in progress.history] == [1, 2, 3, 4, 5]
    assert progress.best_epoch == 2


@pytest.mark.parametrize("done", [0, 2])
def test_the_model_knows_its_epoch_also_right_after_a_resume(tmp_path: Path, done: int) -> None:
    run_epochs(tmp_path, NDCG[:done])
    progress = Progress(tiny.make_model(), str(tmp_path), 3)
    progress.set_model(progress._checkpoint.model)
    progress.on_epoch_begin(progress.resume())
    assert int(progress.model.epoch) == done


def test_optimisers_resume_with_their_moments_and_steps(tmp_path: Path) -> None:
    batch = (tiny.make_context([1, 2], [[], []]), tf.constant([3, 4], tf.int64))
    logs = {"loss": 1.0, "val_retriever_ndcg@10": 0.0, MONITOR: 0.5}
    model = tiny.make_model(ranker={**tiny.DEEPFM, "dropout": 0.5}, sampler=tiny.MIDX)
    progress = Progress(model, str(tmp_path), 3)
    progress.set_model(model)
    for _ in range(3):
        model.train_step(batch)
    progress.on_epoch_end(0, logs)
    resumed = tiny.make_model(ranker={**tiny.DEEPFM, "dropout": 0.5}, sampler=tiny.MIDX)
    assert Progress(resumed, str(tmp_path), 3).resume() == 1
    for of in (model, resumed):
        of.train_step(batch)
    assert int(resumed.optimizer.iterations) == int(resumed.ranker_optimizer.iterations) == 4
    for ours, theirs in zip(resumed.variables, model.variables, strict=True):
        if "metrics" not in ours.name and ours.shape != ():
            np.testing.assert_allclose(ours, theirs, rtol=1e-6, err_msg=ours.name)


def test_killed_between_history_and_checkpoint_the_epoch_is_repeated(tmp_path: Path) -> None:
    run_epochs(tmp_path, NDCG[:2])
    history = json.loads((tmp_path / "history.json").read_text())
    (tmp_path / "history.json").write_text(json.dumps([*history, {**history[-1], "epoch": 3, MONITOR: 0.8}]))
    progress = run_epochs(tmp_path, NDCG)
    assert [entry["epoch"] for entry in progress.history] == [1, 2, 3, 4, 5]
    assert progress.history[2][MONITOR] == 0.3


def test_killed_between_the_best_and_the_latest_checkpoint_the_epoch_is_repeated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(Exception):
        pass

    run_epochs(tmp_path, NDCG[:1])
    save = tf.train.CheckpointManager.save

    def save_the_best_alone(self: tf.train.CheckpointManager, **kwargs) -> str:
        if self.directory.endswith("latest"):
            raise Killed
        return save(self, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(tf.train.CheckpointManager, "save", save_the_best_alone)
        with pytest.raises(Killed):
            run_epochs(tmp_path, NDCG)
    progress = run_epochs(tmp_path, NDCG)
    assert [entry[MONITOR] for entry in progress.history] == NDCG
    progress.restore_best()
    np.testing.assert_array_equal(table(progress.model), np.full([21, 8], 2.0))


def test_only_the_latest_and_the_best_are_kept(tmp_path: Path) -> None:
    run_epochs(tmp_path, NDCG)
    assert [path.name for path in (tmp_path / "latest").glob("*.index")] == ["ckpt-5.index"]
    assert [path.name for path in (tmp_path / "best").glob("*.index")] == ["ckpt-2.index"]


@pytest.mark.parametrize("loss", [math.nan, math.inf, -math.inf])
def test_a_loss_that_is_no_number_ends_the_run(loss: float) -> None:
    with pytest.raises(ValueError, match=rf"The training loss must be finite. Received: {loss} at batch 8 .* Lower"):
        StopOnNonFiniteLoss().on_train_batch_end(7, {"loss": loss})


def test_a_finite_loss_goes_on() -> None:
    StopOnNonFiniteLoss().on_train_batch_end(7, {"loss": 1e30})
    StopOnNonFiniteLoss().on_train_batch_end(7, None)
