"""Self-attentive sequential recommendation."""

import tensorflow as tf

from modules.models.config import ModelConfig
from modules.models.context import Context
from modules.models.corpus import Corpus
from modules.models.layers.embeddings import lookup
from modules.models.layers.transformer_stack import TransformerOptions, TransformerStack
from modules.models.retrievers.history import HistoryRetriever


class SASRec(HistoryRetriever):
    """A causal transformer over the history; its last state is the query (Kang and McAuley, ICDM 2018, section 3).

    The item embeddings are shared by the history and the candidates. Only the last position is asked for, so the last
    block attends from that position alone.
    """

    Options = TransformerOptions

    def __init__(self, corpus: Corpus, config: ModelConfig, options: TransformerOptions, seed: int) -> None:
        super().__init__("sasrec", corpus, config)
        length = config.history_length
        self._encoder = TransformerStack(length, config.embedding_dim, options, seed)
        self._output_norm = tf.keras.layers.LayerNormalization(epsilon=1e-6)
        self._causal = tf.linalg.band_part(tf.ones([1, length, length], tf.bool), -1, 0)

    def query(self, context: Context, training: bool = False) -> tf.Tensor:
        """See base class."""
        attendable = self._causal & tf.not_equal(context.history, 0)[:, tf.newaxis, :]
        last = self._encoder(lookup(self._items, context.history), attendable, training=training, first=-1)
        return self._output_norm(last)[:, 0]
