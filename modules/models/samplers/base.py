"""The contract of a proposal."""

import abc
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, NamedTuple

import tensorflow as tf

from modules.models import global_batch
from modules.models.corpus import CorpusAccess
from modules.section import Section


class Draws(NamedTuple):
    """Draws with replacement from Q(.|c), one row a context.

    Attributes:
      ids: int64 `[B, L]`, in 1..N.
      log_q: float32 `[B, L]`, normalised log Q of each draw.
    """

    ids: tf.Tensor
    log_q: tf.Tensor


class Sampler(tf.keras.layers.Layer, abc.ABC):
    """Q(.|c) over the items 1..N. Log-probabilities are normalised, so draws of several proposals can be mixed.

    A proposal whose draws are not to be corrected for returns log q = 0 of every item, which mixes to a constant.

    A sampler that follows the retriever does so through `refresh`: between two calls its state, and so the log q it
    returns, is that of the index which drew the sample.
    """

    Options: ClassVar[type[Section]]
    """The sampler's own settings."""
    refresh_steps: int | None = None
    """Training steps between two refreshes; None for a proposal that never changes."""

    @classmethod
    def corpus_access(cls, options: Any) -> CorpusAccess:
        """Returns what of the corpus a draw or a probability reads."""
        return "tables"

    def refresh(self, candidates: Sequence[tf.Tensor]) -> None:
        """Rebuilds the index from the candidate embeddings `[N + 1, d]` in consecutive parts float32 `[n, d]`."""

    def refresh_when_due(self, candidates: Callable[[], Sequence[tf.Tensor]], step: tf.Tensor) -> None:
        """Refreshes at every `refresh_steps`-th training step, the very first included; runs inside the train step.

        `candidates` returns what `refresh` takes and is called where a refresh is due alone: a tower over the whole
        corpus is no cost of the steps between.
        """
        if self.refresh_steps is None:
            return

        def refresh() -> tf.Tensor:
            self.refresh([tf.stop_gradient(part) for part in candidates()])
            return tf.constant(True)

        tf.cond(tf.equal(step % self.refresh_steps, 0), refresh, lambda: tf.constant(False))

    def diagnostics(self) -> dict[str, tf.Tensor]:
        """Returns what to log of the index as of its last refresh, name -> scalar."""
        return {}

    @abc.abstractmethod
    def sample(self, query: tf.Tensor, num_draws: int, seed: tf.Tensor) -> Draws:
        """Draws `num_draws` items for each query float32 `[B, d]`; `seed` is an integer `[2]` (stateless)."""

    @abc.abstractmethod
    def log_prob(self, query: tf.Tensor, ids: tf.Tensor) -> tf.Tensor:
        """Returns the normalised log Q of int64 ids `[B, M]` or `[1, M]` (shared by all rows): float32 `[B, M]`."""

    def batch_log_prob(self, query: tf.Tensor, ids: tf.Tensor) -> tf.Tensor:
        """Returns log(mean over the contexts c of the whole batch of Q(i|c)) of int64 ids `[M]`: float32 `[M]`.

        The proposal of a draw that a context of the batch made, whichever it was. Replicas must all have the same ids.
        A sampler that knows the mean without Q of each id in each context says it in its own way.
        """
        return global_batch.log_mean_exp(self.log_prob(query, ids[tf.newaxis]))


def gather_columns(values: tf.Tensor, ids: tf.Tensor) -> tf.Tensor:
    """Returns `values[b, ids[b, m]]`, or `values[b, ids[0, m]]` where `ids` is one row shared by all."""
    if ids.shape[0] == 1:
        return tf.gather(values, ids[0], axis=1)
    return tf.gather(values, ids, batch_dims=1)
