"""DeepFM: a factorisation machine and a deep network over the same field embeddings."""

from collections.abc import Iterable
from typing import NamedTuple

import pydantic
import tensorflow as tf

from modules import names
from modules.models.config import ModelConfig
from modules.models.context import Context
from modules.models.corpus import Corpus
from modules.models.layers.dropout import Dropout
from modules.models.layers.embeddings import lookup
from modules.models.layers.field_embeddings import FieldEmbeddings
from modules.models.layers.hidden_layers import HiddenLayers
from modules.models.rankers.base import Ranker
from modules.section import Section


class _Encoded(NamedTuple):
    """The user's half: the sum `[B, 1, d]` of its fields and its part `[B, 1, units]` of the first deep layer."""

    total: tf.Tensor
    first_layer: tf.Tensor


class DeepFM(Ranker):
    """FM plus deep network with shared embeddings (Guo et al., IJCAI 2017, section 2.1).

    Fields: user, item, and every side feature of either. The pairwise term among the user's own fields is the same for
    all candidates of a context and is left out: no ranking and no softmax over candidates can see it.
    """

    TASKS = frozenset({"general", "sequential"})

    class Options(Section):
        """Settings of DeepFM."""

        hidden_units: list[pydantic.PositiveInt] = pydantic.Field([64, 32], min_length=1)
        """Widths of the deep network's hidden layers."""
        dropout: float = pydantic.Field(0.2, ge=0, lt=1)
        """Of the field embeddings and the hidden layers."""

    def __init__(self, corpus: Corpus, config: ModelConfig, options: Options, seed: int) -> None:
        super().__init__(name="deepfm")
        width = config.embedding_dim
        self._user_fields = FieldEmbeddings("user", corpus.num_users, corpus.user_features, width)
        self._item_fields = FieldEmbeddings("item", corpus.num_items, corpus.item_features, width)
        self._item_bias = self.add_weight(name="item_bias", shape=[corpus.num_items + 1], initializer="zeros")
        first, *rest = options.hidden_units
        self._user_kernel = tf.keras.layers.Dense(first)
        self._item_kernel = tf.keras.layers.Dense(first, use_bias=False)
        self._user_dropout = Dropout(options.dropout, seed)
        self._item_dropout = Dropout(options.dropout, seed + 1)
        self._hidden = HiddenLayers(rest, options.dropout, seed + 2, of_sums=True)
        self._output = tf.keras.layers.Dense(1, kernel_initializer="zeros")

    def encode(self, context: Context, training: bool = False) -> _Encoded:
        """See base class."""
        fields = self._user_fields(context.user)
        stacked = self._user_dropout(tf.stack(fields, axis=1), training=training)
        flat = tf.reshape(stacked, [-1, len(fields) * stacked.shape[-1]])
        return _Encoded(
            total=tf.reduce_sum(stacked, axis=1, keepdims=True),
            first_layer=self._user_kernel(flat)[:, tf.newaxis],
        )

    def score(self, encoded: _Encoded, candidates: tf.Tensor, training: bool = False) -> tf.Tensor:
        """See base class."""
        fields = self._item_fields(candidates)
        stacked = self._item_dropout(tf.stack(fields, axis=2), training=training)
        total = tf.reduce_sum(stacked, axis=2)
        among_items = tf.reduce_sum(tf.square(total) - tf.reduce_sum(tf.square(stacked), axis=2), axis=-1) / 2
        with_user = tf.reduce_sum(total * encoded.total, axis=-1)
        first_order = lookup(self._item_bias, candidates)

        shape = tf.shape(candidates)
        flat = tf.reshape(stacked, [shape[0], shape[1], len(fields) * stacked.shape[-1]])
        hidden = self._hidden(encoded.first_layer + self._item_kernel(flat), training=training)
        return first_order + among_items + with_user + tf.squeeze(self._output(hidden), axis=-1)

    def vocabulary_tables(self) -> Iterable[tuple[tf.Variable, str]]:
        """See base class."""
        return [(self._item_bias, names.ITEM_VOCABULARY)]
