"""The first stage among allowed items only."""

from collections.abc import Callable
from typing import Any, NamedTuple

import tensorflow as tf

from modules.models.retrieval import contains, search_in_chunks

_CHUNK = 1 << 16
_PARALLEL_ROWS = 4
_WIDENED = 4

Found = tuple[tf.Tensor, tf.Tensor]
"""ids int64 `[B, C]`, best first, 0 for none, and their scores float32, -inf for none."""


class Allowed(NamedTuple):
    """What each row of a request allows: what its list and its rule, where it has them, both allow.

    Attributes:
      items: int64 `[B, A]`, the list in any order, some perhaps twice; 0 is padding or unknown.
      listed: bool `[B]`, whether there is a list.
      masks: bool `[R, N + 1]`, the items that each rule of the request allows.
      rule: int32 `[B]`, which of them is the row's; -1 for none.
    """

    items: tf.Tensor
    listed: tf.Tensor
    masks: tf.Tensor
    rule: tf.Tensor


def allowed_items(towers: Any, allow: tf.Tensor, rule: tf.Tensor) -> Allowed:
    """Returns what a request says.

    Args:
      towers: a `modules.export.towers.Towers`, or one loaded from another export.
      allow: string `[B, A]`, ids; a row of "" alone is no list, one of unknown ids allows nothing.
      rule: string `[B]`; "" is none. Each is evaluated once, however many rows have it.
    """
    ruled = tf.not_equal(rule, "")
    rules, places = tf.unique(tf.boolean_mask(rule, ruled))
    nothing = tf.zeros([0, towers.item_ids.shape[0]], tf.bool)
    masks = tf.cond(tf.size(rules) > 0, lambda: towers.rule_masks(rules), lambda: nothing)
    which = tf.tensor_scatter_nd_update(tf.fill(tf.shape(rule), -1), tf.where(ruled), places)
    return Allowed(towers.look_up(allow), tf.reduce_any(tf.not_equal(allow, ""), axis=1), masks, which)


def retrieve_among(
    towers: Any, index: Any, request: Any, allowed: Allowed, k: int, retrieve: Callable[[], Found]
) -> Found:
    """Returns the best allowed items of each row: k of them wherever k are allowed and not excluded.

    Where a rule allows more than half of the corpus, the index is asked for four times k, and what is not allowed is
    left out. In all other rows, and where that leaves fewer than k, the allowed items are scored one by one: that is
    exact, and costs what they cost, however large the corpus is.

    Args:
      towers: what scores.
      index: a `modules.export.indexes.Index`.
      request: a `modules.export.towers.Request`.
      allowed: what is allowed.
      k: how many.
      retrieve: the first stage without restriction; called where a row allows everything.
    """
    batch = tf.shape(request.user)[0]
    free = ~allowed.listed & (allowed.rule < 0)
    found = (tf.zeros([batch, k], tf.int64), tf.fill([batch, k], float("-inf")))
    found = _where(free, retrieve, found)
    broad = ~allowed.listed & ~request.cold & _of_broad_rules(allowed)
    found = _where(broad, lambda: _search_broadly(index, request, allowed, k), found)
    rows = tf.where(~free & ~(broad & (found[1][:, -1] > float("-inf"))))

    def alone(row: tf.Tensor) -> Found:
        ids = _ids_of_row(allowed, row)
        ids = tf.boolean_mask(ids, (ids > 0) & ~contains(request.exclude[row], ids))
        return _best(towers, request.query[row], request.cold[row], ids, k)

    def one_by_one() -> Found:
        specs = (tf.TensorSpec([k], tf.int64), tf.TensorSpec([k], tf.float32))
        parts = tf.map_fn(alone, rows[:, 0], parallel_iterations=_PARALLEL_ROWS, fn_output_signature=specs)
        return tuple(tf.tensor_scatter_nd_update(values, rows, part) for values, part in zip(found, parts, strict=True))

    return tf.cond(tf.size(rows) > 0, one_by_one, lambda: found)


def _where(rows: tf.Tensor, search: Callable[[], Found], found: Found) -> Found:
    """Returns `found` with what `search` finds in the rows bool `[B]`; without any it is not called."""

    def searched() -> Found:
        fresh = search()
        return tuple(tf.where(rows[:, tf.newaxis], new, old) for new, old in zip(fresh, found, strict=True))

    return tf.cond(tf.reduce_any(rows), searched, lambda: found)


def _of_broad_rules(allowed: Allowed) -> tf.Tensor:
    """Returns bool `[B]`, which rows have a rule that allows more than half of the items."""
    counts = tf.math.count_nonzero(allowed.masks, axis=1)
    # The last entry is that of rows without a rule.
    broad = tf.concat([2 * counts > tf.shape(allowed.masks, tf.int64)[1], [False]], axis=0)
    return tf.gather(broad, tf.where(allowed.rule < 0, tf.size(counts), allowed.rule))


def _search_broadly(index: Any, request: Any, allowed: Allowed, k: int) -> Found:
    """Returns the best k of what the index finds and the row's rule allows; rows without a rule are meaningless."""
    # The index pads where there are fewer than k items.
    ids, scores = index.search(request.query, request.exclude, max(k, min(_WIDENED * k, allowed.masks.shape[1] - 1)))
    rules = tf.broadcast_to(tf.maximum(allowed.rule, 0)[:, tf.newaxis], tf.shape(ids))
    kept = tf.gather_nd(allowed.masks, tf.stack([tf.cast(rules, tf.int64), ids], axis=2))
    best, columns = tf.math.top_k(tf.where(kept, scores, float("-inf")), k)
    return tf.gather(ids, columns, batch_dims=1), best


def _ids_of_row(allowed: Allowed, row: tf.Tensor) -> tf.Tensor:
    """Returns the distinct ids int64 `[M]` that a row allows, 0 perhaps among them."""
    rule = allowed.rule[row]

    def of_list() -> tf.Tensor:
        ids, _ = tf.unique(allowed.items[row])
        return tf.cond(
            rule < 0, lambda: ids, lambda: tf.boolean_mask(ids, tf.gather(tf.gather(allowed.masks, rule), ids))
        )

    return tf.cond(allowed.listed[row], of_list, lambda: tf.where(tf.gather(allowed.masks, rule))[:, 0])


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
