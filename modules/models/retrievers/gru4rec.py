"""Recurrent sequential recommendation."""

import pydantic
import tensorflow as tf

from modules.models.config import ModelConfig
from modules.models.context import Context
from modules.models.corpus import Corpus
from modules.models.layers.dropout import Dropout
from modules.models.layers.embeddings import lookup
from modules.models.retrievers.history import HistoryRetriever
from modules.section import Section


class GRU4Rec(HistoryRetriever):
    """Gated recurrent units over the history; a projection of the last state is the query (Hidasi et al., ICLR 2016).

    The item embeddings are shared by the history and the candidates, the constrained embeddings of the authors' later
    version (CIKM 2018), and the state is projected to their width, so that it may be wider. Through the padding on the
    left the state stays 0.
    """

    class Options(Section):
        """Settings of GRU4Rec."""

        layers: int = pydantic.Field(1, ge=1)
        """Recurrent layers."""
        units: int = pydantic.Field(64, ge=1)
        """Width of each layer's state."""
        dropout: float = pydantic.Field(0.2, ge=0, lt=1)
        """Of the item embeddings and of each layer's output."""

    def __init__(self, corpus: Corpus, config: ModelConfig, options: Options, seed: int) -> None:
        super().__init__("gru4rec", corpus, config)
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
        self._output = tf.keras.layers.Dense(config.embedding_dim)

    def query(self, context: Context, training: bool = False) -> tf.Tensor:
        """See base class."""
        present = tf.not_equal(context.history, 0)
        hidden = self._dropout[0](lookup(self._items, context.history), training=training)
        for layer, dropout in zip(self._layers, self._dropout[1:], strict=True):
            hidden = dropout(layer(hidden, mask=present), training=training)
        return self._output(hidden)
