"""A proposal with a share of uniform draws mixed in, under its exact mixture probability."""

import math
from collections.abc import Sequence

import tensorflow as tf

from modules.models import global_batch
from modules.models.samplers.base import Draws, Sampler


class UniformMixture(Sampler):
    """Q = (1 - e) Q' + e / N: no item's importance weight 1 / Q can exceed N / e.

    Args:
      proposal: Q'.
      num_items: N.
      uniform_share: e, in [0, 1).
    """

    def __init__(self, proposal: Sampler, num_items: int, uniform_share: float) -> None:
        super().__init__(name="mixture")
        if not 0 <= uniform_share < 1:
            raise ValueError(f"`uniform_share` must be in [0, 1). Received: uniform_share={uniform_share}.")
        self._proposal = proposal
        self._num_items = num_items
        self._share = uniform_share
        self.refresh_steps = proposal.refresh_steps

    def refresh(self, candidates: Sequence[tf.Tensor]) -> None:
        """See base class."""
        self._proposal.refresh(candidates)

    def diagnostics(self) -> dict[str, tf.Tensor]:
        """See base class."""
        return self._proposal.diagnostics()

    def sample(self, query: tf.Tensor, num_draws: int, seed: tf.Tensor) -> Draws:
        """See base class."""
        # The proposal may be a mixture itself, whose coins must not fall like these.
        proposed = self._proposal.sample(query, num_draws, seed + 4)
        shape = tf.shape(proposed.ids)
        uniform = global_batch.stateless_uniform(shape, seed + 2, 1, self._num_items + 1, tf.int64)
        from_uniform = global_batch.stateless_uniform(shape, seed + 3) < self._share
        ids = tf.where(from_uniform, uniform, proposed.ids)
        return Draws(ids, self.log_prob(query, ids))

    def log_prob(self, query: tf.Tensor, ids: tf.Tensor) -> tf.Tensor:
        """See base class."""
        return self._mixed(self._proposal.log_prob(query, ids))

    def batch_log_prob(self, query: tf.Tensor, ids: tf.Tensor) -> tf.Tensor:
        """See base class: the mean of a mixture is the mixture of the mean."""
        return self._mixed(self._proposal.batch_log_prob(query, ids))

    def _mixed(self, log_q: tf.Tensor) -> tf.Tensor:
        """Returns log Q where log Q' is `log_q`, of any shape."""
        if self._share == 0:
            return log_q
        proposed = log_q + math.log1p(-self._share)
        floor = math.log(self._share) - math.log(self._num_items)
        return tf.math.reduce_logsumexp(tf.stack([proposed, tf.fill(tf.shape(proposed), floor)]), axis=0)
