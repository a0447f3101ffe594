"""The base of retrievers that read the history alone."""

from collections.abc import Iterable

import tensorflow as tf

from modules import names
from modules.models.config import ModelConfig
from modules.models.context import Context
from modules.models.corpus import Corpus
from modules.models.layers.embeddings import embedding_initializer
from modules.models.retrievers.base import Retriever


class HistoryRetriever(Retriever):
    """One table of item embeddings is shared by the history and the candidates.

    Args:
      name: of the layer.
      corpus: of the items.
      config: of the model; `embedding_dim` is the table's width.
    """

    TASKS = frozenset({"sequential"})

    def __init__(self, name: str, corpus: Corpus, config: ModelConfig) -> None:
        super().__init__(name=name)
        self._items = self.add_weight(
            name="item_embeddings",
            shape=[corpus.num_items + 1, config.embedding_dim],
            initializer=embedding_initializer(),
        )

    def all_candidates(self) -> tf.Tensor:
        """See base class."""
        return self._items

    def vocabulary_tables(self) -> Iterable[tuple[tf.Variable, str]]:
        """See base class."""
        return [(self._items, names.ITEM_VOCABULARY)]

    def is_cold(self, context: Context) -> tf.Tensor:
        """A context without one known item is cold."""
        return tf.reduce_all(tf.equal(context.history, 0), axis=1)
