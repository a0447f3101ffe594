"""The softmax over the whole corpus: the ideal proposal of small corpora, and the reference of the others."""

import pydantic
import tensorflow as tf

from modules.models import global_batch
from modules.models.corpus import Corpus
from modules.models.samplers.base import Draws, gather_columns
from modules.models.samplers.corpus_scores import CorpusScoresSampler
from modules.section import Section


class ExactSampler(CorpusScoresSampler):
    """Q(i|c) = softmax_i(<v_i, z_c> / T), at O(N d) a query. T to infinity is uniform, T to 0 the arg max."""

    class Options(Section):
        """Settings of the exact proposal."""

        temperature: float = pydantic.Field(1.0, gt=0)
        """T."""
        refresh_steps: int = pydantic.Field(1, ge=1)
        """Training steps between two copies of the item embeddings; 1 keeps the proposal exact."""

    def __init__(self, corpus: Corpus, embedding_dim: int, options: Options, seed: int) -> None:
        super().__init__(corpus, embedding_dim, options.refresh_steps, name="exact")
        del seed
        self._temperature = options.temperature

    def _log_softmax(self, query: tf.Tensor) -> tf.Tensor:
        log_q = tf.nn.log_softmax(self._scores(query) / self._temperature)
        return tf.pad(log_q, [[0, 0], [1, 0]], constant_values=float("-inf"))

    def sample(self, query: tf.Tensor, num_draws: int, seed: tf.Tensor) -> Draws:
        """See base class."""
        log_q = self._log_softmax(query)
        ids = global_batch.stateless_categorical(log_q, num_draws, seed)
        return Draws(ids, gather_columns(log_q, ids))

    def log_prob(self, query: tf.Tensor, ids: tf.Tensor) -> tf.Tensor:
        """See base class."""
        return gather_columns(self._log_softmax(query), ids)
