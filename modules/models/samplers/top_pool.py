"""Uniform draws from the retriever's best items."""

import math

import tensorflow as tf

from modules.models import global_batch
from modules.models.corpus import Corpus
from modules.models.samplers.base import Draws
from modules.models.samplers.corpus_scores import CorpusScoresSampler


class TopPool(CorpusScoresSampler):
    """Q(i|c) = 1 / P for the P items of the largest <v_i, z_c>, 0 for all others: log q is -inf outside the pool.

    No loss can be corrected by it as it stands, since a positive outside the pool would have an infinite weight; it is
    what `toprand` and `top_and_rand` are built of. Items of equal scores enter the pool by the smaller id.

    Args:
      corpus: the items.
      embedding_dim: d.
      pool_size: P, between 1 and N.
      refresh_steps: training steps between two copies of the item embeddings.

    Raises:
      ValueError: where the pool is larger than the corpus.
    """

    def __init__(self, corpus: Corpus, embedding_dim: int, pool_size: int, refresh_steps: int) -> None:
        super().__init__(corpus, embedding_dim, refresh_steps, name="top_pool")
        if pool_size > corpus.num_items:
            raise ValueError(
                f"`pool_size` must be at most the number of items ({corpus.num_items}). Received: {pool_size}."
            )
        self._pool_size = pool_size

    def _pool(self, query: tf.Tensor) -> tf.Tensor:
        """Returns the pool's ids, int64 `[B, P]`, best first."""
        return tf.cast(tf.math.top_k(self._scores(query), self._pool_size).indices, tf.int64) + 1

    def sample(self, query: tf.Tensor, num_draws: int, seed: tf.Tensor) -> Draws:
        """See base class."""
        shape = [tf.shape(query)[0], num_draws]
        ranks = global_batch.stateless_uniform(shape, seed, 0, self._pool_size, tf.int64)
        ids = tf.gather(self._pool(query), ranks, batch_dims=1)
        return Draws(ids, tf.fill(shape, -math.log(self._pool_size)))

    def log_prob(self, query: tf.Tensor, ids: tf.Tensor) -> tf.Tensor:
        """See base class."""
        pool = tf.sort(self._pool(query), axis=1)
        asked = tf.broadcast_to(ids, [tf.shape(query)[0], tf.shape(ids)[1]])
        # Where each id would stand in the pool: memory grows with the ids asked for, not with ids times pool.
        places = tf.minimum(tf.searchsorted(pool, asked), self._pool_size - 1)
        inside = tf.equal(tf.gather(pool, places, batch_dims=1), asked)
        return tf.where(inside, -math.log(self._pool_size), float("-inf"))
