"""Deep and cross network."""

from typing import NamedTuple

import pydantic
import tensorflow as tf
import tensorflow_recommenders as tfrs

from modules.models.config import ModelConfig
from modules.models.context import Context
from modules.models.corpus import Corpus
from modules.models.layers.dropout import Dropout
from modules.models.layers.field_embeddings import FieldEmbeddings
from modules.models.layers.hidden_layers import HiddenLayers
from modules.models.rankers.base import Ranker
from modules.section import Section


class _Encoded(NamedTuple):
    """The user's half: the fields `[B, 1, F d]`, and their parts of the first cross layer's and deep layer's sums."""

    fields: tf.Tensor
    first_cross: tf.Tensor
    first_layer: tf.Tensor


class DCN(Ranker):
    """Cross layers beside a deep network over the same fields (Wang et al., ADKDD 2017, arXiv 1708.05123, section 2).

    With x_0 = [u, v] the embeddings of the user's fields (user, side features) and of the item's, side by side,
        x_(l+1) = x_0 * (W_l x_l + b_l) + x_l
    by TFRS's `Cross`, W_l a matrix or of low rank (Wang et al., WWW 2021, arXiv 2008.13535, equations 1 and 2), and the
    score is linear in the last x_l and the deep network's last layer.

    Candidates share what is linear in x_0: W_0 x_0 = W_0^u u + W_0^v v, and the deep network's first layer likewise, so
    that the terms of u are computed once a context. Every entry of x_1 depends on the candidate already, so beyond the
    first layer nothing is shared.
    """

    TASKS = frozenset({"general", "sequential"})

    class Options(Section):
        """Settings of DCN."""

        num_cross_layers: int = pydantic.Field(2, ge=1)
        """Cross layers; the last has interactions of one order more than there are layers."""
        projection_dim: int | None = pydantic.Field(None, ge=1)
        """Rank of the cross layers' matrices; None leaves them full. Saves time below half the width of all fields."""
        hidden_units: list[pydantic.PositiveInt] = pydantic.Field([64, 32], min_length=1)
        """Widths of the deep network's hidden layers."""
        dropout: float = pydantic.Field(0.2, ge=0, lt=1)
        """Of the field embeddings and the hidden layers."""

    def __init__(self, corpus: Corpus, config: ModelConfig, options: Options, seed: int) -> None:
        super().__init__(name="dcn")
        width = config.embedding_dim
        self._user_fields = FieldEmbeddings("user", corpus.num_users, corpus.user_features, width)
        self._item_fields = FieldEmbeddings("item", corpus.num_items, corpus.item_features, width)
        self._user_width = (1 + len(corpus.user_features)) * width
        self._item_width = (1 + len(corpus.item_features)) * width
        self._cross = [
            tfrs.layers.dcn.Cross(options.projection_dim, name=f"cross_{i}") for i in range(options.num_cross_layers)
        ]
        # Its kernel is used in two parts before the layer itself is ever called.
        self._cross[0](tf.zeros([1, self._user_width + self._item_width]))
        first, *rest = options.hidden_units
        self._user_kernel = tf.keras.layers.Dense(first)
        self._item_kernel = tf.keras.layers.Dense(first, use_bias=False)
        self._user_dropout = Dropout(options.dropout, seed)
        self._item_dropout = Dropout(options.dropout, seed + 1)
        self._hidden = HiddenLayers(rest, options.dropout, seed + 2, of_sums=True)
        self._output = tf.keras.layers.Dense(1, kernel_initializer="zeros")

    def encode(self, context: Context, training: bool = False) -> _Encoded:
        """See base class."""
        fields = tf.concat(self._user_fields(context.user), axis=-1)
        fields = self._user_dropout(fields, training=training)[:, tf.newaxis]
        return _Encoded(
            fields=fields,
            first_cross=tf.tensordot(fields, self._cross[0].weights[0][: self._user_width], axes=1),
            first_layer=self._user_kernel(fields),
        )

    def score(self, encoded: _Encoded, candidates: tf.Tensor, training: bool = False) -> tf.Tensor:
        """See base class."""
        items = tf.concat(self._item_fields(candidates), axis=-1)
        items = self._item_dropout(items, training=training)
        crossed = self._cross_fields(encoded, items)

        hidden = self._hidden(encoded.first_layer + self._item_kernel(items), training=training)
        return tf.squeeze(self._output(tf.concat([crossed, hidden], axis=-1)), axis=-1)

    def _cross_fields(self, encoded: _Encoded, items: tf.Tensor) -> tf.Tensor:
        """Returns the last x_l `[B, C, D]` for the item's fields `[B, C, D_v]`; the first layer's in its two parts."""
        shape = tf.shape(items)
        fields = tf.concat([tf.broadcast_to(encoded.fields, [shape[0], shape[1], self._user_width]), items], axis=-1)
        # The layer's weights are its kernel, or the two factors of one of low rank, and its bias.
        kernel, *factors, bias = self._cross[0].weights
        product = encoded.first_cross + tf.tensordot(items, kernel[self._user_width :], axes=1)
        for factor in factors:
            product = tf.tensordot(product, factor, axes=1)
        crossed = fields * (product + bias) + fields
        for layer in self._cross[1:]:
            crossed = layer(fields, crossed)
        return crossed
