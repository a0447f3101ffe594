"""The first stage among allowed items only."""

from collections.abc import Callable
from typing import Any, NamedTuple

import tensorflow as tf

from modules.models.retrieval import contains, search_in_chunks

_CHUNK = 1 << 16
_PARALLEL_ROWS = 4

Found = tuple[tf.Tensor, tf.Tensor]
"""ids int64 `[B, C]`, best first, 0 for none, and their scores float32, -inf for none."""


class Allowed(NamedTuple):
    """What each row of a request allows.

    Attributes:
      items: int64 `[B, A]`, in any order, some perhaps twice; 0 is padding or unknown.
      listed: bool `[B]`, whether only those items are allowed; else every item is.
    """

    items: tf.Tensor
    listed: tf.Tensor


def allowed_items(allow: tf.Tensor, look_up: Callable[[tf.Tensor], tf.Tensor]) -> Allowed:
    """Returns what `allow` string `[B, A]` says: a row of "" alone allows everything, one of unknown ids nothing."""
    return Allowed(look_up(allow), tf.reduce_any(tf.not_equal(allow, ""), axis=1))


def retrieve_among(towers: Any, request: Any, allowed: Allowed, k: int, retrieve: Callable[[], Found]) -> Found:
    """Returns the best allowed items of each row: k of them wherever k are allowed and not excluded.

    The allowed items of a row are scored one by one, so that the answer is exact and costs what they cost, however
    large the corpus is.

    Args:
      towers: what scores.
      request: a `modules.export.towers.Request`.
      allowed: what is allowed.
      k: how many.
      retrieve: the first stage without restriction; called where a row allows everything.
    """
    batch = tf.shape(request.user)[0]
    nothing = (tf.zeros([batch, k], tf.int64), tf.fill([batch, k], float("-inf")))
    found = tf.cond(tf.reduce_all(allowed.listed), lambda: nothing, retrieve)
    rows = tf.where(allowed.listed)

    def alone(row: tf.Tensor) -> Found:
        ids, _ = tf.unique(allowed.items[row])
        ids = tf.boolean_mask(ids, (ids > 0) & ~contains(request.exclude[row], ids))
        return _best(towers, request.query[row], request.cold[row], ids, k)

    def one_by_one() -> Found:
        specs = (tf.TensorSpec([k], tf.int64), tf.TensorSpec([k], tf.float32))
        parts = tf.map_fn(alone, rows[:, 0], parallel_iterations=_PARALLEL_ROWS, fn_output_signature=specs)
        return tuple(tf.tensor_scatter_nd_update(values, rows, part) for values, part in zip(found, parts, strict=True))

    return tf.cond(tf.size(rows) > 0, one_by_one, lambda: found)


def _best(towers: Any, query: tf.Tensor, cold: tf.Tensor, ids: tf.Tensor, k: int) -> Found:
    """Returns the k best, `[k]`, of int64 ids `[M]` for a query `[d]`, or the most popular for a cold context."""
    numbered = tf.concat([[tf.constant(0, tf.int64)], ids], axis=0)

    def score(places: tf.Tensor) -> tf.Tensor:
        items = tf.gather(numbered, places)
        scores = tf.cond(
            cold,
            lambda: tf.gather(towers.log_popularity, items),
            lambda: tf.linalg.matvec(tf.gather(towers.candidates, items), query),
        )
        return scores[tf.newaxis]

    nothing = tf.zeros([1, 0], tf.int64)
    places, scores = search_in_chunks(score, tf.size(ids, tf.int64), nothing, k, _CHUNK)
    return tf.gather(numbered, places[0]), scores[0]
