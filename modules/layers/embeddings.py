"""How embedding tables start."""

import tensorflow as tf


def embedding_initializer() -> tf.keras.initializers.Initializer:
    """Returns a new initialiser; one instance used for two tables would give both the same values."""
    return tf.keras.initializers.RandomNormal(stddev=0.05)
