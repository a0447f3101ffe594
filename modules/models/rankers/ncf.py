"""Neural collaborative filtering."""

from collections.abc import Iterable
from typing import NamedTuple

import pydantic
import tensorflow as tf

from modules import names
from modules.models.config import ModelConfig
from modules.models.context import Context
from modules.models.corpus import Corpus
from modules.models.layers.dropout import Dropout
from modules.models.layers.embeddings import embedding_initializer, lookup
from modules.models.layers.hidden_layers import HiddenLayers
from modules.models.rankers.base import Ranker
from modules.section import Section


class _Encoded(NamedTuple):
    """The user's half: factors `[B, 1, d]` and the part `[B, 1, units]` of the network's first layer."""

    factors: tf.Tensor
    first_layer: tf.Tensor


class NCF(Ranker):
    """NeuMF: generalised matrix factorisation beside a network (He et al., WWW 2017, section 3.4).

        f(i, u) = h^T [p_u * q_i, MLP([p'_u, q'_i])]

    with embeddings of their own for either half. It reads ids alone, so that the user's part of the network's first
    layer is computed once for all candidates.
    """

    TASKS = frozenset({"general", "sequential"})

    class Options(Section):
        """Settings of NCF."""

        hidden_units: list[pydantic.PositiveInt] = pydantic.Field([64, 32, 16], min_length=1)
        """Widths of the network's hidden layers."""
        dropout: float = pydantic.Field(0.2, ge=0, lt=1)
        """Of the embeddings and the hidden layers."""

    def __init__(self, corpus: Corpus, config: ModelConfig, options: Options, seed: int) -> None:
        super().__init__(name="ncf")
        rows = {"user": corpus.num_users + 1, "item": corpus.num_items + 1}
        self._user_factors, self._item_factors, self._users, self._items = (
            self.add_weight(
                name=f"{side}_{kind}", shape=[rows[side], config.embedding_dim], initializer=embedding_initializer()
            )
            for kind in ("factors", "embeddings")
            for side in ("user", "item")
        )
        first, *rest = options.hidden_units
        self._user_kernel = tf.keras.layers.Dense(first)
        self._item_kernel = tf.keras.layers.Dense(first, use_bias=False)
        self._factor_dropout = Dropout(options.dropout, seed)
        self._user_dropout = Dropout(options.dropout, seed + 1)
        self._item_dropout = Dropout(options.dropout, seed + 2)
        self._hidden = HiddenLayers(rest, options.dropout, seed + 3, of_sums=True)
        self._output = tf.keras.layers.Dense(1, kernel_initializer="zeros")

    def encode(self, context: Context, training: bool = False) -> _Encoded:
        """See base class."""
        user = self._user_dropout(lookup(self._users, context.user), training=training)
        return _Encoded(
            factors=lookup(self._user_factors, context.user)[:, tf.newaxis],
            first_layer=self._user_kernel(user)[:, tf.newaxis],
        )

    def score(self, encoded: _Encoded, candidates: tf.Tensor, training: bool = False) -> tf.Tensor:
        """See base class."""
        products = encoded.factors * lookup(self._item_factors, candidates)
        items = self._item_dropout(lookup(self._items, candidates), training=training)
        hidden = self._hidden(encoded.first_layer + self._item_kernel(items), training=training)
        both = tf.concat([self._factor_dropout(products, training=training), hidden], axis=-1)
        return tf.squeeze(self._output(both), axis=-1)

    def vocabulary_tables(self) -> Iterable[tuple[tf.Variable, str]]:
        """See base class."""
        return [
            (self._user_factors, names.USER_VOCABULARY),
            (self._item_factors, names.ITEM_VOCABULARY),
            (self._users, names.USER_VOCABULARY),
            (self._items, names.ITEM_VOCABULARY),
        ]
