"""Matrix factorisation: one free vector a user, one an item."""

from collections.abc import Iterable

import tensorflow as tf

from modules import names
from modules.models.config import ModelConfig
from modules.models.context import Context
from modules.models.corpus import Corpus
from modules.models.layers.embeddings import embedding_initializer, lookup
from modules.models.retrievers.base import Retriever
from modules.section import Section


class MatrixFactorization(Retriever):
    """M(i, u) = <v_i, v_u> (Koren, Bell, Volinsky, "Matrix Factorization Techniques", 2009)."""

    TASKS = frozenset({"general", "sequential"})

    class Options(Section):
        """MF has no settings beyond the embedding width."""

    def __init__(self, corpus: Corpus, config: ModelConfig, options: Options, seed: int) -> None:
        super().__init__(name="mf")
        del options, seed
        self._users = self.add_weight(
            name="user_embeddings",
            shape=[corpus.num_users + 1, config.embedding_dim],
            initializer=embedding_initializer(),
        )
        self._items = self.add_weight(
            name="item_embeddings",
            shape=[corpus.num_items + 1, config.embedding_dim],
            initializer=embedding_initializer(),
        )

    def query(self, context: Context, training: bool = False) -> tf.Tensor:
        """See base class."""
        return lookup(self._users, context.user)

    def all_candidates(self) -> tf.Tensor:
        """See base class."""
        return self._items

    def vocabulary_tables(self) -> Iterable[tuple[tf.Variable, str]]:
        """See base class."""
        return [(self._users, names.USER_VOCABULARY), (self._items, names.ITEM_VOCABULARY)]

    def is_cold(self, context: Context) -> tf.Tensor:
        """A user never trained on is cold, whatever they did before."""
        return tf.equal(context.user, 0)
