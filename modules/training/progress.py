"""Checkpoints every epoch, keeps the best weights, stops when nothing improves, and resumes where a run was killed."""

import json
import logging
import math
import time
from pathlib import Path

import tensorflow as tf

from modules.cooperation.base import TwoStageModel

MONITOR = "val_two_stage_ndcg@10"
_HISTORY = "history.json"


class Progress(tf.keras.callbacks.Callback):
    """The state of a training run, on disk after every epoch.

    `history.json` is written before the checkpoint that belongs to it; a run killed between the two repeats that epoch.
    Must come after the callbacks that write the monitored metric into the logs.

    Args:
      model: a compiled model.
      directory: where checkpoints and the history lie; a run started on a directory that holds some resumes.
      patience: epochs without a better `MONITOR` before training stops.
    """

    def __init__(self, model: TwoStageModel, directory: str, patience: int) -> None:
        super().__init__()
        self._directory = Path(directory)
        self._directory.mkdir(parents=True, exist_ok=True)
        self._patience = patience
        state = {
            "model": model,
            "retriever_optimizer": model.optimizer,
            "ranker_optimizer": model.ranker_optimizer,
        }
        self._checkpoint = tf.train.Checkpoint(**state)
        self._latest = tf.train.CheckpointManager(self._checkpoint, str(self._directory / "latest"), max_to_keep=1)
        self._best = tf.train.CheckpointManager(
            tf.train.Checkpoint(model=model), str(self._directory / "best"), max_to_keep=1
        )
        self.history: list[dict[str, float]] = []
        self._started = self._cpu_started = 0.0

    def resume(self) -> int:
        """Restores the last finished epoch, if any, and returns how many epochs are done."""
        checkpoint = self._latest.restore_or_initialize()
        if checkpoint is None:
            return 0
        done = int(checkpoint.rsplit("-", 1)[1])
        self.history = json.loads((self._directory / _HISTORY).read_text())[:done]
        logging.info("Training resumes after epoch %d from %s.", done, checkpoint)
        return done

    @property
    def finished(self) -> bool:
        """Whether the metric has not improved for `patience` epochs."""
        return bool(self.history) and len(self.history) - self.best_epoch >= self._patience

    @property
    def best_epoch(self) -> int:
        """The epoch, from 1, of the best `MONITOR`; the first of equals."""
        return 1 + max(range(len(self.history)), key=lambda i: (self.history[i][MONITOR], -i))

    def restore_best(self) -> None:
        """Puts the weights of the best epoch back into the model."""
        self._best.restore_or_initialize()

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        """Tells the model which epoch it is and starts the epoch's clocks."""
        self.model.epoch.assign(epoch)
        self._started, self._cpu_started = time.monotonic(), time.process_time()

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Writes the epoch down and decides whether to go on."""
        values = {name: float(value) for name, value in (logs or {}).items()}
        spent = {
            "seconds": time.monotonic() - self._started,
            "cpu_seconds": time.process_time() - self._cpu_started,
        }
        self.history.append({"epoch": epoch + 1, **spent, **values})
        self._write_history()
        if self.best_epoch == epoch + 1:
            self._best.save(checkpoint_number=epoch + 1)
        self._latest.save(checkpoint_number=epoch + 1)
        logging.info(
            "Epoch %d: loss %.4f, NDCG@10 %.4f (retriever alone %.4f), %.1f s%s",
            epoch + 1,
            values["loss"],
            values[MONITOR],
            values["val_retriever_ndcg@10"],
            self.history[-1]["seconds"],
            "" if self.best_epoch == epoch + 1 else f"; best so far: epoch {self.best_epoch}",
        )
        if self.finished:
            self.model.stop_training = True

    def _write_history(self) -> None:
        temporary = self._directory / f"{_HISTORY}.partial"
        temporary.write_text(json.dumps(self.history, indent=1))
        temporary.replace(self._directory / _HISTORY)


class StopOnNonFiniteLoss(tf.keras.callbacks.Callback):
    """Ends a run whose loss is not a number, before it overwrites a good checkpoint."""

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        """Raises ValueError naming the step and what to change."""
        loss = (logs or {}).get("loss", 0.0)
        if not math.isfinite(loss):
            raise ValueError(
                f"The training loss must be finite. Received: {loss} at batch {batch + 1} of the epoch. Lower "
                "`training.retriever_learning_rate` and `training.ranker_learning_rate`, set "
                "`training.gradient_clip_norm`, or raise the sampler's `temperature`; the last good epoch's "
                "checkpoint is kept."
            )
