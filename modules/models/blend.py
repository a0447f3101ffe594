"""The second channel of candidates and the last word on their order, once both stages are trained."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from modules.models.evidence import Evidence


class Setting(NamedTuple):
    """The weights of a blend; F features of evidence.

    Attributes:
      alone: float32 `[F]`, where nothing but evidence is known.
      first: float32 `[1 + F]`, of the first stage's score M and the evidence.
      both: float32 `[2 + F]`, of M, the ranker's f and the evidence.
    """

    alone: np.ndarray
    first: np.ndarray
    both: np.ndarray


class Blend(tf.keras.layers.Layer):
    """Adds the neighbours of the history to the first stage's candidates, and evidence to both stages' scores.

    With the features e(i, c) of `Evidence`, of the union of the retriever's and the neighbours' candidates those of the
    largest  a M(i, c) + w'e(i, c)  are handed to the second stage, which answers with

        R(i, c) = a' M(i, c) + b' f(i, c) + w''e(i, c).

    In a context that the retriever knows nothing of (a new user of a model that knows users by their index alone), both
    are w'''e(i, c), which without a history is the order of popularity.

    Counts know the pairs that vectors of a few numbers forget. Nothing here is learned by gradient on the training
    split: there a user's own choices are among the counts and would betray the positive. The weights are fitted on
    validation, whose items are not counted (`modules.training.calibration`).

    Args:
      evidence: the features.
      setting: the weights.

    Attributes:
      alone, first, both: the setting's, as variables.
    """

    def __init__(self, evidence: Evidence, setting: Setting) -> None:
        super().__init__(name="blend")
        self.evidence = evidence
        self.alone, self.first, self.both = (
            self.add_weight(
                name=name,
                shape=values.shape,
                initializer=tf.constant_initializer(values),
                trainable=False,
            )
            for name, values in setting._asdict().items()
        )

    def pool(
        self,
        known: tf.Tensor,
        exclude: tf.Tensor,
        cold: tf.Tensor,
        retrieved: tf.Tensor,
        products: tf.Tensor,
        score: Callable[[tf.Tensor], tf.Tensor],
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns the second stage's candidates, as many as the retriever found, and their M, in order of the blend.

        Args:
          known: int64 `[B, K]`, the history, oldest first, as long as it is; 0 is no item.
          exclude: int64 `[B, E]`, items that are no answer.
          cold: bool `[B]`, where M says nothing.
          retrieved: int64 `[B, C]`, the retriever's; 0 is none.
          products: float32 `[B, C]`, their M.
          score: maps ids `[B, C]` to M `[B, C]`.
        """
        count = tf.shape(retrieved)[1]
        found = self.evidence.best(known, tf.concat([exclude, retrieved], axis=1), self.alone, count)
        ids = tf.concat([retrieved, found], axis=1)
        products = tf.concat([products, score(found)], axis=1)
        scores = self._weighted(known, cold, ids, self.first, products)
        scores = tf.where(ids > 0, scores, float("-inf"))
        columns = tf.math.top_k(scores, count).indices
        return tf.gather(ids, columns, batch_dims=1), tf.gather(products, columns, batch_dims=1)

    def call(
        self, known: tf.Tensor, cold: tf.Tensor, candidates: tf.Tensor, products: tf.Tensor, scores: tf.Tensor
    ) -> tf.Tensor:
        """Returns R float32 `[B, C]` of int64 candidates `[B, C]`, whose M and f are given, after all that is known."""
        return self._weighted(known, cold, candidates, self.both, products, scores)

    def _weighted(
        self, known: tf.Tensor, cold: tf.Tensor, ids: tf.Tensor, weights: tf.Variable, *stages: tf.Tensor
    ) -> tf.Tensor:
        features = self.evidence.features(known, ids)
        scores = tf.linalg.matvec(tf.stack(stages, axis=-1), weights[: len(stages)])
        scores += tf.linalg.matvec(features, weights[len(stages) :])
        return tf.where(cold[:, tf.newaxis], tf.linalg.matvec(features, self.alone), scores)
