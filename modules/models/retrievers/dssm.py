"""Two towers over ids and side features."""

from collections.abc import Mapping

import pydantic
import tensorflow as tf

from modules.models.config import ModelConfig
from modules.models.context import Context
from modules.models.corpus import Corpus, CorpusAccess, FeatureTable
from modules.models.layers.dropout import Dropout
from modules.models.layers.field_embeddings import FieldEmbeddings
from modules.models.layers.hidden_layers import HiddenLayers
from modules.models.retrievers.base import Retriever
from modules.section import Section

_CHUNK = 65_536


class _Tower(tf.keras.layers.Layer):
    """A feed-forward network over an id's embedding and those of its side features, `[...]` to `[..., d]`."""

    def __init__(
        self,
        name: str,
        num_ids: int,
        features: Mapping[str, FeatureTable],
        width: int,
        hidden_units: list[int],
        dropout: float,
        seed: int,
    ) -> None:
        super().__init__(name=f"{name}_tower")
        self._fields = FieldEmbeddings(name, num_ids, features, width)
        self._dropout = Dropout(dropout, seed)
        self._hidden = HiddenLayers(hidden_units, dropout, seed + 1)
        self._output = tf.keras.layers.Dense(width)

    def call(self, ids: tf.Tensor, training: bool = False) -> tf.Tensor:
        fields = self._dropout(tf.concat(self._fields(ids), axis=-1), training=training)
        return self._output(self._hidden(fields, training=training))


class DSSM(Retriever):
    """M(i, u) = <tower of i, tower of u>, each a network over an id and its side features (Huang et al., CIKM 2013).

    As in later two-tower models the hidden layers are rectified and the towers meet in the plain inner product that
    every index searches, in place of tanh and the cosine. Words of a query and a document become ids and side features;
    the history is left to the sequential retrievers.

    The item tower has no dropout, in training neither: for one step an item has one vector, the same in the scores, in
    the index that proposes it, and under the ranker's residual.
    """

    TASKS = frozenset({"general", "sequential"})

    class Options(Section):
        """Settings of DSSM."""

        hidden_units: list[pydantic.PositiveInt] = [64]
        """Widths of each tower's hidden layers; the output layer behind them is `embedding_dim` wide."""
        dropout: float = pydantic.Field(0.2, ge=0, lt=1)
        """Of the user tower's embeddings and hidden layers."""

    def __init__(self, corpus: Corpus, config: ModelConfig, options: Options, seed: int) -> None:
        super().__init__(name="dssm")
        self._num_items = corpus.num_items
        self._width = config.embedding_dim
        sizes = self._width, options.hidden_units
        self._user_tower = _Tower("user", corpus.num_users, corpus.user_features, *sizes, options.dropout, seed)
        self._item_tower = _Tower("item", corpus.num_items, corpus.item_features, *sizes, 0.0, seed)

    @classmethod
    def corpus_access(cls, options: Options) -> CorpusAccess:
        """See base class."""
        return "tables"

    def query(self, context: Context, training: bool = False) -> tf.Tensor:
        """See base class."""
        return self._user_tower(context.user, training=training)

    def candidates(self, ids: tf.Tensor) -> tf.Tensor:
        """See base class; the tower runs on `ids` alone."""
        return self._item_tower(ids)

    def all_candidates(self) -> tf.Tensor:
        """See base class; in chunks, so that the hidden layers of a large corpus are never held at once."""
        rows = self._num_items + 1
        if rows <= _CHUNK:
            return self.candidates(tf.range(rows, dtype=tf.int64))
        chunks = -(-rows // _CHUNK)
        ids = tf.minimum(tf.range(chunks * _CHUNK, dtype=tf.int64), self._num_items)
        embedded = tf.map_fn(
            self.candidates,
            tf.reshape(ids, [chunks, _CHUNK]),
            fn_output_signature=tf.TensorSpec([_CHUNK, self._width]),
            parallel_iterations=1,
        )
        return tf.reshape(embedded, [chunks * _CHUNK, self._width])[:rows]

    def is_cold(self, context: Context) -> tf.Tensor:
        """A user never trained on is cold: side features are looked up by the user's index, so it has none."""
        return tf.equal(context.user, 0)
