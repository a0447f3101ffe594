"""TopRand: hard negatives, uncorrected."""

import pydantic
import tensorflow as tf

from modules.models.corpus import Corpus
from modules.models.samplers.base import Draws
from modules.models.samplers.top_pool import TopPool
from modules.section import Section


class TopRandSampler(TopPool):
    """Draws uniformly, with replacement, from the retriever's top items for the context (CoRR's "TopRand").

    An item outside the pool is never drawn, so there is no density to correct by: the losses would need log q of the
    positive, which is -inf as a rule. As published, `sample` and `log_prob` return 0 of every item instead, and the
    sampled losses are plain softmaxes over the positive and the draws, biased towards hard negatives. Zeros stay
    sensible where log q is mixed: over the contexts of a batch (`algorithm.shared_draws`) they give zeros again, with
    uniform draws (`model.uniform_share`) a constant, which cancels in every loss. `top_and_rand` is the proposal with a
    density.
    """

    class Options(Section):
        """Settings of TopRand."""

        pool_size: int = pydantic.Field(100, ge=1)
        """Items in the pool, at most N. The paper's is 5 L: 100 at the default `model.num_negatives` of 20."""
        refresh_steps: int = pydantic.Field(1, ge=1)
        """Training steps between two copies of the item embeddings; 1 keeps the pool current."""

    def __init__(self, corpus: Corpus, embedding_dim: int, options: Options, seed: int) -> None:
        super().__init__(corpus, embedding_dim, options.pool_size, options.refresh_steps)
        del seed

    def sample(self, query: tf.Tensor, num_draws: int, seed: tf.Tensor) -> Draws:
        """See base class; log q is 0."""
        ids = super().sample(query, num_draws, seed).ids
        return Draws(ids, self.log_prob(query, ids))

    def log_prob(self, query: tf.Tensor, ids: tf.Tensor) -> tf.Tensor:
        """Returns 0 of every id, float32 `[B, M]`: no correction."""
        return tf.zeros([tf.shape(query)[0], tf.shape(ids)[1]])
