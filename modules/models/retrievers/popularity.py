"""The most popular items for everyone."""

from collections.abc import Iterable

import numpy as np
import tensorflow as tf

from modules.models.config import ModelConfig
from modules.models.context import Context
from modules.models.corpus import Corpus
from modules.models.neighbours.base import Sequences
from modules.models.retrievers.closed_form import ClosedForm
from modules.section import Section


class Popularity(ClosedForm):
    """M(i, c) = log of the number of users that have item i in training: what any model has to beat."""

    class Options(Section):
        """No settings."""

    def __init__(self, corpus: Corpus, config: ModelConfig, options: Options, seed: int) -> None:
        super().__init__(name="popularity")
        del config, options, seed
        counts = np.maximum(corpus.item_counts, 0.5)
        self._scores = self.add_weight(
            name="log_counts",
            shape=[len(counts), 1],
            initializer=tf.constant_initializer(np.log(counts)[:, np.newaxis]),
            trainable=False,
        )

    def fit(self, sequences: Iterable[Sequences]) -> None:
        """The corpus has the counts already."""

    def query(self, context: Context, training: bool = False) -> tf.Tensor:
        """See base class."""
        return tf.ones([tf.shape(context.user)[0], 1], tf.float32)

    def all_candidates(self) -> tf.Tensor:
        """See base class."""
        return self._scores

    def is_cold(self, context: Context) -> tf.Tensor:
        """No context is: none is read."""
        return tf.zeros_like(context.user, tf.bool)
