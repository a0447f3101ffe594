"""The contract of a retriever that can be trained on masked items."""

import abc

import tensorflow as tf

from modules.models.retrievers.base import Retriever


class MaskedItemRetriever(Retriever):
    """A retriever that fills gaps anywhere in a sequence; the query is what it says of a gap behind the history."""

    @abc.abstractmethod
    def fill(self, items: tf.Tensor, masked: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Returns the embeddings to look for at each position, float32 `[B, H + 1, d]`.

        Args:
          items: int64 `[B, H + 1]`, oldest first, left-padded with 0: a history and the item behind it.
          masked: bool `[B, H + 1]` or `[1, H + 1]`, the positions whose item must not be seen.
          training: whether dropout works.
        """
