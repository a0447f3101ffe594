"""Stages without dropout, steps over a batch and their gradients."""

from typing import Any

import numpy as np
import tensorflow as tf

from modules.models.algorithms.base import TwoStageModel
from tests.modules import tiny

CALM_DIN = {**tiny.DIN, "dropout": 0.0}
CALM_SASREC = {**tiny.SASREC, "dropout": 0.0}
SEQUENTIAL = {"retriever": CALM_SASREC, "ranker": CALM_DIN, "sampler": tiny.MIDX}
EPOCH = 10
"""Steps an epoch, for what changes with the epochs: 50 steps end with one of RankFlow's self-learning."""


def dense(gradient: tf.Tensor | tf.IndexedSlices | None) -> np.ndarray | None:
    return None if gradient is None else tf.convert_to_tensor(gradient).numpy()


def train(model: TwoStageModel, batch: Any, steps: int) -> list[float]:
    """Returns the loss of each of `steps` equal batches."""
    step = tf.function(model.train_step)
    losses = []
    for done in range(steps):
        model.epoch.assign(done // EPOCH)
        model.reset_metrics()
        losses.append(float(step(batch)["loss"]))
    return losses
