"""The hidden layers of a feed-forward network."""

from collections.abc import Sequence

import tensorflow as tf

from modules.models.layers.dropout import Dropout


class HiddenLayers(tf.keras.layers.Layer):
    """Dense layers, each with an activation and dropout behind it, `[..., n]` to `[..., units[-1]]`.

    Args:
      units: widths of the layers.
      dropout: rate, behind each layer.
      seed: of the first dropout; the others take those above it.
      activation: of each layer.
      of_sums: whether the inputs are the sums of a layer before the first, made by the caller in parts, so that a part
        that many inputs share is computed once; activation and dropout come first then.

    Attributes:
      dense: the dense layers.
    """

    def __init__(
        self, units: Sequence[int], dropout: float, seed: int, activation: str = "relu", of_sums: bool = False
    ) -> None:
        super().__init__()
        before = [tf.keras.layers.Activation(activation)] if of_sums else []
        self.dense = [tf.keras.layers.Dense(width, activation=activation) for width in units]
        self._steps = [*before, *self.dense]
        self._dropouts = [Dropout(dropout, seed + i) for i in range(len(self._steps))]

    def call(self, inputs: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Returns what the last layer makes of `inputs`."""
        for step, dropout in zip(self._steps, self._dropouts, strict=True):
            inputs = dropout(step(inputs), training=training)
        return inputs
