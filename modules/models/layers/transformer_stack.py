"""The encoder of retrievers over sequences: positions, and blocks one upon the other."""

import pydantic
import tensorflow as tf

from modules.models.layers.dropout import Dropout
from modules.models.layers.embeddings import embedding_initializer
from modules.models.layers.transformer import TransformerBlock, check_heads
from modules.section import Section


class TransformerOptions(Section):
    """Settings of a transformer."""

    blocks: int = pydantic.Field(2, ge=1)
    """Transformer blocks."""
    heads: int = pydantic.Field(2, ge=1)
    """Attention heads; must divide `embedding_dim`."""
    dropout: float = pydantic.Field(0.2, ge=0, lt=1)
    """Of the embeddings, the attention's output and the feed-forward network's."""


class TransformerStack(tf.keras.layers.Layer):
    """Adds a learned vector for each position, and passes the sum through the blocks.

    Args:
      length: H, of the sequences.
      width: d, of the inputs and outputs.
      options: as the retriever has them.
      seed: of the dropout; block i uses `seed + 10 (i + 1)` and the one above.
      activation: of the feed-forward networks' hidden layers.

    Attributes:
      positions: `[H, d]`, a vector a position.
      blocks: from the first to the last.
    """

    def __init__(
        self, length: int, width: int, options: TransformerOptions, seed: int, activation: str = "relu"
    ) -> None:
        super().__init__()
        check_heads("retriever", options.heads, width)
        self.positions = self.add_weight(
            name="position_embeddings", shape=[length, width], initializer=embedding_initializer()
        )
        self._input_dropout = Dropout(options.dropout, seed)
        self.blocks = [
            TransformerBlock(width, options.heads, options.dropout, seed + 10 * (i + 1), activation, name=f"block_{i}")
            for i in range(options.blocks)
        ]

    def call(self, inputs: tf.Tensor, attendable: tf.Tensor, training: bool = False, first: int = 0) -> tf.Tensor:
        """Maps `[B, H, d]` to the Q positions from `first` on, `[B, Q, d]`; -1 asks for the latest alone.

        `attendable` is bool `[B or 1, H or 1, H]`: which positions each may look at. The last block computes no others
        than those asked for.
        """
        hidden = self._input_dropout(inputs + self.positions, training=training)
        for block in self.blocks[:-1]:
            hidden = block(hidden, attendable, training=training)
        return self.blocks[-1](hidden, attendable[:, first:], training=training, first=first)
