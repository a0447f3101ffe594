"""The trained model as a SavedModel carries it: everything a server needs but the index."""

from typing import NamedTuple

import numpy as np
import tensorflow as tf

from modules.models.algorithms.base import TwoStageModel
from modules.models.context import Context, latest
from modules.models.corpus import Corpus
from modules.models.retrievers.base import inner_products
from modules.serving.caps import Caps
from modules.serving.item_facts import ItemFacts
from modules.serving.rows import same_rows
from modules.serving.rules import Rules


class Request(NamedTuple):
    """A batch of requests in the model's own terms.

    Attributes:
      user: int64 `[B]`, user index.
      history: int64 `[B, H]`, what the encoders see, left-padded with 0.
      known: int64 `[B, K]`, all known items of the request's history, oldest first; 0 is padding.
      exclude: int64 `[B, E]`, items that are no answer, those among them.
      query: float32 `[B, d]`.
      cold: bool `[B]`, where the model knows nothing of the context.
    """

    user: tf.Tensor
    history: tf.Tensor
    known: tf.Tensor
    exclude: tf.Tensor
    query: tf.Tensor
    cold: tf.Tensor


class Towers(tf.Module):
    """Encodes requests and scores candidates, from strings, with the training's own Transform graph.

    Survives saving and loading: whatever holds the loaded object can build another index on `candidates` and call the
    same functions, without this project's code or Keras.

    Args:
      model: the trained model.
      transform: TFX's `transform_features_layer()`.
      item_ids: the catalog's ids as bytes, in the order of the model's ids 1..N.
      corpus: for the popularity.
      rules: which items a rule allows; None knows no features.
    """

    def __init__(
        self,
        model: TwoStageModel,
        transform: tf.keras.Model,
        item_ids: list[bytes],
        corpus: Corpus,
        rules: Rules | None = None,
    ) -> None:
        super().__init__()
        # The stages are tracked, the model is not: its optimisers and metrics have no place in an export.
        self._retriever, self._ranker = model.retriever, model.ranker
        self._blend = model.blend
        self._ranker_scores = model.ranker_scores
        self._transform = transform
        self._history_length = model.config.history_length
        # Half an interaction for items without any, so that every logarithm is finite.
        counts = np.maximum(corpus.item_counts.astype(np.float64), 0.5)
        log_popularity = np.log(counts / counts[1:].sum()).astype(np.float32)
        popular = 1 + np.argsort(-corpus.item_counts[1:], kind="stable")
        popularity_rank = np.full(corpus.num_items + 1, corpus.num_items)
        popularity_rank[popular] = np.arange(corpus.num_items)
        self.item_ids = _constant([b"", *item_ids], tf.string, "item_ids")
        self.log_popularity = _constant(log_popularity, tf.float32, "log_popularity")
        self.popular = _constant(popular, tf.int64, "popular")
        self.popularity_rank = _constant(popularity_rank, tf.int64, "popularity_rank")
        table = model.retriever.all_candidates()
        # A retriever whose candidates are an embedding table shares it with the index.
        self.candidates = table if isinstance(table, tf.Variable) else _constant(table, tf.float32, "candidates")
        self._lookup = tf.lookup.StaticHashTable(
            tf.lookup.KeyValueTensorInitializer(tf.constant(item_ids), tf.range(1, len(item_ids) + 1, dtype=tf.int64)),
            default_value=0,
        )
        self._rules = rules or Rules(ItemFacts(corpus.num_items))
        self.rule_masks = self._rules.masks
        self._caps = Caps(self._rules.facts)
        self.category_values, self.cap_limits = self._caps.values, self._caps.limits
        if model.blend is not None:
            self.neighbours = tf.function(
                model.blend.evidence.neighbours, [tf.TensorSpec([None, None], tf.int64, "items")], autograph=False
            )
            self.pool = tf.function(
                self._pool,
                [
                    Request(
                        user=tf.TensorSpec([None], tf.int64, "user"),
                        history=tf.TensorSpec([None, self._history_length], tf.int64, "history"),
                        known=tf.TensorSpec([None, None], tf.int64, "known"),
                        exclude=tf.TensorSpec([None, None], tf.int64, "exclude"),
                        query=tf.TensorSpec([None, self.candidates.shape[1]], tf.float32, "query"),
                        cold=tf.TensorSpec([None], tf.bool, "cold"),
                    ),
                    tf.TensorSpec([None, None], tf.int64, "retrieved"),
                    tf.TensorSpec([None, None], tf.float32, "products"),
                ],
                autograph=False,
            )

    @tf.function(
        autograph=False,
        input_signature=[
            tf.TensorSpec([None], tf.string, "user_id"),
            tf.TensorSpec([None, None], tf.string, "history"),
        ],
    )
    def encode(self, user_id: tf.Tensor, history: tf.Tensor) -> Request:
        """Returns the encoded requests; "" in `history` `[B, H]` is padding wherever it stands.

        Raises:
          InvalidArgumentError: where both have not the same rows.
        """
        user_id, history = same_rows(user_id=user_id, history=history)
        batch = tf.shape(user_id, tf.int64)[0]
        features = self._transform({"user_id": user_id[:, tf.newaxis], "history": tf.sparse.from_dense(history)})
        items = tf.RaggedTensor.from_value_rowids(
            features["history"].values, features["history"].indices[:, 0], nrows=batch
        )
        user = tf.reshape(features["user"].values, [-1])
        context = Context(user, latest(items, self._history_length), exclude=items.to_tensor(0))
        return Request(
            user=user,
            history=context.history,
            known=context.exclude,
            exclude=context.exclude,
            query=self._retriever.query(context),
            cold=self._retriever.is_cold(context),
        )

    @tf.function(
        autograph=False,
        input_signature=[
            tf.TensorSpec([None], tf.int64, "user"),
            tf.TensorSpec([None, None], tf.int64, "history"),
            tf.TensorSpec([None, None], tf.int64, "known"),
            tf.TensorSpec([None, None], tf.float32, "query"),
            tf.TensorSpec([None, None], tf.int64, "candidates"),
        ],
    )
    def score(
        self, user: tf.Tensor, history: tf.Tensor, known: tf.Tensor, query: tf.Tensor, candidates: tf.Tensor
    ) -> tf.Tensor:
        """Returns the second stage's scores float32 `[B, C]` of candidates `[B, C]`.

        The first stage's scores, which a residual ranker adds, come from the request's own query: neither stage encodes
        a context twice.
        """
        history = tf.ensure_shape(history, [None, self._history_length])
        query = tf.ensure_shape(query, [None, self.candidates.shape[1]])
        products = inner_products(query, self._retriever.candidates(candidates))
        return self._ranker_scores(Context(user, history, exclude=known), candidates, products)

    def _pool(self, request: Request, retrieved: tf.Tensor, products: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns the second stage's candidates of both channels and their M, as many as were retrieved `[B, C]`."""
        return self._blend.pool(
            request.known,
            request.exclude,
            request.cold,
            retrieved,
            products,
            lambda ids: inner_products(request.query, self._retriever.candidates(ids)),
        )

    @tf.function(autograph=False, input_signature=[tf.TensorSpec(None, tf.string, "item_id")])
    def look_up(self, item_id: tf.Tensor) -> tf.Tensor:
        """Returns the int64 ids of item ids of any shape; 0 for unknown ones."""
        return self._lookup.lookup(item_id)


def _constant(values, dtype: tf.DType, name: str) -> tf.Variable:
    """A variable and not a constant: it lives in the checkpoint, where the graph's 2 GB limit does not reach."""
    return tf.Variable(values, trainable=False, dtype=dtype, name=name)
