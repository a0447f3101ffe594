"""The serving contract: both stages behind signatures that speak the caller's own ids."""

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from modules.export.config import ExportOptions
from modules.export.indexes import Index
from modules.models.retrieval import exhaustive_top_k, in_chunks, popular_top_k
from modules.models.tiles import in_tiles
from modules.serving.among import Found, allowed_items, retrieve_among
from modules.serving.answers import LAST, K, answer, first_of, wanted
from modules.serving.rows import same_rows
from modules.serving.similar import Similar
from modules.serving.variety import INPUTS, vary, wishes

_USER_BUCKETS = 10_000


class ServerModel(tf.Module):
    """A two-stage recommender as a SavedModel.

    Signatures, ids as the caller's own strings:
      * `serving_default`: user_id `[B]`, history `[B, H]` (oldest first, "" is padding) -> item_id, score `[B, K]`
      * `recommend`: and exclude `[B, E]` (ids never to answer, "" is padding), k int32, one number or `[B]`
        -> item_id, score `[B, max k]`; 1 <= k <= `candidates`
      * `retrieve`: user_id, history -> item_id, score `[B, C]` of the first stage
      * `recommend_among`: as `recommend`, and allow `[B, A]` (the only ids to answer, "" is padding; nothing but ""
        allows everything), rule `[B]` (over item features, see `modules.serving.rules`; "" allows everything)
      * `retrieve_among`: user_id, history, exclude, allow, rule -> item_id, score `[B, C]` of the first stage
      * `recommend_varied`: as `recommend_among`, and caps, diversity, epsilon, temperature, seed -> and propensity
        `[B, max k]`; see `modules.serving.variety`
      * `rank`: user_id, history, candidate_id `[B, C]` -> score `[B, C]`
      * `similar` and, where the model counts them, `neighbours`: see `modules.serving.similar.Similar`
      * `serve_tf_examples`: examples `[B]`, serialized tf.Example -> as `serving_default`
      * `evaluate`: examples `[B]` -> ranked, retrieved, pool, popular, exhaustive: item ids, for the Evaluator

    A context the model knows nothing of is answered with the most popular items. Items of the history are never
    returned, no item twice; where the corpus is exhausted, or a row asks for fewer than another, the rest is "" with
    the lowest score.

    Args:
      towers: a `Towers`, or one loaded from another export.
      index: the first stage's search.
      options: fixed sizes.
    """

    def __init__(self, towers: Any, index: Index, options: ExportOptions) -> None:
        super().__init__()
        self.towers = towers
        self.index = index
        self._options = options
        self._has_neighbours = hasattr(towers, "pool")
        self.similar = Similar(towers, options.candidates)

    def save(self, path: str) -> None:
        """Writes the SavedModel with its signatures to `path`."""
        users = tf.TensorSpec([None], tf.string, "user_id")
        histories = tf.TensorSpec([None, None], tf.string, "history")
        candidates = tf.TensorSpec([None, None], tf.string, "candidate_id")
        examples = tf.TensorSpec([None], tf.string, "examples")
        exclude = tf.TensorSpec([None, None], tf.string, "exclude")
        among = tf.TensorSpec([None, None], tf.string, "allow"), tf.TensorSpec([None], tf.string, "rule")
        signatures = {
            "serving_default": self.serve.get_concrete_function(users, histories),
            "recommend": self.recommend.get_concrete_function(users, histories, exclude, K),
            "retrieve": self.retrieve.get_concrete_function(users, histories),
            "recommend_among": self.recommend_among.get_concrete_function(users, histories, exclude, *among, K),
            "recommend_varied": self.recommend_varied.get_concrete_function(
                users, histories, exclude, *among, K, *INPUTS.values()
            ),
            "retrieve_among": self.retrieve_among.get_concrete_function(users, histories, exclude, *among),
            "rank": self.rank.get_concrete_function(users, histories, candidates),
            "serve_tf_examples": self.serve_tf_examples.get_concrete_function(examples),
            "evaluate": self.evaluate.get_concrete_function(examples),
            **self.similar.signatures(),
        }
        options = tf.saved_model.SaveOptions(namespace_whitelist=["Scann"])
        tf.saved_model.save(self, path, signatures, options)

    @tf.function(autograph=False)
    def serve(self, user_id: tf.Tensor, history: tf.Tensor) -> dict[str, tf.Tensor]:
        """Both stages."""
        request = self.towers.encode(user_id, history)
        candidates = self._pool(request, self._retrieve(request))[0]
        return self._answer(*self._rank_candidates(request, candidates, self._options.top_k))

    @tf.function(autograph=False)
    def recommend(
        self, user_id: tf.Tensor, history: tf.Tensor, exclude: tf.Tensor, k: tf.Tensor
    ) -> dict[str, tf.Tensor]:
        """Both stages, for as many items as asked for and none of those excluded.

        Args:
          user_id: string `[B]`.
          history: string `[B, H]`, oldest first; "" is padding.
          exclude: string `[B, E]`, item ids never to answer; unknown ones and "" are ignored.
          k: int32, one number, or `[B]` one each row.

        Raises:
          InvalidArgumentError: where a k is not from 1 to `candidates`, or is not as many as there are rows.
        """
        counts = wanted(k, tf.shape(user_id)[0], self._options.candidates)
        request = self._encode(user_id, history, exclude)
        candidates = self._pool(request, self._retrieve(request))[0]
        ids, scores = self._rank_candidates(request, candidates, self._options.candidates)
        return self._answer(*first_of(ids, scores, counts))

    @tf.function(autograph=False)
    def recommend_among(
        self,
        user_id: tf.Tensor,
        history: tf.Tensor,
        exclude: tf.Tensor,
        allow: tf.Tensor,
        rule: tf.Tensor,
        k: tf.Tensor,
    ) -> dict[str, tf.Tensor]:
        """Both stages, among allowed items; allow string `[B, A]`, rule string `[B]`, the rest as in `recommend`."""
        counts = wanted(k, tf.shape(user_id)[0], self._options.candidates)
        ids, scores = self._rank_among(user_id, history, exclude, allow, rule)
        return self._answer(*first_of(ids, scores, counts))

    @tf.function(autograph=False)
    def recommend_varied(
        self,
        user_id: tf.Tensor,
        history: tf.Tensor,
        exclude: tf.Tensor,
        allow: tf.Tensor,
        rule: tf.Tensor,
        k: tf.Tensor,
        caps: tf.Tensor,
        diversity: tf.Tensor,
        epsilon: tf.Tensor,
        temperature: tf.Tensor,
        seed: tf.Tensor,
    ) -> dict[str, tf.Tensor]:
        """Both stages, and a choice among what they rank; see `modules.serving.variety.Wishes`."""
        user_id, caps = same_rows(user_id=user_id, caps=caps)
        batch = tf.shape(user_id)[0]
        counts = wanted(k, batch, self._options.candidates)
        numbers = {"diversity": diversity, "epsilon": epsilon, "temperature": temperature, "seed": seed}
        wished = wishes(batch, caps=caps, **numbers)
        ids, scores = self._rank_among(user_id, history, exclude, allow, rule)
        picked = vary(self.towers, ids, scores, wished, tf.maximum(tf.reduce_max(counts), 0))
        ids, scores = first_of(picked.ids, picked.scores, counts)
        return self._answer(ids, scores) | {"propensity": tf.where(ids > 0, picked.propensity, 0.0)}

    @tf.function(autograph=False)
    def retrieve_among(
        self, user_id: tf.Tensor, history: tf.Tensor, exclude: tf.Tensor, allow: tf.Tensor, rule: tf.Tensor
    ) -> dict[str, tf.Tensor]:
        """The first stage, among allowed items."""
        request = self._encode(user_id, history, exclude)
        return self._answer(*self._retrieve_among(request, allow, rule, lambda: self._retrieve(request)))

    @tf.function(autograph=False)
    def retrieve(self, user_id: tf.Tensor, history: tf.Tensor) -> dict[str, tf.Tensor]:
        """The first stage."""
        return self._answer(*self._retrieve(self.towers.encode(user_id, history)))

    @tf.function(autograph=False)
    def rank(self, user_id: tf.Tensor, history: tf.Tensor, candidate_id: tf.Tensor) -> dict[str, tf.Tensor]:
        """The second stage over the caller's own candidates; unknown ones come last."""
        user_id, candidate_id = same_rows(user_id=user_id, candidate_id=candidate_id)
        request = self.towers.encode(user_id, history)
        return {"score": self._score(request, self.towers.look_up(candidate_id))}

    @tf.function(autograph=False)
    def serve_tf_examples(self, examples: tf.Tensor) -> dict[str, tf.Tensor]:
        """Both stages, from serialized examples."""
        return self.serve(*_parse(examples))

    @tf.function(autograph=False)
    def evaluate(self, examples: tf.Tensor) -> dict[str, tf.Tensor]:
        """The lists the Evaluator judges: each stage's, all candidates, popular items, the ranker's of all items."""
        user_id, history = _parse(examples)
        request = self.towers.encode(user_id, history)
        found = self._retrieve(request)
        pool, _ = self._pool(request, found)
        ranked, _ = self._rank_candidates(request, pool, self._options.evaluated_k)
        bucket = tf.strings.to_hash_bucket_fast(user_id, _USER_BUCKETS)
        sampled = bucket < int(round(self._options.full_ranking_share * _USER_BUCKETS))
        return {
            "ranked": tf.gather(self.towers.item_ids, ranked),
            "retrieved": tf.gather(self.towers.item_ids, found[0]),
            "pool": tf.gather(self.towers.item_ids, pool),
            "popular": tf.gather(self.towers.item_ids, self._popular(request, self._options.evaluated_k)[0]),
            "exhaustive": tf.gather(self.towers.item_ids, self._rank_everything(request, sampled)),
        }

    def _encode(self, user_id: tf.Tensor, history: tf.Tensor, exclude: tf.Tensor) -> Any:
        user_id, exclude = same_rows(user_id=user_id, exclude=exclude)
        request = self.towers.encode(user_id, history)
        return request._replace(exclude=tf.concat([request.exclude, self.towers.look_up(exclude)], axis=1))

    def _rank_among(
        self, user_id: tf.Tensor, history: tf.Tensor, exclude: tf.Tensor, allow: tf.Tensor, rule: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        request = self._encode(user_id, history, exclude)
        candidates, _ = self._retrieve_among(request, allow, rule, lambda: self._pool(request, self._retrieve(request)))
        return self._rank_candidates(request, candidates, self._options.candidates)

    def _retrieve_among(self, request: Any, allow: tf.Tensor, rule: tf.Tensor, free: Callable[[], Found]) -> Found:
        """Returns the best allowed items of each row, those of `free` where a row allows everything."""
        _, allow, rule = same_rows(user_id=request.user, allow=allow, rule=rule)
        allowed = allowed_items(self.towers, allow, rule)
        return retrieve_among(self.towers, self.index, request, allowed, self._options.candidates, free)

    def _retrieve(self, request: Any) -> tuple[tf.Tensor, tf.Tensor]:
        found = self.index.search(request.query, request.exclude, self._options.candidates)
        popular = self._popular(request, self._options.candidates)
        cold = request.cold[:, tf.newaxis]
        return tf.where(cold, popular[0], found[0]), tf.where(cold, popular[1], found[1])

    def _popular(self, request: Any, k: int) -> tuple[tf.Tensor, tf.Tensor]:
        towers = self.towers
        return popular_top_k(towers.popular, towers.popularity_rank, towers.log_popularity, request.exclude, k)

    def _score(self, request: Any, candidates: tf.Tensor) -> tf.Tensor:
        known = self.towers.score(request.user, request.history, request.known, request.query, candidates)
        popular = tf.gather(self.towers.log_popularity, candidates)
        unknown = request.cold
        if self._has_neighbours:
            unknown &= tf.reduce_all(tf.equal(request.history, 0), axis=1)
        scores = tf.where(unknown[:, tf.newaxis], popular, known)
        return tf.where(candidates > 0, scores, LAST)

    def _pool(self, request: Any, found: Found) -> Found:
        """Returns the second stage's candidates, from what the index found, and the neighbours where there are some."""
        return self.towers.pool(request, *found) if self._has_neighbours else found

    def _rank_candidates(self, request: Any, candidates: tf.Tensor, k: int) -> tuple[tf.Tensor, tf.Tensor]:
        scores = in_tiles(
            lambda request, candidates: in_chunks(lambda ids: self._score(request, ids), candidates),
            request,
            candidates,
        )
        missing = max(0, k - self._options.candidates)
        scores = tf.pad(scores, [[0, 0], [0, missing]], constant_values=LAST)
        best, columns = tf.math.top_k(scores, k)
        return tf.gather(tf.pad(candidates, [[0, 0], [0, missing]]), columns, batch_dims=1), best

    def _rank_everything(self, request: Any, sampled: tf.Tensor) -> tf.Tensor:
        """Returns int64 `[B, evaluated_k]`, zeros for users that are not sampled."""
        rows = tf.where(sampled)
        chosen = tf.nest.map_structure(lambda values: tf.gather(values, rows[:, 0]), request)
        ids, _ = exhaustive_top_k(
            lambda candidates: self._score(chosen, candidates),
            self.towers.item_ids.shape[0] - 1,
            chosen.exclude,
            self._options.evaluated_k,
        )
        shape = [tf.shape(sampled, tf.int64)[0], self._options.evaluated_k]
        return tf.scatter_nd(rows, ids, shape)

    def _answer(self, ids: tf.Tensor, scores: tf.Tensor) -> dict[str, tf.Tensor]:
        return answer(self.towers.item_ids, ids, scores)


def _parse(examples: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns user_id `[B]` and history `[B, H]`; either may be missing from an example."""
    features = tf.io.parse_example(
        examples,
        {
            "user_id": tf.io.FixedLenFeature([], tf.string, default_value=""),
            "history": tf.io.RaggedFeature(tf.string),
        },
    )
    return features["user_id"], features["history"].to_tensor("")
