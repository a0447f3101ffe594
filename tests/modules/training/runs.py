"""A small training run that can be started in this process or in one of its own, and killed there.

    python -m tests.modules.training.runs <folder of the data> <directory> <epoch> <batch>

trains in `directory` and dies, as by a kill, at the beginning of that batch of that epoch, both counted from 0.
"""

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from modules.training.config import TrainingConfig
from modules.training.fit import FitResult, TrainingData, fit
from tests.modules import tiny

ITEMS, USERS = 16, 24
EPOCHS, BATCH = 4, 40
STEPS = 3
"""Of an epoch: 24 users of 6 items make 120 examples."""
KILLED = 77
"""Exit code of the killed process."""

# Dropout, K-means in the middle of an epoch, two optimisers: all that has a state.
SEQUENTIAL = {
    "retriever": tiny.SASREC,
    "ranker": tiny.DIN,
    "sampler": {**tiny.MIDX, "refresh_steps": 2},
    "num_negatives": 6,
}


def write_data(folder: Path) -> None:
    """Writes two files of training users, who go around a circle of items with some noise, and one of validation."""
    rng = np.random.default_rng(0)
    train, valid = [], []
    for user in range(1, USERS + 1):
        items = [int(1 + (user + place + (rng.random() < 0.2)) % ITEMS) for place in range(7)]
        train.append({"user": [user], "target": items[:6]})
        valid.append({"user": [user], "history": items[:6], "target": items[6:]})
    for part in range(2):
        tiny.write_records(folder / f"train-{part}.gz", train[part::2])
    tiny.write_records(folder / "valid-0.gz", valid)


def run(
    folder: Path,
    directory: Path,
    stages: Mapping[str, Any] = SEQUENTIAL,
    callbacks: Sequence[tf.keras.callbacks.Callback] = (),
    **training: Any,
) -> FitResult:
    """Trains on what `write_data` wrote to `folder`."""
    return fit(
        tiny.make_config(**stages), training_config(**training), training_data(folder), str(directory), callbacks
    )


def training_config(**changes: Any) -> TrainingConfig:
    """Returns how the runs train, with some `changes`."""
    return TrainingConfig(**{"epochs": EPOCHS, "batch_size": BATCH, "shuffle_users": 5, "patience": 10, **changes})


def training_data(folder: Path) -> TrainingData:
    """Returns what `write_data` wrote to `folder`."""
    return TrainingData(
        [str(folder / "train-*")], [str(folder / "valid-*")], tiny.make_corpus(ITEMS, USERS), "sequential"
    )


class Kill(tf.keras.callbacks.Callback):
    """Ends the process without a chance to clean up."""

    def __init__(self, epoch: int, batch: int) -> None:
        super().__init__()
        self._epoch, self._batch = epoch, batch
        self._now = 0

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        self._now = epoch

    def on_train_batch_begin(self, batch: int, logs: dict | None = None) -> None:
        if (self._now, batch) == (self._epoch, self._batch):
            self.end()

    def end(self) -> None:
        os._exit(KILLED)


if __name__ == "__main__":
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    data_folder, run_directory, *moment = sys.argv[1:]
    run(Path(data_folder), Path(run_directory), callbacks=[Kill(*map(int, moment))])
