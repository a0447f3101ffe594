"""The trainings of a search: each done once, however often the search is started."""

import gc
import hashlib
import json
import os
from typing import Any

import tensorflow as tf

from modules.atomic_files import write_atomically
from modules.models.config import ModelConfig
from modules.training.config import TrainingConfig
from modules.training.data import TrainingData
from modules.training.fit import fit
from modules.training.progress import MONITOR


class TrialError(Exception):
    """A training that these settings do not allow: sizes that do not fit, or a loss that is not finite."""


class Trials:
    """Trains and remembers the result under a digest of the settings.

    A training that was broken off goes on after its last epoch; one with more epochs, and otherwise the same
    settings, goes on where the shorter one ended.

    Args:
      data: what is trained on, and validated.
      folder: of the results, which stay, and of the checkpoints; on a local disk or in a bucket.
    """

    def __init__(self, data: TrainingData, folder: str) -> None:
        self._data = data
        self._results = os.path.join(folder, "results")
        self._checkpoints = os.path.join(folder, "checkpoints")
        tf.io.gfile.makedirs(self._results)

    def score(self, model: ModelConfig, training: TrainingConfig) -> float:
        """Returns the best epoch's validation `MONITOR`.

        Raises:
          TrialError: with what `fit` said, where the settings are at fault.
        """
        path = os.path.join(self._results, f"{_digest(model, training)}.json")
        if not tf.io.gfile.exists(path):
            self._train(model, training, path)
        with tf.io.gfile.GFile(path) as file:
            result = json.load(file)
        if "error" in result:
            raise TrialError(result["error"])
        return result["score"]

    def remove_checkpoints(self) -> None:
        """Leaves the results alone."""
        if tf.io.gfile.exists(self._checkpoints):
            tf.io.gfile.rmtree(self._checkpoints)

    def _train(self, model: ModelConfig, training: TrainingConfig, path: str) -> None:
        # Without the epochs, so that a longer training finds the shorter one's.
        directory = os.path.join(self._checkpoints, _digest(model, training.model_copy(update={"epochs": 0})))
        try:
            # What is searched is how both stages are trained; what neighbours add comes after.
            fitted = fit(model.model_copy(update={"neighbours": 0}), training, self._data, directory)
            result: dict[str, Any] = {"score": fitted.history[fitted.best_epoch - 1][MONITOR]}
            del fitted
        except ValueError as error:
            result = {"error": str(error)}
        except tf.errors.ResourceExhaustedError as error:
            # Not written down: the next start may find more memory.
            raise TrialError(f"Out of memory: {error.message}") from error
        finally:
            # Models hold themselves through their functions; the next trial needs the room.
            tf.keras.backend.clear_session()
            gc.collect()
        write_atomically(path, json.dumps(result))


def _digest(model: ModelConfig, training: TrainingConfig) -> str:
    settings = [model.model_dump(), training.model_dump()]
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:16]
