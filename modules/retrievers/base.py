"""The contract of a first stage."""

import abc
from typing import ClassVar, Literal

import tensorflow as tf

from modules.config import Section
from modules.context import Context
from modules.layers.vocabulary_tables import VocabularyTables


class Retriever(tf.keras.layers.Layer, VocabularyTables, abc.ABC):
    """M(i, c) = <candidate embedding of i, query embedding of c>; both of width d."""

    TASKS: ClassVar[frozenset[Literal["general", "sequential"]]]
    """The tasks whose contexts the query tower can read."""
    Options: ClassVar[type[Section]]
    """The retriever's own settings."""

    @abc.abstractmethod
    def query(self, context: Context, training: bool = False) -> tf.Tensor:
        """Returns the query embeddings, float32 `[B, d]`."""

    @abc.abstractmethod
    def all_candidates(self) -> tf.Tensor:
        """Returns the candidate embeddings of the whole corpus, float32 `[N + 1, d]`; row 0 is padding."""

    def candidates(self, ids: tf.Tensor) -> tf.Tensor:
        """Returns the candidate embeddings of int64 ids `[...]`, float32 `[..., d]`."""
        return tf.gather(self.all_candidates(), ids)

    @abc.abstractmethod
    def is_cold(self, context: Context) -> tf.Tensor:
        """Returns bool `[B]`: True where nothing is known that the query tower could use."""


def inner_products(query: tf.Tensor, candidates: tf.Tensor) -> tf.Tensor:
    """Returns M for queries `[B, d]` and their own candidates `[B, C, d]`: float32 `[B, C]`."""
    return tf.linalg.matvec(candidates, query)
