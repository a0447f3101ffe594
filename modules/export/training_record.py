"""What a trained model says of its training, beside the SavedModel and not in it: no server has a use for it."""

import dataclasses
import json
import os

import tensorflow as tf

from modules.atomic_files import write_atomically

_FOLDER = "Training-Record"
_FILE = "record.json"


@dataclasses.dataclass(frozen=True)
class TrainingRecord:
    """How a model was trained.

    Attributes:
      digest: of everything that determined the training, but for the model it began from.
      retriever: name of the first stage.
      ranker: name of the second stage.
      history: one dict an epoch, as in `FitResult`.
    """

    digest: str
    retriever: str
    ranker: str
    history: list[dict[str, float]]

    def write(self, serving_model_dir: str) -> None:
        """Writes the record beside the SavedModel in `serving_model_dir`; it appears whole or not at all."""
        folder = _folder(serving_model_dir)
        tf.io.gfile.makedirs(folder)
        write_atomically(os.path.join(folder, _FILE), json.dumps(dataclasses.asdict(self), indent=1))


def read_training_record(serving_model_dir: str) -> TrainingRecord | None:
    """Returns the record beside a SavedModel; None where there is none, as of models from before there were records."""
    path = os.path.join(_folder(serving_model_dir), _FILE)
    if not tf.io.gfile.exists(path):
        return None
    with tf.io.gfile.GFile(path) as file:
        return TrainingRecord(**json.load(file))


def _folder(serving_model_dir: str) -> str:
    return os.path.join(os.path.dirname(serving_model_dir.rstrip("/")), _FOLDER)
