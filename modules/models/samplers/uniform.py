"""Every item alike."""

import math

import tensorflow as tf

from modules.models import global_batch
from modules.models.corpus import Corpus, CorpusAccess
from modules.models.samplers.base import Draws, Sampler
from modules.section import Section


class UniformSampler(Sampler):
    """Q(i) = 1 / N; the corrections vanish."""

    class Options(Section):
        """No settings."""

    def __init__(self, corpus: Corpus, embedding_dim: int, options: Options, seed: int) -> None:
        super().__init__(name="uniform")
        del embedding_dim, options, seed
        self._num_items = corpus.num_items

    @classmethod
    def corpus_access(cls, options: Options) -> CorpusAccess:
        """See base class."""
        return "rows"

    def sample(self, query: tf.Tensor, num_draws: int, seed: tf.Tensor) -> Draws:
        """See base class."""
        ids = global_batch.stateless_uniform([tf.shape(query)[0], num_draws], seed, 1, self._num_items + 1, tf.int64)
        return Draws(ids, self.log_prob(query, ids))

    def log_prob(self, query: tf.Tensor, ids: tf.Tensor) -> tf.Tensor:
        """See base class."""
        shape = [tf.shape(query)[0], tf.shape(ids)[1]]
        return tf.fill(shape, tf.constant(-math.log(self._num_items), tf.float32))
