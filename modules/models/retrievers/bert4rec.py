"""Bidirectional sequential recommendation."""

from collections.abc import Iterable

import pydantic
import tensorflow as tf

from modules import names
from modules.models.config import ModelConfig
from modules.models.context import Context
from modules.models.corpus import Corpus
from modules.models.layers.dropout import Dropout
from modules.models.layers.embeddings import embedding_initializer, lookup
from modules.models.layers.transformer import TransformerBlock
from modules.models.retrievers.masked_items import MaskedItemRetriever
from modules.section import Section


class BERT4Rec(MaskedItemRetriever):
    """A bidirectional transformer; the state of a mask put behind the history is the query (Sun et al., CIKM 2019).

    The item embeddings are shared by the sequence and the candidates. The published head is GELU(h W + b) against the
    item embeddings plus an item bias; here the candidates have no bias, and a layer norm follows, as in the authors'
    code, which also closes the stack of blocks: those are pre-norm, where the paper's norm follows each sublayer.

    Meant for the algorithm `masked_items`; every other trains it on the gap behind the history alone.
    """

    TASKS = frozenset({"sequential"})

    class Options(Section):
        """Settings of BERT4Rec."""

        blocks: int = pydantic.Field(2, ge=1)
        """Transformer blocks."""
        heads: int = pydantic.Field(2, ge=1)
        """Attention heads; must divide `embedding_dim`."""
        dropout: float = pydantic.Field(0.2, ge=0, lt=1)
        """Of the embeddings, the attention's output and the feed-forward network's."""

    def __init__(self, corpus: Corpus, config: ModelConfig, options: Options, seed: int) -> None:
        super().__init__(name="bert4rec")
        width, length = config.embedding_dim, config.history_length + 1
        if width % options.heads:
            raise ValueError(
                "`retriever.heads` must divide `embedding_dim`. "
                f"Received: heads={options.heads}, embedding_dim={width}."
            )
        self._items, self._positions, self._mask = (
            self.add_weight(name=name, shape=shape, initializer=embedding_initializer())
            for name, shape in (
                ("item_embeddings", [corpus.num_items + 1, width]),
                ("position_embeddings", [length, width]),
                ("mask_embedding", [width]),
            )
        )
        self._input_dropout = Dropout(options.dropout, seed)
        self._blocks = [
            TransformerBlock(width, options.heads, options.dropout, seed + 10 * (i + 1), "gelu", name=f"block_{i}")
            for i in range(options.blocks)
        ]
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
        hidden = self._input_dropout(embedded + self._positions, training=training)
        for block in self._blocks[:-1]:
            hidden = block(hidden, attendable, training=training)
        hidden = self._blocks[-1](hidden, attendable, training=training, first=first)
        return self._head_norm(self._head(hidden))

    def all_candidates(self) -> tf.Tensor:
        """See base class."""
        return self._items

    def vocabulary_tables(self) -> Iterable[tuple[tf.Variable, str]]:
        """See base class."""
        return [(self._items, names.ITEM_VOCABULARY)]

    def is_cold(self, context: Context) -> tf.Tensor:
        """A context without one known item is cold."""
        return tf.reduce_all(tf.equal(context.history, 0), axis=1)
