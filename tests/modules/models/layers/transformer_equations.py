"""The transformer block's published equations in NumPy."""

import math

import numpy as np
import tensorflow as tf

from modules.models.layers.transformer import TransformerBlock

WIDTH, HEADS = 8, 2


def normalise(layer: tf.keras.layers.LayerNormalization, values: np.ndarray) -> np.ndarray:
    centred = values - values.mean(axis=-1, keepdims=True)
    deviation = np.sqrt((centred**2).mean(axis=-1, keepdims=True) + 1e-6)
    return layer.gamma.numpy() * centred / deviation + layer.beta.numpy()


def dense(layer: tf.keras.layers.Layer, values: np.ndarray) -> np.ndarray:
    """The layer before its activation; the attention's kernels have the heads in a dimension of their own."""
    kernel = layer.kernel.numpy().reshape(values.shape[-1], -1)
    return values @ kernel + layer.bias.numpy().ravel()


def activate(activation: str, values: np.ndarray) -> np.ndarray:
    if activation == "relu":
        return np.maximum(values, 0)
    return values * (1 + np.vectorize(math.erf)(values / math.sqrt(2))) / 2


def reference(block: TransformerBlock, inputs: np.ndarray, attendable: np.ndarray, activation: str) -> np.ndarray:
    """One sequence `[H, d]`, whose position i sees the positions of `attendable[i]`; one head at a time."""
    attention, size = block._attention, WIDTH // HEADS
    normed = normalise(block._norm, inputs)
    query, key, value = (
        dense(layer, normed) for layer in (attention._query_dense, attention._key_dense, attention._value_dense)
    )
    attended = np.zeros_like(inputs)
    for head in range(HEADS):
        part = slice(head * size, (head + 1) * size)
        for i, seen in enumerate(attendable):
            exponentials = np.exp(key[seen, part] @ query[i, part] / math.sqrt(size))
            attended[i, part] = exponentials / exponentials.sum() @ value[seen, part]
    hidden = inputs + dense(attention._output_dense, attended)
    inner = activate(activation, dense(block._hidden, normalise(block._feed_forward_norm, hidden)))
    return hidden + dense(block._output, inner)
