"""Deep interest network."""

from typing import NamedTuple

import pydantic
import tensorflow as tf

from modules.models.config import ModelConfig
from modules.models.context import Context
from modules.models.corpus import Corpus
from modules.models.layers.dropout import Dropout
from modules.models.layers.embeddings import embedding_initializer
from modules.models.layers.field_embeddings import FieldEmbeddings
from modules.models.layers.hidden_layers import HiddenLayers
from modules.models.rankers.base import Ranker
from modules.section import Section


class _Encoded(NamedTuple):
    """The context's half: keys `[B, H, d]`, which of them are items, and their first-layer terms `[B, H, u]`."""

    keys: tf.Tensor
    present: tf.Tensor
    key_terms: tf.Tensor


class DIN(Ranker):
    """Attends from each candidate to the history (Zhou et al., KDD 2018, section 4.3).

    The first attention layer acts on [q, k, q - k, q * k]. With its kernel split in four it equals
        q (W_q + W_d) + k (W_k - W_d) + (q * k) W_p,
    so the terms of q and of k are computed once each, and only q * k is built for the pairs: a quarter of the
    published layer's input. With more candidates than hidden units not even that: the terms of q are then a linear map
    of q for each key, with the kernel W_q + W_d + diag(k) W_p.
    """

    TASKS = frozenset({"sequential"})

    class Options(Section):
        """Settings of DIN."""

        attention_units: int = pydantic.Field(16, ge=1)
        """Width of the attention network's hidden layer."""
        hidden_units: list[int] = [64, 32]
        """Widths of the scoring network's hidden layers."""
        dropout: float = pydantic.Field(0.2, ge=0, lt=1)
        """Of the item embeddings and the scoring network's hidden layers."""

    def __init__(self, corpus: Corpus, config: ModelConfig, options: Options, seed: int) -> None:
        super().__init__(name="din")
        width = config.embedding_dim
        self._item_fields = FieldEmbeddings("item", corpus.num_items, corpus.item_features, width)
        self._positions = self.add_weight(
            name="position_embeddings", shape=[config.history_length, width], initializer=embedding_initializer()
        )
        units = options.attention_units
        self._query_kernel, self._key_kernel, self._product_kernel = (
            self.add_weight(name=f"attention_{part}_kernel", shape=[width, units])
            for part in ("query", "key", "product")
        )
        self._attention_bias = self.add_weight(name="attention_bias", shape=[units], initializer="zeros")
        self._attention_output = tf.keras.layers.Dense(1)
        self._key_dropout = Dropout(options.dropout, seed)
        self._query_dropout = Dropout(options.dropout, seed + 1)
        self._hidden = HiddenLayers(options.hidden_units, options.dropout, seed + 2)
        self._output = tf.keras.layers.Dense(1, kernel_initializer="zeros")

    def _embed(self, ids: tf.Tensor) -> tf.Tensor:
        return tf.add_n(self._item_fields(ids))

    def encode(self, context: Context, training: bool = False) -> _Encoded:
        """See base class."""
        keys = self._embed(context.history) + self._positions
        keys = self._key_dropout(keys, training=training)
        return _Encoded(
            keys=keys,
            present=tf.not_equal(context.history, 0),
            key_terms=tf.tensordot(keys, self._key_kernel, axes=1) + self._attention_bias,
        )

    def score(self, encoded: _Encoded, candidates: tf.Tensor, training: bool = False) -> tf.Tensor:
        """See base class."""
        queries = self._query_dropout(self._embed(candidates), training=training)
        interest = tf.matmul(self._attention(encoded, queries, training), encoded.keys)
        hidden = self._hidden(tf.concat([queries, interest, queries * interest], axis=-1), training=training)
        return tf.squeeze(self._output(hidden), axis=-1)

    def _attention(self, encoded: _Encoded, queries: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Returns the weights `[B, C, H]` of each history item for each candidate; 0 at padding."""
        candidates, units = queries.shape[1], self._query_kernel.shape[1]
        # In training the gradient of the kernels would cost more than that of the pairs.
        by_pair = training or (candidates is not None and candidates <= units)
        query_terms = self._terms_by_pair(encoded, queries) if by_pair else self._terms_by_key(encoded, queries)
        hidden = tf.nn.relu(query_terms + encoded.key_terms[:, tf.newaxis])
        logits = tf.squeeze(self._attention_output(hidden), axis=-1)
        present = encoded.present[:, tf.newaxis, :]
        # A softmax over nothing would spread over the padding; multiplying by the mask leaves an empty history at 0.
        logits = tf.where(present, logits, tf.float32.min)
        return tf.nn.softmax(logits) * tf.cast(present, tf.float32)

    def _terms_by_pair(self, encoded: _Encoded, queries: tf.Tensor) -> tf.Tensor:
        """Returns the first layer's terms `[B, C, H, u]` of q and of q * k, the latter built as `[B, C, H, d]`."""
        # `tensordot` flattens to one matrix product; `matmul` would run one for each candidate, at twice the time.
        products = queries[:, :, tf.newaxis] * encoded.keys[:, tf.newaxis]
        query_terms = tf.tensordot(queries, self._query_kernel, axes=1)
        return tf.tensordot(products, self._product_kernel, axes=1) + query_terms[:, :, tf.newaxis]

    def _terms_by_key(self, encoded: _Encoded, queries: tf.Tensor) -> tf.Tensor:
        """As `_terms_by_pair`, by a kernel for each key, `[B, H, u, d]`."""
        length, width = encoded.keys.shape[1:]
        units = self._query_kernel.shape[1]
        products = encoded.keys[:, :, tf.newaxis] * tf.transpose(self._product_kernel)
        kernels = tf.reshape(products + tf.transpose(self._query_kernel), [-1, length * units, width])
        terms = tf.matmul(queries, kernels, transpose_b=True)
        return tf.reshape(terms, [-1, tf.shape(queries)[1], length, units])
