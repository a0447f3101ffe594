"""Looks up and embeds the side features of items or users inside the graph."""

from collections.abc import Iterable, Mapping

import numpy as np
import tensorflow as tf

from modules.models.corpus import FeatureTable
from modules.models.layers.embeddings import embedding_initializer, lookup
from modules.models.layers.vocabulary_tables import VocabularyTables

_MULTI_HOT_VALUES = 256


class SideFeatureEmbeddings(tf.keras.layers.Layer, VocabularyTables):
    """One embedding for each side feature: the mean over the values an id has, 0 where it has none.

    A feature of few values (genres) is kept as one row of weights an id, so that looking it up is one matrix product,
    forward and backward; one of many values as indices, whose embeddings are gathered and averaged.

    Args:
      tables: name -> feature table; may be empty.
      embedding_dim: width d.
    """

    def __init__(self, tables: Mapping[str, FeatureTable], embedding_dim: int, **kwargs) -> None:
        super().__init__(**kwargs)
        self._lookups = {
            name: tf.Variable(
                _mean_weights(table) if table.size <= _MULTI_HOT_VALUES else table.values,
                trainable=False,
                name=f"{name}_values",
            )
            for name, table in tables.items()
        }
        self._embeddings = {
            name: self.add_weight(
                name=f"{name}_embeddings",
                shape=[table.size, embedding_dim],
                initializer=embedding_initializer(),
            )
            for name, table in tables.items()
        }

    def call(self, ids: tf.Tensor) -> list[tf.Tensor]:
        """Returns one float32 `[..., d]` tensor a feature for int64 ids `[...]`."""
        fields = []
        for name, table in self._embeddings.items():
            rows = lookup(self._lookups[name], ids)
            if rows.dtype.is_floating:
                fields.append(tf.matmul(rows, table))
                continue
            present = tf.cast(rows > 0, table.dtype)[..., tf.newaxis]
            total = tf.reduce_sum(lookup(table, rows) * present, axis=-2)
            fields.append(tf.math.divide_no_nan(total, tf.reduce_sum(present, axis=-2)))
        return fields

    def vocabulary_tables(self) -> Iterable[tuple[tf.Variable, str]]:
        """See base class; a number has buckets in place of a vocabulary, which is for the reader to tell."""
        return [(table, name) for name, table in self._embeddings.items()]


def _mean_weights(table: FeatureTable) -> np.ndarray:
    """Returns float32 `[rows, size]`, 1 / (number of values) at each value of an id: a product is their mean."""
    weights = np.zeros([len(table.values), table.size], np.float32)
    rows, columns = np.nonzero(table.values)
    np.add.at(weights, (rows, table.values[rows, columns]), 1.0)
    return weights / np.maximum(weights.sum(axis=1, keepdims=True), 1.0)
