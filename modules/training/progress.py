"""Checkpoints every epoch, keeps the best weights, stops when nothing improves, and resumes where a run was killed."""

import json
import logging
import math
import os
import time
from typing import Any

import tensorflow as tf

from modules.atomic_files import write_atomically
from modules.models.algorithms.base import TwoStageModel
from modules.training.distributed.cluster import Cluster

MONITOR = "val_two_stage_ndcg@10"
_HISTORY = "history.json"


class Progress(tf.keras.callbacks.Callback):
    """The state of a training run, on disk after every epoch.

    `history.json` is written before the checkpoint that belongs to it; a run killed between the two repeats that epoch.
    Must come after the callbacks that write the monitored metric into the logs.

    Args:
      model: a compiled model.
      directory: where checkpoints and the history lie, a path or a URI that TensorFlow can open; a run started on a
        directory that holds some resumes.
      patience: epochs without a better `MONITOR` before training stops.
      cluster: the processes that train together. The first one writes, all read: the directory must be the same.
    """

    def __init__(self, model: TwoStageModel, directory: str, patience: int, cluster: Cluster | None = None) -> None:
        super().__init__()
        self._directory = directory
        self._cluster = cluster or Cluster()
        tf.io.gfile.makedirs(directory)
        self._patience = patience
        state = {
            "model": model,
            "retriever_optimizer": model.optimizer,
            "ranker_optimizer": model.ranker_optimizer,
        }
        self._checkpoint = tf.train.Checkpoint(**state)
        best = tf.train.Checkpoint(model=model)
        for checkpoint in (self._checkpoint, best):
            # Made when first asked for, and all workers must make it, though the first one alone saves.
            _ = checkpoint.save_counter
        self._latest = tf.train.CheckpointManager(self._checkpoint, os.path.join(directory, "latest"), max_to_keep=1)
        self._best = tf.train.CheckpointManager(best, os.path.join(directory, "best"), max_to_keep=1)
        self.history: list[dict[str, float]] = []
        self._started = self._cpu_started = 0.0

    def resume(self) -> int:
        """Restores the last finished epoch, if any, and returns how many epochs are done.

        Raises:
          ValueError: where a worker does not see the first one's checkpoint.
        """
        checkpoint = self._latest.restore_or_initialize()
        done = int(checkpoint.rsplit("-", 1)[1]) if checkpoint else 0
        of_first = self._cluster.value_of_first(done)
        if done != of_first:
            raise ValueError(
                "All workers must see one folder of checkpoints: a shared volume or a bucket. Received: "
                f"{self._directory}, where epoch {of_first} is the last one for the first worker and {done} for worker "
                f"{self._cluster.worker}."
            )
        if done:
            self.history = read_history(self._directory)[:done]
            logging.info("Training resumes after epoch %d from %s.", done, checkpoint)
        return done

    def read_best(self) -> None:
        """Takes over a training that other processes have finished: its history, and the weights of its best epoch."""
        self.history = read_history(self._directory)
        self.restore_best()

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
        if self._best.latest_checkpoint:
            # The optimisers' state lies beside them, and a model that others trained has none.
            self._best.checkpoint.restore(self._best.latest_checkpoint).expect_partial()

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
        if self._cluster.is_first:
            self._write(epoch)
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

    def _write(self, epoch: int) -> None:
        write_atomically(os.path.join(self._directory, _HISTORY), json.dumps(self.history, indent=1))
        if self.best_epoch == epoch + 1:
            self._best.save(checkpoint_number=epoch + 1)
        self._latest.save(checkpoint_number=epoch + 1)


def read_history(directory: str) -> list[dict[str, float]]:
    """Returns the epochs written down in a directory, or none; the last may lack its checkpoint."""
    path = os.path.join(directory, _HISTORY)
    if not tf.io.gfile.exists(path):
        return []
    with tf.io.gfile.GFile(path) as file:
        return json.loads(file.read())


class StopOnNonFiniteLoss(tf.keras.callbacks.Callback):
    """Ends a run whose loss is not a number, before it overwrites a good checkpoint.

    Where workers step each for itself that is seen at the end of the epoch alone.
    """

    def __init__(self) -> None:
        super().__init__()
        # Keras's word for callbacks that can be handed what is not a number yet.
        self._supports_tf_logs = True

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | Any | None = None) -> None:
        """Raises ValueError naming the step and what to change."""
        if isinstance(logs, dict):
            self._check(logs, f"batch {batch + 1} of the epoch")

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Raises ValueError naming the epoch and what to change."""
        self._check(logs or {}, f"the end of epoch {epoch + 1}")

    def _check(self, logs: dict[str, float], moment: str) -> None:
        loss = float(logs.get("loss", 0.0))
        if not math.isfinite(loss):
            raise ValueError(
                f"The training loss must be finite. Received: {loss} at {moment}. Lower "
                "`training.retriever_learning_rate` and `training.ranker_learning_rate`, set "
                "`training.gradient_clip_norm`, or raise the sampler's `temperature`; the last good epoch's "
                "checkpoint is kept."
            )
