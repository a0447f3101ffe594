"""First stages that are computed from the training split at once, without a gradient."""

import abc
from collections.abc import Iterable

import numpy as np
import tensorflow as tf

from modules.models.config import ModelConfig
from modules.models.context import Context
from modules.models.corpus import Corpus, CorpusAccess
from modules.models.neighbours.base import MOST_DENSE_ITEMS, Sequences
from modules.models.retrievers.base import Retriever
from modules.section import Section


class ClosedForm(Retriever):
    """A retriever without trainable weights; `algorithm: closed_form` calls `fit` in place of training."""

    TASKS = frozenset({"general", "sequential"})

    @abc.abstractmethod
    def fit(self, sequences: Iterable[Sequences]) -> None:
        """Computes the weights from the training split."""

    @classmethod
    def corpus_access(cls, options: Section) -> CorpusAccess:
        """See base class."""
        return "tables"


class ItemToItem(ClosedForm):
    """M(i, c) = sum over ages a of  decay^a W(h_a, i), h_a the item a places before the latest.

    As an inner product: the query is the decayed sum of the history's unit vectors, item i's vector is column i of W,
    both of width N + 1. A user never seen is answered by their history like any other.

    Args:
      corpus: of at most 20,000 items.
      config: for the length of the history.
      decay: in (0, 1]; 1 forgets the order.
      name: of the layer.
    """

    def __init__(self, corpus: Corpus, config: ModelConfig, decay: float, name: str) -> None:
        super().__init__(name=name)
        if corpus.num_items > MOST_DENSE_ITEMS:
            raise ValueError(
                f"`model.retriever` must not be '{name}' for a corpus of more than {MOST_DENSE_ITEMS} items. "
                f"Received: {corpus.num_items} items."
            )
        self._rows = corpus.num_items + 1
        self._decays = tf.constant(decay ** np.arange(config.history_length)[::-1], tf.float32)
        self._weights = self.add_weight(
            name="item_weights", shape=[self._rows, self._rows], initializer="zeros", trainable=False
        )

    @abc.abstractmethod
    def compute(self, sequences: Iterable[Sequences]) -> np.ndarray:
        """Returns W `[N + 1, N + 1]`, from the history's item to the candidate; row and column 0 are not read."""

    def fit(self, sequences: Iterable[Sequences]) -> None:
        """See base class."""
        weights = self.compute(sequences)
        weights[0] = weights[:, 0] = 0
        self._weights.assign(weights.T)

    def query(self, context: Context, training: bool = False) -> tf.Tensor:
        """See base class."""
        rows, length = tf.unstack(tf.shape(context.history, tf.int64))
        places = tf.stack(
            [tf.repeat(tf.range(rows), length), tf.reshape(context.history, [-1])],
            axis=1,
        )
        values = tf.tile(self._decays, [rows])
        return tf.ensure_shape(tf.scatter_nd(places, values, [rows, self._rows]), [None, self._rows])

    def all_candidates(self) -> tf.Tensor:
        """See base class."""
        return self._weights

    def is_cold(self, context: Context) -> tf.Tensor:
        """An empty history is cold, whoever asks."""
        return tf.reduce_all(tf.equal(context.history, 0), axis=1)
