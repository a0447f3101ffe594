"""A training written down, so that other processes can take part in it or be started for it."""

import dataclasses
import io
import os
from typing import Literal

import numpy as np
import pydantic
import tensorflow as tf

from modules.atomic_files import write_atomically
from modules.models.config import ModelConfig
from modules.models.corpus import Corpus, FeatureTable
from modules.training.config import TrainingConfig
from modules.training.data import TrainingData

_SETTINGS, _CORPUS = "job.json", "corpus.npz"


class _Settings(pydantic.BaseModel):
    model: ModelConfig
    training: TrainingConfig
    train: list[str]
    valid: list[str]
    task: Literal["sequential", "general"]
    baskets: bool
    num_users: int
    feature_sizes: dict[str, dict[str, int]]
    start: str | None


@dataclasses.dataclass(frozen=True)
class Job:
    """What `modules.training.fit.fit` is called with.

    Attributes:
      model: what is trained.
      training: how.
      data: on what; its files must be readable by that name in every process.
      start: a checkpoint of the `model` to begin with; None begins anew.
    """

    model: ModelConfig
    training: TrainingConfig
    data: TrainingData
    start: str | None = None


def write_job(job: Job, directory: str) -> None:
    """Writes a job into a folder of checkpoints; `job.json` comes last, so where it is, all is."""
    tf.io.gfile.makedirs(directory)
    corpus = job.data.corpus
    tables = {"item": corpus.item_features, "user": corpus.user_features}
    arrays = {f"{kind}/{name}": table.values for kind, named in tables.items() for name, table in named.items()}
    buffer = io.BytesIO()
    np.savez_compressed(buffer, item_counts=corpus.item_counts, **arrays)
    with tf.io.gfile.GFile(os.path.join(directory, _CORPUS), "wb") as file:
        file.write(buffer.getvalue())
    settings = _Settings(
        model=job.model,
        training=job.training,
        train=list(job.data.train),
        valid=list(job.data.valid),
        task=job.data.task,
        baskets=job.data.baskets,
        num_users=corpus.num_users,
        feature_sizes={kind: {name: table.size for name, table in named.items()} for kind, named in tables.items()},
        start=job.start,
    )
    write_atomically(os.path.join(directory, _SETTINGS), settings.model_dump_json(indent=1))


def remove_job(directory: str) -> None:
    """Takes back a job that is done, so that no worker that comes later waits for the others."""
    for name in (_SETTINGS, _CORPUS):
        tf.io.gfile.remove(os.path.join(directory, name))


def find_job(folder: str) -> str | None:
    """Returns `folder` or the one within it that a job was last written into; None where there is none."""
    found = [
        path for pattern in (_SETTINGS, f"*/{_SETTINGS}") for path in tf.io.gfile.glob(os.path.join(folder, pattern))
    ]
    newest = max(found, key=lambda path: tf.io.gfile.stat(path).mtime_nsec, default=None)
    return None if newest is None else os.path.dirname(newest)


def job_text(directory: str) -> str:
    """Returns the settings of a folder's job, as written."""
    with tf.io.gfile.GFile(os.path.join(directory, _SETTINGS)) as file:
        return file.read()


def read_job(directory: str) -> Job:
    """Returns the job of a folder."""
    settings = _Settings.model_validate_json(job_text(directory))
    with tf.io.gfile.GFile(os.path.join(directory, _CORPUS), "rb") as file:
        arrays = np.load(io.BytesIO(file.read()))

    def features(kind: str) -> dict[str, FeatureTable]:
        return {
            name: FeatureTable(arrays[f"{kind}/{name}"], size) for name, size in settings.feature_sizes[kind].items()
        }

    corpus = Corpus(arrays["item_counts"], settings.num_users, features("item"), features("user"))
    data = TrainingData(settings.train, settings.valid, corpus, settings.task, settings.baskets)
    return Job(settings.model, settings.training, data, settings.start)
