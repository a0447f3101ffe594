"""What proposals that score every item for each context have in common."""

from collections.abc import Sequence

import tensorflow as tf

from modules.models import global_batch
from modules.models.corpus import Corpus, CorpusAccess
from modules.models.samplers.base import Sampler
from modules.section import Section


class CorpusScoresSampler(Sampler):
    """A proposal over the retriever's scores of the whole corpus, at O(N d) a query.

    It keeps a copy of the candidate embeddings, so that between two refreshes its scores are those of one retriever.

    Args:
      corpus: the items.
      embedding_dim: d.
      refresh_steps: training steps between two copies.
      name: of the layer.
    """

    def __init__(self, corpus: Corpus, embedding_dim: int, refresh_steps: int, name: str) -> None:
        super().__init__(name=name)
        self.refresh_steps = refresh_steps
        self._candidates = self.add_weight(
            name="candidates",
            shape=[corpus.num_items + 1, embedding_dim],
            initializer="zeros",
            trainable=False,
            **global_batch.REPLICA_STATE,
        )

    @classmethod
    def corpus_access(cls, options: Section) -> CorpusAccess:
        """See base class."""
        return "scores"

    def refresh(self, candidates: Sequence[tf.Tensor]) -> None:
        """See base class."""
        self._candidates.assign(tf.concat(candidates, axis=0))

    def _scores(self, query: tf.Tensor) -> tf.Tensor:
        """Returns <v_i, z_c> of the items 1..N, float32 `[B, N]`: column j is item j + 1."""
        return tf.matmul(query, self._candidates, transpose_b=True)[:, 1:]
