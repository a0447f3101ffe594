"""What proposals that score every item for each context have in common."""

import tensorflow as tf

from modules import global_batch
from modules.corpus import Corpus
from modules.samplers.base import Sampler


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

    def refresh(self, candidates: tf.Tensor) -> None:
        """See base class."""
        self._candidates.assign(candidates)

    def _scores(self, query: tf.Tensor) -> tf.Tensor:
        """Returns <v_i, z_c> of the items 1..N, float32 `[B, N]`: column j is item j + 1."""
        return tf.matmul(query, self._candidates, transpose_b=True)[:, 1:]
