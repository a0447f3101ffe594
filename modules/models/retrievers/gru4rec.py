"""Recurrent sequential recommendation."""

from collections.abc import Iterable

import pydantic
import tensorflow as tf

from modules import names
from modules.models.config import ModelConfig
from modules.models.context import Context
from modules.models.corpus import Corpus
from modules.models.layers.dropout import Dropout
from modules.models.layers.embeddings import embedding_initializer, lookup
from modules.models.retrievers.base import Retriever
from modules.section import Section


class GRU4Rec(Retriever):
    """Gated recurrent units over the history; a projection of the last state is the query (Hidasi et al., ICLR 2016).

    The item embeddings are shared by the history and the candidates, the constrained embeddings of the authors' later
    version (CIKM 2018), and the state is projected to their width, so that it may be wider. Through the padding on the
    left the state stays 0.
    """

    TASKS = frozenset({"sequential"})

    class Options(Section):
        """Settings of GRU4Rec."""

        layers: int = pydantic.Field(1, ge=1)
        """Recurrent layers."""
        units: int = pydantic.Field(64, ge=1)
        """Width of each layer's state."""
        dropout: float = pydantic.Field(0.2, ge=0, lt=1)
        """Of the item embeddings and of each layer's output."""

    def __init__(self, corpus: Corpus, config: ModelConfig, options: Options, seed: int) -> None:
        super().__init__(name="gru4rec")
        width = config.embedding_dim
        self._items = self.add_weight(
            name="item_embeddings", shape=[corpus.num_items + 1, width], initializer=embedding_initializer()
        )
        # Keras's own `GRU` adds a second, fused kernel to the graph, for the device to choose from at run time.
        # The paper's reset gate acts before the recurrent product.
        self._layers = [
            tf.keras.layers.RNN(
                tf.keras.layers.GRUCell(options.units, reset_after=False),
                return_sequences=i + 1 < options.layers,
                name=f"layer_{i}",
            )
            for i in range(options.layers)
        ]
        self._dropout = [Dropout(options.dropout, seed + i) for i in range(options.layers + 1)]
        self._output = tf.keras.layers.Dense(width)

    def query(self, context: Context, training: bool = False) -> tf.Tensor:
        """See base class."""
        present = tf.not_equal(context.history, 0)
        hidden = self._dropout[0](lookup(self._items, context.history), training=training)
        for layer, dropout in zip(self._layers, self._dropout[1:], strict=True):
            hidden = dropout(layer(hidden, mask=present), training=training)
        return self._output(hidden)

    def all_candidates(self) -> tf.Tensor:
        """See base class."""
        return self._items

    def vocabulary_tables(self) -> Iterable[tuple[tf.Variable, str]]:
        """See base class."""
        return [(self._items, names.ITEM_VOCABULARY)]

    def is_cold(self, context: Context) -> tf.Tensor:
        """A context without one known item is cold."""
        return tf.reduce_all(tf.equal(context.history, 0), axis=1)
