"""How embedding tables start, and how they are read, in one piece or in shards on parameter servers."""

from collections.abc import Sequence
from typing import TypeAlias

import tensorflow as tf

ShardedVariable = tf.__internal__.distribute.ShardedVariable
Table: TypeAlias = tf.Variable | ShardedVariable  # type: ignore[valid-type]  # a private class of TensorFlow
"""A variable with a row for each id; under `tf.distribute.ParameterServerStrategy` a large one lies in shards."""


def embedding_initializer() -> tf.keras.initializers.Initializer:
    """Returns a new initialiser; one instance used for two tables would give both the same values."""
    return tf.keras.initializers.RandomNormal(stddev=0.05)


def lookup(table: Table | tf.Tensor, ids: tf.Tensor) -> tf.Tensor:
    """Returns the rows `[..., d]` of integer ids `[...]`; of a table in shards these rows alone leave their servers."""
    if isinstance(table, ShardedVariable):
        return tf.nn.embedding_lookup(list(table.variables), ids)
    return tf.gather(table, ids)


def shards(table: Table | tf.Tensor) -> Sequence[tf.Variable | tf.Tensor]:
    """Returns the consecutive parts `[n, d]` a table lies in: itself alone, where it is in one piece."""
    return table.variables if isinstance(table, ShardedVariable) else [table]
