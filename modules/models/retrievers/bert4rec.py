"""Bidirectional sequential recommendation."""

import tensorflow as tf

from modules.models.config import ModelConfig
from modules.models.context import Context
from modules.models.corpus import Corpus
from modules.models.layers.embeddings import embedding_initializer, lookup
from modules.models.layers.transformer_stack import TransformerOptions, TransformerStack
from modules.models.retrievers.history import HistoryRetriever
from modules.models.retrievers.masked_items import MaskedItemRetriever


class BERT4Rec(HistoryRetriever, MaskedItemRetriever):
    """A bidirectional transformer; the state of a mask put behind the history is the query (Sun et al., CIKM 2019).

    The item embeddings are shared by the sequence and the candidates. The published head is GELU(h W + b) against the
    item embeddings plus an item bias; here the candidates have no bias, and a layer norm follows, as in the authors'
    code, which also closes the stack of blocks: those are pre-norm, where the paper's norm follows each sublayer.

    Meant for the algorithm `masked_items`; every other trains it on the gap behind the history alone.
    """

    Options = TransformerOptions

    def __init__(self, corpus: Corpus, config: ModelConfig, options: TransformerOptions, seed: int) -> None:
        super().__init__("bert4rec", corpus, config)
        width, length = config.embedding_dim, config.history_length + 1
        self._encoder = TransformerStack(length, width, options, seed, activation="gelu")
        self._mask = self.add_weight(name="mask_embedding", shape=[width], initializer=embedding_initializer())
        self._head = tf.keras.layers.Dense(width, activation="gelu")
        self._head_norm = tf.keras.layers.LayerNormalization(epsilon=1e-6)
        self._behind = tf.one_hot([length - 1], length, on_value=True, off_value=False)

    def query(self, context: Context, training: bool = False) -> tf.Tensor:
        """See base class."""
        items = tf.pad(context.history, [[0, 0], [0, 1]])
        return self._encode(items, self._behind, training, first=-1)[:, 0]

    def fill(self, items: tf.Tensor, masked: tf.Tensor, training: bool = False) -> tf.Tensor:
        """See base class."""
        return self._encode(items, masked, training, first=0)

    def _encode(self, items: tf.Tensor, masked: tf.Tensor, training: bool, first: int) -> tf.Tensor:
        attendable = (tf.not_equal(items, 0) | masked)[:, tf.newaxis, :]
        embedded = tf.where(masked[:, :, tf.newaxis], self._mask, lookup(self._items, items))
        hidden = self._encoder(embedded, attendable, training=training, first=first)
        return self._head_norm(self._head(hidden))
