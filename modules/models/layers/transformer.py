"""The transformer block that retrievers and rankers over sequences are stacked from."""

import tensorflow as tf

from modules.models.layers.dropout import Dropout


def check_heads(stage: str, heads: int, width: int) -> None:
    """Raises ValueError where the attention heads of `stage`, "retriever" or "ranker", do not divide the width."""
    if width % heads:
        raise ValueError(
            f"`{stage}.heads` must divide `embedding_dim`. Received: heads={heads}, embedding_dim={width}."
        )


class TransformerBlock(tf.keras.layers.Layer):
    """Pre-norm self-attention followed by a position-wise feed-forward network (Vaswani et al., NIPS 2017, section 3).

    What a position may look at is the caller's to say, so that one block serves causal and bidirectional encoders.

    Args:
      width: d, of the inputs, the feed-forward network's hidden layer and the outputs.
      heads: attention heads, each `width // heads` wide.
      dropout: rate, of the attention's output and the feed-forward network's.
      seed: of the dropout; the block uses `seed` and `seed + 1`.
      activation: of the feed-forward network's hidden layer.
    """

    def __init__(self, width: int, heads: int, dropout: float, seed: int, activation: str = "relu", **kwargs) -> None:
        super().__init__(**kwargs)
        self._norm = tf.keras.layers.LayerNormalization(epsilon=1e-6)
        self._attention = tf.keras.layers.MultiHeadAttention(heads, width // heads)
        self._attention_dropout = Dropout(dropout, seed)
        self._feed_forward_norm = tf.keras.layers.LayerNormalization(epsilon=1e-6)
        self._hidden = tf.keras.layers.Dense(width, activation=activation)
        self._output = tf.keras.layers.Dense(width)
        self._output_dropout = Dropout(dropout, seed + 1)

    def call(self, inputs: tf.Tensor, attendable: tf.Tensor, training: bool = False, first: int = 0) -> tf.Tensor:
        """Maps `[B, H, d]` to the Q positions from `first` on, `[B, Q, d]`; -1 asks for the latest alone.

        `attendable` is bool `[B or 1, Q or 1, H]`: which keys each query position may look at; the positions before
        `first` are looked at alone. A position that may look at nothing looks at everything alike; its output is the
        caller's to disregard.
        """
        normed = self._norm(inputs)
        queries = normed[:, first:] if first else normed
        residual = inputs[:, first:] if first else inputs
        attended = self._attention(queries, normed, attention_mask=attendable)
        hidden = residual + self._attention_dropout(attended, training=training)
        updated = self._output(self._hidden(self._feed_forward_norm(hidden)))
        return hidden + self._output_dropout(updated, training=training)
