"""Convolutional sequence embedding recommendation."""

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


class Caser(Retriever):
    """Convolutions over the latest H items as an image, beside the user's own vector (Tang and Wang, WSDM 2018).

    With E `[H, d]` the embeddings of the history (zero at padding), section 3.2 is
        horizontal: max over windows of relu(<F, E[i : i + h]> + b) for each filter F `[h, d]`, h = 1, 2, ...
        vertical:   sum over l of F'_l E_l for each filter F' `[H]`
        z = relu(W [horizontal, vertical] + b),
    and the published output layer scores [z, P_u] of width 2d against a second table of item embeddings and biases.
    Here a projection to width d follows [z, P_u] and there are no item biases: the query has the width of every
    retriever's, and the second table are the candidates.

    Padding takes no part: a window counts where it lies within the history, and a history shorter than a filter is seen
    by that filter once, with zeros before it. The unknown user's P_u is 0.
    """

    TASKS = frozenset({"sequential"})

    class Options(Section):
        """Settings of Caser."""

        max_height: int = pydantic.Field(5, ge=1)
        """Horizontal filters span 1 up to this many items, or the whole history where that is shorter."""
        horizontal_filters: int = pydantic.Field(16, ge=1)
        """Horizontal filters of each height."""
        vertical_filters: int = pydantic.Field(4, ge=1)
        """Vertical filters."""
        dropout: float = pydantic.Field(0.2, ge=0, lt=1)
        """Of the convolutions' outputs."""

    def __init__(self, corpus: Corpus, config: ModelConfig, options: Options, seed: int) -> None:
        super().__init__(name="caser")
        width, length = config.embedding_dim, config.history_length
        self._users, self._history_items, self._items = (
            self.add_weight(name=name, shape=[number + 1, width], initializer=embedding_initializer())
            for name, number in (
                ("user_embeddings", corpus.num_users),
                ("history_embeddings", corpus.num_items),
                ("item_embeddings", corpus.num_items),
            )
        )
        self._horizontal = [
            tf.keras.layers.Dense(options.horizontal_filters, activation="relu", name=f"horizontal_{height}")
            for height in range(1, min(options.max_height, length) + 1)
        ]
        self._vertical = self.add_weight(name="vertical_filters", shape=[length, options.vertical_filters])
        self._dropout = Dropout(options.dropout, seed)
        self._hidden = tf.keras.layers.Dense(width, activation="relu")
        self._output = tf.keras.layers.Dense(width)

    def query(self, context: Context, training: bool = False) -> tf.Tensor:
        """See base class."""
        present = tf.cast(tf.not_equal(context.history, 0), tf.float32)
        image = lookup(self._history_items, context.history) * present[:, :, tf.newaxis]
        features = [
            _strongest(filters(_windows(image, height)), present) for height, filters in enumerate(self._horizontal, 1)
        ]
        features += tf.unstack(tf.einsum("bhd,hf->bfd", image, self._vertical), axis=1)
        hidden = self._hidden(self._dropout(tf.concat(features, axis=1), training=training))
        known = tf.cast(context.user > 0, tf.float32)[:, tf.newaxis]
        return self._output(tf.concat([hidden, lookup(self._users, context.user) * known], axis=1))

    def all_candidates(self) -> tf.Tensor:
        """See base class."""
        return self._items

    def vocabulary_tables(self) -> Iterable[tuple[tf.Variable, str]]:
        """See base class."""
        return [
            (self._users, names.USER_VOCABULARY),
            (self._history_items, names.ITEM_VOCABULARY),
            (self._items, names.ITEM_VOCABULARY),
        ]

    def is_cold(self, context: Context) -> tf.Tensor:
        """An unknown user without one known item is cold."""
        return tf.equal(context.user, 0) & tf.reduce_all(tf.equal(context.history, 0), axis=1)


def _windows(image: tf.Tensor, height: int) -> tf.Tensor:
    """Returns the rows of each window side by side, `[B, H - height + 1, height * d]`.

    A dense layer over them is the convolution; TensorFlow's own fails on a batch of no rows.
    """
    count = image.shape[1] - height + 1
    return tf.concat([image[:, first : first + count] for first in range(height)], axis=2)


def _strongest(activations: tf.Tensor, present: tf.Tensor) -> tf.Tensor:
    """Returns the maximum `[B, F]` over the windows `[B, W, F]` that count; 0 where none does.

    A window counts where it starts at an item. The last one also counts where it starts at padding and ends in an item:
    it alone sees the whole of a history shorter than the filter.
    """
    last = activations.shape[1] - 1
    counts = tf.concat([present[:, :last], present[:, -1:]], axis=1)
    # The activations are rectified, so that a window put to 0 cannot be the strongest.
    return tf.reduce_max(activations * counts[:, :, tf.newaxis], axis=1)
