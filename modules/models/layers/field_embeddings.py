"""Embeds all the fields of an item or a user: the id and each side feature."""

from collections.abc import Iterable, Mapping

import tensorflow as tf

from modules import names
from modules.models.corpus import FeatureTable
from modules.models.layers.embeddings import embedding_initializer, lookup
from modules.models.layers.side_features import SideFeatureEmbeddings
from modules.models.layers.vocabulary_tables import VocabularyTables

_VOCABULARIES = {"item": names.ITEM_VOCABULARY, "user": names.USER_VOCABULARY}


class FieldEmbeddings(tf.keras.layers.Layer, VocabularyTables):
    """An embedding of the id itself and one for each side feature (`SideFeatureEmbeddings`).

    Args:
      name: of the layer, "item" or "user"; the ids' table is the weight `<name>_embeddings`.
      num_ids: the largest id; 0 is padding or unknown and has a row as well.
      tables: name -> feature table of `num_ids` + 1 rows; may be empty.
      embedding_dim: width d.
    """

    def __init__(self, name: str, num_ids: int, tables: Mapping[str, FeatureTable], embedding_dim: int) -> None:
        super().__init__(name=name)
        self._ids = self.add_weight(
            name=f"{name}_embeddings", shape=[num_ids + 1, embedding_dim], initializer=embedding_initializer()
        )
        self._side_features = SideFeatureEmbeddings(tables, embedding_dim)

    def call(self, ids: tf.Tensor) -> list[tf.Tensor]:
        """Returns float32 `[..., d]` tensors for int64 ids `[...]`: the id's own, then one a feature."""
        return [lookup(self._ids, ids), *self._side_features(ids)]

    def vocabulary_tables(self) -> Iterable[tuple[tf.Variable, str]]:
        """See base class."""
        return [(self._ids, _VOCABULARIES[self.name])]
