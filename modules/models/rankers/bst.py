"""Behaviour sequence transformer."""

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
from modules.models.layers.transformer import TransformerBlock, check_heads
from modules.models.rankers.base import Ranker
from modules.section import Section

_GROUP = 32
"""The most candidates in one sequence. They do not look at each other, but the scores of their doing so are computed
and masked: per candidate, that grows with the group, while projecting the history again for each group shrinks."""


class _Encoded(NamedTuple):
    """The context's half.

    Attributes:
      states: the history as each block is to see it, `[B, H, d]`; where the history sees the target, as the first does.
      present: bool `[B, H]`, which positions hold an item.
      first_layer: `[B, 1, units]`, the context's part of the scoring network's first layer.
    """

    states: tuple[tf.Tensor, ...]
    present: tf.Tensor
    first_layer: tf.Tensor


class BST(Ranker):
    """A transformer over the history with the target behind it, and a network over all of its states and the user's
    features (Chen et al., DLP-KDD 2019, arXiv 1905.06874, section 2).

    Published, every position attends to every other, so that all states depend on the target and each candidate takes
    a pass of its own: `history_sees_target`. By default the history attends to itself alone and the target to the
    history and itself: the same transformer under a mask. The history's states are then the context's, computed once,
    with their part of the scoring network's first layer, and a candidate costs one position in place of H + 1.

    Departures from the paper: the transformer block is that of SASRec, which normalises before its layers; positions
    are learned, counted from the target backwards, where the paper buckets the time before the target.
    """

    TASKS = frozenset({"sequential"})

    class Options(Section):
        """Settings of BST."""

        blocks: int = pydantic.Field(1, ge=1)
        """Transformer blocks."""
        heads: int = pydantic.Field(2, ge=1)
        """Attention heads; must divide `embedding_dim`."""
        history_sees_target: bool = False
        """Whether the history attends to the target, as published, at the cost of a pass for each candidate."""
        hidden_units: list[pydantic.PositiveInt] = pydantic.Field([64, 32], min_length=1)
        """Widths of the scoring network's hidden layers."""
        dropout: float = pydantic.Field(0.2, ge=0, lt=1)
        """Of the embeddings, the blocks' layers and the scoring network's hidden layers."""

    def __init__(self, corpus: Corpus, config: ModelConfig, options: Options, seed: int) -> None:
        super().__init__(name="bst")
        width = config.embedding_dim
        check_heads("ranker", options.heads, width)
        self._history_length = config.history_length
        self._history_sees_target = options.history_sees_target
        self._user_fields = FieldEmbeddings("user", corpus.num_users, corpus.user_features, width)
        self._item_fields = FieldEmbeddings("item", corpus.num_items, corpus.item_features, width)
        self._positions = self.add_weight(
            name="position_embeddings", shape=[config.history_length + 1, width], initializer=embedding_initializer()
        )
        self._blocks = [
            TransformerBlock(
                width, options.heads, options.dropout, seed + 100 * (i + 1), activation="leaky_relu", name=f"block_{i}"
            )
            for i in range(options.blocks)
        ]
        self._output_norm = tf.keras.layers.LayerNormalization(epsilon=1e-6)
        first, *rest = options.hidden_units
        self._user_kernel = tf.keras.layers.Dense(first)
        self._history_kernel = tf.keras.layers.Dense(first, use_bias=False)
        self._target_kernel = tf.keras.layers.Dense(first, use_bias=False)
        self._user_dropout, self._history_dropout, self._target_dropout = (
            Dropout(options.dropout, seed + i) for i in range(3)
        )
        self._hidden = HiddenLayers(rest, options.dropout, seed + 3, "leaky_relu", of_sums=True)
        self._output = tf.keras.layers.Dense(1, kernel_initializer="zeros")

    def _embed(self, ids: tf.Tensor, positions: tf.Tensor) -> tf.Tensor:
        return tf.add_n(self._item_fields(ids)) + positions

    def encode(self, context: Context, training: bool = False) -> _Encoded:
        """See base class."""
        user = tf.concat(self._user_fields(context.user), axis=-1)
        first_layer = self._user_kernel(self._user_dropout(user, training=training))
        present = tf.not_equal(context.history, 0)
        history = self._embed(context.history, self._positions[:-1])
        states = [self._history_dropout(history, training=training)]
        if not self._history_sees_target:
            for block in self._blocks:
                states.append(block(states[-1], present[:, tf.newaxis], training=training))
            first_layer += self._history_part(self._output_norm(states.pop()), present)
        return _Encoded(tuple(states), present, first_layer[:, tf.newaxis])

    def score(self, encoded: _Encoded, candidates: tf.Tensor, training: bool = False) -> tf.Tensor:
        """See base class."""
        limit = 1 if self._history_sees_target else _GROUP
        batch, count = tf.unstack(tf.shape(candidates))
        groups = tf.maximum(1, (count + limit - 1) // limit)
        size = tf.maximum(1, (count + groups - 1) // groups)
        padded = tf.pad(candidates, [[0, 0], [0, groups * size - count]])
        targets = self._embed(tf.reshape(padded, [batch * groups, size]), self._positions[-1])
        targets = self._target_dropout(targets, training=training)
        states, present = tf.nest.map_structure(
            lambda values: tf.repeat(values, groups, axis=0), (encoded.states, encoded.present)
        )
        if self._history_sees_target:
            hidden = self._published(states[0], present, targets, training)
        else:
            hidden = self._target_alone(states, present, targets, training)
        hidden = tf.reshape(hidden, [batch, groups * size, hidden.shape[-1]])[:, :count]

        hidden = self._hidden(encoded.first_layer + hidden, training=training)
        return tf.squeeze(self._output(hidden), axis=-1)

    def _target_alone(
        self, states: tuple[tf.Tensor, ...], present: tf.Tensor, targets: tf.Tensor, training: bool
    ) -> tf.Tensor:
        """Returns the part `[R, G, units]` of targets `[R, G, d]`, each of which sees the history and itself."""
        rows, size = tf.unstack(tf.shape(targets)[:2])
        itself = tf.broadcast_to(tf.eye(size, dtype=tf.bool), [rows, size, size])
        attendable = tf.concat([tf.repeat(present[:, tf.newaxis], size, axis=1), itself], axis=-1)
        for block, history in zip(self._blocks, states, strict=True):
            sequence = tf.concat([history, targets], axis=1)
            targets = block(sequence, attendable, training=training, first=self._history_length)
        return self._target_kernel(self._output_norm(targets))

    def _published(self, history: tf.Tensor, present: tf.Tensor, target: tf.Tensor, training: bool) -> tf.Tensor:
        """Returns the part `[R, 1, units]` of a history and its one target `[R, 1, d]`, all of which see each other."""
        sequence = tf.concat([history, target], axis=1)
        attendable = tf.pad(present, [[0, 0], [0, 1]], constant_values=True)[:, tf.newaxis]
        for block in self._blocks:
            sequence = block(sequence, attendable, training=training)
        history, target = tf.split(self._output_norm(sequence), [self._history_length, 1], axis=1)
        return self._history_part(history, present)[:, tf.newaxis] + self._target_kernel(target)

    def _history_part(self, states: tf.Tensor, present: tf.Tensor) -> tf.Tensor:
        """Returns the part `[R, units]` of the history's states `[R, H, d]`; padding has none."""
        known = states * tf.cast(present, states.dtype)[..., tf.newaxis]
        return self._history_kernel(tf.reshape(known, [-1, self._history_length * states.shape[-1]]))
