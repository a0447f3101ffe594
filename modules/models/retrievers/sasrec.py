"""Self-attentive sequential recommendation."""

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
from modules.models.retrievers.base import Retriever
from modules.section import Section


class SASRec(Retriever):
    """A causal transformer over the history; its last state is the query (Kang and McAuley, ICDM 2018, section 3).

    The item embeddings are shared by the history and the candidates. Only the last position is asked for, so the last
    block attends from that position alone.
    """

    TASKS = frozenset({"sequential"})

    class Options(Section):
        """Settings of SASRec."""

        blocks: int = pydantic.Field(2, ge=1)
        """Transformer blocks."""
        heads: int = pydantic.Field(2, ge=1)
        """Attention heads; must divide `embedding_dim`."""
        dropout: float = pydantic.Field(0.2, ge=0, lt=1)
        """Of the embeddings, the attention's output and the feed-forward network's."""

    def __init__(self, corpus: Corpus, config: ModelConfig, options: Options, seed: int) -> None:
        super().__init__(name="sasrec")
        width = config.embedding_dim
        if width % options.heads:
            raise ValueError(
                "`retriever.heads` must divide `embedding_dim`. "
                f"Received: heads={options.heads}, embedding_dim={width}."
            )
        self._items = self.add_weight(
            name="item_embeddings", shape=[corpus.num_items + 1, width], initializer=embedding_initializer()
        )
        self._positions = self.add_weight(
            name="position_embeddings", shape=[config.history_length, width], initializer=embedding_initializer()
        )
        self._input_dropout = Dropout(options.dropout, seed)
        self._blocks = [
            TransformerBlock(width, options.heads, options.dropout, seed + 10 * (i + 1), name=f"block_{i}")
            for i in range(options.blocks)
        ]
        self._output_norm = tf.keras.layers.LayerNormalization(epsilon=1e-6)
        length = config.history_length
        self._causal = tf.linalg.band_part(tf.ones([1, length, length], tf.bool), -1, 0)

    def query(self, context: Context, training: bool = False) -> tf.Tensor:
        """See base class."""
        present = tf.not_equal(context.history, 0)
        hidden = lookup(self._items, context.history) + self._positions
        hidden = self._input_dropout(hidden, training=training)
        for block in self._blocks[:-1]:
            attendable = self._causal & present[:, tf.newaxis, :]
            hidden = block(hidden, attendable, training=training)
        last = self._blocks[-1](hidden, present[:, tf.newaxis, :], training=training, first=-1)
        return self._output_norm(last)[:, 0]

    def all_candidates(self) -> tf.Tensor:
        """See base class."""
        return self._items

    def vocabulary_tables(self) -> Iterable[tuple[tf.Variable, str]]:
        """See base class."""
        return [(self._items, names.ITEM_VOCABULARY)]

    def is_cold(self, context: Context) -> tf.Tensor:
        """A context without one known item is cold."""
        return tf.reduce_all(tf.equal(context.history, 0), axis=1)
