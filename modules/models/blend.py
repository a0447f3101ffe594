"""The second stage's last word: both stages' scores, and what came after the history's items in training."""

from typing import NamedTuple

import numpy as np
import tensorflow as tf

from modules.models.neighbours import Neighbours


class Setting(NamedTuple):
    """How a blend is made.

    Attributes:
      retriever: factor a of the first stage's score.
      ranker: factor b of the ranker's network.
      neighbours: factor w of the neighbours' evidence.
      threshold: epsilon, the pointing that counts as evidence.
      decay: what an item of the history weighs against the one after it.
    """

    retriever: float
    ranker: float
    neighbours: float = 0.0
    threshold: float = 0.01
    decay: float = 0.6


class Blend(tf.keras.layers.Layer):
    """R(i, c) = a M(i, c) + b f(i, c) + w log(1 + s(i, c) / epsilon), where

        s(i, c) = sum over ages t of  decay^t count(h_t, i) / sqrt(n_(h_t) n_i)

    h_t is the item t places before the latest, count(j, i) how often i came after j in training, n_j how many users
    have j. Counts know the pairs that vectors of a few numbers forget. Nothing here is learned by gradient: in training
    a user's own choices are among the counts and would betray the positive; on validation, where the factors are
    chosen, they are not. Until then the blend is the trained model's own answer.

    Args:
      neighbours: the counts.
      item_counts: float32 `[N + 1]`.
      history_length: H.
      residual: whether M is part of the trained model's answer.
    """

    def __init__(self, neighbours: Neighbours, item_counts: np.ndarray, history_length: int, residual: bool) -> None:
        super().__init__(name="blend")
        rows = len(neighbours.ids)
        self._stride = rows + 1
        self._width = neighbours.ids.shape[1]
        # All rows ascend as one, so that one search finds any pair, however many neighbours there are.
        keys = np.arange(rows)[:, np.newaxis] * self._stride + neighbours.ids
        places = np.minimum(neighbours.ids, rows - 1)
        counts = np.maximum(item_counts, 1)
        weights = neighbours.counts / np.sqrt(counts[:, np.newaxis] * counts[places])
        self._keys = self._constant("neighbour_keys", keys.reshape(-1), tf.int64)
        self._weights = self._constant("neighbour_weights", weights.reshape(-1), tf.float32)
        self._last = keys.size - 1
        self._ages = tf.constant(np.arange(history_length)[::-1], tf.float32)
        self.trained = Setting(float(residual), 1.0)
        self._setting = self._constant("setting", self.trained, tf.float32)

    def _constant(self, name: str, values: np.ndarray | Setting, dtype: tf.DType) -> tf.Variable:
        values = np.asarray(values)
        initializer = tf.constant_initializer(values)
        return self.add_weight(name=name, shape=values.shape, dtype=dtype, initializer=initializer, trainable=False)

    def choose(self, setting: Setting) -> None:
        """Sets how the blend is made from now on."""
        self._setting.assign(setting)

    def call(
        self, history: tf.Tensor, candidates: tf.Tensor, retriever_scores: tf.Tensor, ranker_scores: tf.Tensor
    ) -> tf.Tensor:
        """Returns R float32 `[B, C]` of int64 candidates `[B, C]`, whose M and f are given, after history `[B, H]`."""
        setting = Setting(*tf.unstack(self._setting))
        pointing = self.pointing(history, candidates, setting.decay)
        return blended(setting, retriever_scores, ranker_scores, pointing)

    def neighbours(self, items: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns what came after int64 items `[B, S]` in training.

        Returns:
          ids int64 `[B, S, M]`, 0 where an item has fewer neighbours, and float32 `[B, S, M]`, their counts over the
          root of how many users have each of both.
        """
        places = items[..., tf.newaxis] * self._width + tf.range(self._width, dtype=tf.int64)
        ids = tf.gather(self._keys, places) % self._stride
        return tf.where(ids < self._stride - 1, ids, 0), tf.gather(self._weights, places)

    def pointing(self, history: tf.Tensor, candidates: tf.Tensor, decay: float | tf.Tensor) -> tf.Tensor:
        """Returns s float32 `[B, C]`."""
        wanted = history[:, tf.newaxis] * self._stride + candidates[:, :, tf.newaxis]
        places = tf.searchsorted(self._keys, tf.reshape(wanted, [-1]), out_type=tf.int64)
        places = tf.reshape(tf.minimum(places, self._last), tf.shape(wanted))
        weights = tf.where(tf.equal(tf.gather(self._keys, places), wanted), tf.gather(self._weights, places), 0.0)
        return tf.linalg.matvec(weights, tf.pow(tf.cast(decay, tf.float32), self._ages))


def blended(setting: Setting, retriever_scores: tf.Tensor, ranker_scores: tf.Tensor, pointing: tf.Tensor) -> tf.Tensor:
    """Returns R of the three parts, all float32 of one shape."""
    evidence = tf.math.log1p(pointing / setting.threshold)
    return setting.retriever * retriever_scores + setting.ranker * ranker_scores + setting.neighbours * evidence
