"""The contract of a first stage."""

import abc
from collections.abc import Sequence
from typing import Any, ClassVar, Literal

import tensorflow as tf

from modules.models.context import Context
from modules.models.corpus import CorpusAccess
from modules.models.layers.embeddings import lookup, shards
from modules.models.layers.vocabulary_tables import VocabularyTables
from modules.section import Section


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

    @classmethod
    def corpus_access(cls, options: Any) -> CorpusAccess:
        """Returns what of the corpus a step reads: `tables` where `all_candidates` is none but computed from them."""
        return "rows"

    def candidates(self, ids: tf.Tensor) -> tf.Tensor:
        """Returns the candidate embeddings of int64 ids `[...]`, float32 `[..., d]`."""
        return lookup(self.all_candidates(), ids)

    def candidate_parts(self) -> Sequence[tf.Tensor]:
        """Returns the rows of `all_candidates` in consecutive parts float32 `[n, d]`, each where its shard lies."""
        return shards(self.all_candidates())

    @abc.abstractmethod
    def is_cold(self, context: Context) -> tf.Tensor:
        """Returns bool `[B]`: True where nothing is known that the query tower could use."""


def inner_products(query: tf.Tensor, candidates: tf.Tensor) -> tf.Tensor:
    """Returns M for queries `[B, d]` and their own candidates `[B, C, d]`: float32 `[B, C]`."""
    return tf.linalg.matvec(candidates, query)
