"""Items by how often they occur in training."""

import numpy as np
import pydantic
import tensorflow as tf

from modules.models import global_batch
from modules.models.corpus import Corpus
from modules.models.samplers.base import Draws, Sampler
from modules.section import Section


class PopularitySampler(Sampler):
    """Q(i) proportional to max(count_i, 1)^alpha, so that no item is out of reach (alpha = 0.75: Mikolov et al., 2013).

    Draws cost O(log N): a uniform number is looked up in the cumulative distribution.
    """

    class Options(Section):
        """Settings of the popularity proposal."""

        alpha: float = pydantic.Field(1.0, ge=0)
        """Exponent of the counts; 0 is uniform."""

    def __init__(self, corpus: Corpus, embedding_dim: int, options: Options, seed: int) -> None:
        super().__init__(name="popularity")
        del embedding_dim, seed
        weights = np.maximum(corpus.item_counts[1:].astype(np.float64), 1.0) ** options.alpha
        probabilities = weights / weights.sum()
        # float64: at a million items a float32 sum would lose the tail.
        cumulative = np.cumsum(probabilities)
        self._cumulative = tf.Variable(cumulative / cumulative[-1], trainable=False)
        self._log_q = tf.Variable(
            np.concatenate([[-np.inf], np.log(probabilities)]).astype(np.float32), trainable=False
        )

    def sample(self, query: tf.Tensor, num_draws: int, seed: tf.Tensor) -> Draws:
        """See base class."""
        shape = [tf.shape(query)[0], num_draws]
        uniform = global_batch.stateless_uniform(shape, seed, dtype=tf.float64)
        flat = tf.searchsorted(self._cumulative, tf.reshape(uniform, [-1]), side="right")
        last = tf.size(self._cumulative) - 1
        ids = tf.reshape(tf.cast(tf.minimum(flat, last), tf.int64) + 1, shape)
        return Draws(ids, tf.gather(self._log_q, ids))

    def log_prob(self, query: tf.Tensor, ids: tf.Tensor) -> tf.Tensor:
        """See base class."""
        shape = [tf.shape(query)[0], tf.shape(ids)[1]]
        return tf.broadcast_to(tf.gather(self._log_q, ids), shape)
