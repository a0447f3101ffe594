"""The contract of a second stage."""

import abc
from typing import Any, ClassVar, Literal

import tensorflow as tf

from modules.models.context import Context
from modules.models.layers.vocabulary_tables import VocabularyTables
from modules.section import Section


class Ranker(tf.keras.layers.Layer, VocabularyTables, abc.ABC):
    """f(i, c), computed in two halves so that a context is encoded once for all its candidates."""

    TASKS: ClassVar[frozenset[Literal["general", "sequential"]]]
    """The tasks whose contexts the ranker can read."""
    Options: ClassVar[type[Section]]
    """The ranker's own settings."""

    @abc.abstractmethod
    def encode(self, context: Context, training: bool = False) -> Any:
        """Returns whatever of the computation does not depend on the candidate, as a nest of tensors `[B, ...]`."""

    @abc.abstractmethod
    def score(self, encoded: Any, candidates: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Returns the scores float32 `[B, C]` of int64 candidates `[B, C]` in the encoded contexts."""
