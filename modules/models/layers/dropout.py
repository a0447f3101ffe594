"""Dropout whose random state is a variable, so that a resumed run draws what an unbroken one would have."""

import tensorflow as tf

from modules.models import global_batch


class Dropout(tf.keras.layers.Layer):
    """Inverted dropout drawn from (seed, number of calls so far).

    Keras's own layer keeps its generator out of checkpoints; after a resume it would repeat the first epochs' masks.

    Args:
      rate: share of the elements set to 0, in [0, 1).
      seed: first half of the stateless seed; give every layer its own.
    """

    def __init__(self, rate: float, seed: int, **kwargs) -> None:
        super().__init__(**kwargs)
        if not 0 <= rate < 1:
            raise ValueError(f"`rate` must be in [0, 1). Received: rate={rate}.")
        self._rate = rate
        self._seed = seed
        self._calls = self.add_weight(
            name="calls",
            shape=[],
            dtype=tf.int64,
            initializer="zeros",
            trainable=False,
            **global_batch.REPLICA_STATE,
        )

    def call(self, inputs: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Returns `inputs`, in training with elements dropped and the others scaled by 1 / (1 - rate)."""
        if not training or self._rate == 0:
            return inputs
        seed = tf.stack([tf.constant(self._seed, tf.int64), self._calls.assign_add(1)])
        return global_batch.stateless_dropout(inputs, self._rate, seed)
