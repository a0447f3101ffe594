"""Settings of every test of the modules, and what those of training and tuning read."""

import contextlib
from pathlib import Path

import pytest
import tensorflow as tf

from tests.modules.training import runs

# Tiny tensors gain nothing from threads, and one thread adds up in the same order every time.
with contextlib.suppress(RuntimeError):
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the training and validation examples of `runs`."""
    folder = tmp_path_factory.mktemp("examples")
    runs.write_data(folder)
    return folder
