"""Searches by popularity and by any scoring function, and what all searches share, in stock TensorFlow operations."""

import math
from collections.abc import Callable

import tensorflow as tf

NO_ITEM = 0
"""The id that stands for no item; its score is -inf."""


def popular_top_k(
    popular: tf.Tensor,
    popularity_rank: tf.Tensor,
    log_popularity: tf.Tensor,
    exclude: tf.Tensor,
    k: int,
) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns the k most popular items that are not excluded; cost O(B (k + E)), whatever the corpus.

    Args:
      popular: int64 `[N]`, all items, the most popular first.
      popularity_rank: int64 `[N + 1]`, the position of each item in `popular`; N for `NO_ITEM`.
      log_popularity: float32 `[N + 1]`, the score of each item.
      exclude: int64 `[B, E]`, items never to return; 0 is padding.
      k: how many; where fewer are left, the rest is `NO_ITEM`.

    Returns:
      ids int64 `[B, k]` and scores float32 `[B, k]`.
    """
    # E exclusions can remove no more than E of the first k + E.
    head = popular[: k + tf.shape(exclude)[1]]
    length = tf.size(head, tf.int64)
    scores = tf.tile(tf.gather(log_popularity, head)[tf.newaxis], [tf.shape(exclude)[0], 1])
    # One more column takes the exclusions that lie behind the head.
    columns = tf.minimum(tf.gather(popularity_rank, exclude), length)
    masked = mask_columns(tf.pad(scores, [[0, 0], [0, 1]]), columns)[:, :-1]
    return top_k(masked, head, k)


def exhaustive_top_k(
    score: Callable[[tf.Tensor], tf.Tensor],
    num_items: int,
    exclude: tf.Tensor,
    k: int,
    chunk: int = 1024,
) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns the k best items under any scoring function, in chunks: no score matrix of the corpus is held.

    Args:
      score: maps candidate ids int64 `[B, C]` to scores float32 `[B, C]`.
      num_items: N.
      exclude: int64 `[B, E]`, items never to return; 0 is padding.
      k: how many; where fewer are left, the rest is `NO_ITEM`.
      chunk: how many items are scored at once.

    Returns:
      ids int64 `[B, k]` and scores float32 `[B, k]`.
    """
    batch = tf.shape(exclude)[0]
    return search_in_chunks(
        lambda ids: score(tf.tile(ids[tf.newaxis], [batch, 1])), tf.constant(num_items, tf.int64), exclude, k, chunk
    )


def search_in_chunks(
    score: Callable[[tf.Tensor], tf.Tensor],
    last: tf.Tensor,
    exclude: tf.Tensor,
    k: int,
    chunk: int | tf.Tensor,
    first: int = 1,
) -> tuple[tf.Tensor, tf.Tensor]:
    """As `exhaustive_top_k`, of the items `first` to `last`; `score` maps adjacent ids int64 `[C]` to `[B, C]`."""
    batch = tf.shape(exclude)[0]

    def merge_chunk(start: tf.Tensor, ids: tf.Tensor, scores: tf.Tensor):
        chunk_ids = tf.range(start, tf.minimum(start + chunk, last + 1), dtype=tf.int64)
        size = tf.size(chunk_ids, tf.int64)
        columns = exclude - start
        columns = tf.where((columns >= 0) & (columns < size), columns, size)
        fresh = mask_columns(tf.pad(score(chunk_ids), [[0, 0], [0, 1]]), columns)[:, :-1]
        best, order = tf.math.top_k(tf.concat([scores, fresh], axis=1), k)
        # Of equals the first one wins: what was found before, then the lower id.
        kept = tf.gather(ids, tf.minimum(order, k - 1), batch_dims=1)
        added = tf.gather(chunk_ids, tf.maximum(order - k, 0))
        return start + chunk, tf.where(order < k, kept, added), best

    _, ids, scores = tf.while_loop(
        lambda start, *_: start <= last,
        merge_chunk,
        (tf.constant(first, tf.int64), tf.zeros([batch, k], tf.int64), tf.fill([batch, k], float("-inf"))),
        shape_invariants=(tf.TensorShape([]), tf.TensorShape([None, k]), tf.TensorShape([None, k])),
        parallel_iterations=1,
    )
    return tf.where(tf.math.is_inf(scores), tf.zeros_like(ids), ids), scores


def in_chunks(function: Callable[..., tf.Tensor], *columns: tf.Tensor, chunk: int = 1024) -> tf.Tensor:
    """Returns `function(*columns)` float32 `[B, C]`, computed for at most `chunk` columns at a time.

    Args:
      function: maps tensors `[B, C]` to scores float32 `[B, C]`, column by column.
      *columns: tensors `[B, C]`, C known when the graph is built.
      chunk: how many columns are in memory at once; where C is no more, `function` is called once.
    """
    width = columns[0].shape[1]
    if width <= chunk:
        return function(*columns)
    count = math.ceil(width / chunk)
    size = math.ceil(width / count)

    def cut(values: tf.Tensor) -> tf.Tensor:
        padded = tf.pad(values, [[0, 0], [0, count * size - width]])
        return tf.transpose(tf.reshape(padded, [-1, count, size]), [1, 0, 2])

    results = tf.map_fn(
        lambda part: function(*part),
        tuple(cut(values) for values in columns),
        parallel_iterations=1,
        fn_output_signature=tf.TensorSpec([None, size], tf.float32),
    )
    return tf.reshape(tf.transpose(results, [1, 0, 2]), [-1, count * size])[:, :width]


def mask_columns(scores: tf.Tensor, columns: tf.Tensor) -> tf.Tensor:
    """Returns `scores` `[B, M]` with -inf at each row's `columns` int64 `[B, E]`."""
    shape = tf.shape(columns, tf.int64)
    rows = tf.repeat(tf.range(shape[0]), shape[1])
    places = tf.stack([rows, tf.reshape(columns, [-1])], axis=1)
    return tf.tensor_scatter_nd_update(scores, places, tf.fill([tf.size(columns)], float("-inf")))


def contains(values: tf.Tensor, ids: tf.Tensor) -> tf.Tensor:
    """Returns bool `[M]`, which of int64 ids `[M]` are among `values` `[E]`."""
    # The last entry lets a search that runs off the end find something, which equals no id.
    ascending = tf.concat([tf.sort(values), [tf.int64.max]], axis=0)
    return tf.equal(tf.gather(ascending, tf.searchsorted(ascending, ids)), ids)


def top_k(scores: tf.Tensor, ids: tf.Tensor, k: int) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns the ids and scores `[B, k]` of the k best of `scores` `[B, M]`, whose columns are the items `ids` `[M]`.

    Where fewer than k are above -inf, the rest is `NO_ITEM`.
    """
    missing = tf.maximum(0, k - tf.shape(scores)[1])
    scores = tf.pad(scores, [[0, 0], [0, missing]], constant_values=float("-inf"))
    best, columns = tf.math.top_k(scores, k)
    found = tf.gather(tf.pad(ids, [[0, missing]]), columns)
    return tf.where(tf.math.is_inf(best), tf.zeros_like(found), found), best
