"""A small search that can be started in this process or in one of its own, and killed there.

    python -m tests.modules.tuning.searches <folder of the data> <folder of the search> <trial>

searches and is killed at the beginning of that trial, counted from 0.
"""

import os
import signal
import sys
from pathlib import Path
from typing import Any

import tensorflow as tf

from modules.models.config import ModelConfig
from modules.training.config import TrainingConfig
from modules.training.data import TrainingData
from modules.tuning.config import TunerConfig
from modules.tuning.search import JointTuner
from tests.modules import tiny
from tests.modules.training import runs

SPACE = {
    "training.retriever_learning_rate": {"min": 1e-3, "max": 1e-1, "sampling": "log"},
    "model.embedding_dim": {"min": 2, "max": 8},
    "model.algorithm.loss": {"values": ["full_softmax", "bpr"]},
}


class KilledTuner(JointTuner):
    """Is killed at the beginning of a trial."""

    killed_at: int

    def on_trial_begin(self, trial: Any) -> None:
        if int(trial.trial_id) == self.killed_at:
            os.kill(os.getpid(), signal.SIGKILL)


def training_data(folder: Path) -> TrainingData:
    """Returns what `runs.write_data` wrote to `folder`."""
    corpus = tiny.make_corpus(runs.ITEMS, runs.USERS)
    return TrainingData([str(folder / "train-*")], [str(folder / "valid-*")], corpus, "sequential")


def model_config(**changes: Any) -> ModelConfig:
    """Returns the settings that points are laid over: MF alone, the fastest to train, with some `changes`."""
    return tiny.make_config(**{"ranker": {"name": "none"}, "algorithm": {"name": "retriever_only"}, **changes})


def training_config() -> TrainingConfig:
    """Returns the settings that points are laid over."""
    return TrainingConfig(epochs=9, batch_size=runs.BATCH, shuffle_users=5)


def make_tuner(
    data: Path,
    folder: Path,
    kind: type[JointTuner] = JointTuner,
    model: ModelConfig | None = None,
    **changes: Any,
) -> JointTuner:
    """Returns a tuner of three random trials of one epoch, with some `changes` of its settings."""
    settings = TunerConfig(**{"max_trials": 3, "epochs": 1, "space": SPACE, **changes})
    return kind(settings, model or model_config(), training_config(), training_data(data), str(folder))


if __name__ == "__main__":
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    data_folder, search_folder, trial_number = sys.argv[1:]
    tuner = make_tuner(Path(data_folder), Path(search_folder), KilledTuner)
    tuner.killed_at = int(trial_number)
    tuner.search()
