"""Top&Rand: half of the draws hard, half uniform."""

import pydantic
import tensorflow as tf

from modules.models.corpus import Corpus, CorpusAccess
from modules.models.samplers.mixture import UniformMixture
from modules.models.samplers.top_pool import TopPool
from modules.section import Section


class TopAndRandSampler(UniformMixture):
    """Each draw is one of the retriever's top P items or any item, both uniformly, with probability 1/2 each.

        Q(i|c) = [i among the top P] / (2 P) + 1 / (2 N)

    CoRR's "Top&Rand" takes the top L/2 items and L/2 uniform ones. Drawn with replacement, as a mixture, it has a
    density, positive everywhere: the losses can be corrected by it, and are unless `corrected` is off.
    """

    class Options(Section):
        """Settings of Top&Rand."""

        pool_size: int = pydantic.Field(10, ge=1)
        """P, items in the pool, at most N. The paper's is L/2: 10 at the default `model.num_negatives` of 20."""
        refresh_steps: int = pydantic.Field(1, ge=1)
        """Training steps between two copies of the item embeddings; 1 keeps the pool current."""
        corrected: bool = True
        """Correct by log Q. False: log q is 0 of every item, as published, and no loss is corrected."""

    @classmethod
    def corpus_access(cls, options: Options) -> CorpusAccess:
        """See base class."""
        return "scores"

    def __init__(self, corpus: Corpus, embedding_dim: int, options: Options, seed: int) -> None:
        pool = TopPool(corpus, embedding_dim, options.pool_size, options.refresh_steps)
        super().__init__(pool, corpus.num_items, uniform_share=0.5)
        del seed
        self._corrected = options.corrected

    def log_prob(self, query: tf.Tensor, ids: tf.Tensor) -> tf.Tensor:
        """See base class; 0 of every id where log q is not to be corrected by."""
        if self._corrected:
            return super().log_prob(query, ids)
        return tf.zeros([tf.shape(query)[0], tf.shape(ids)[1]])

    def batch_log_prob(self, query: tf.Tensor, ids: tf.Tensor) -> tf.Tensor:
        """See base class; 0 of every id where log q is not to be corrected by."""
        if self._corrected:
            return super().batch_log_prob(query, ids)
        return tf.zeros(tf.shape(ids))
