"""The first stage's search over the whole corpus: one pass in chunks, in stock TensorFlow operations."""

import functools
from collections.abc import Sequence

import tensorflow as tf

from modules.models.retrieval import top_k

_MAX_SCORES = 1 << 25
"""Scores that a search holds at once, 128 MB of them: a request of 32 over a million items is one product."""

_BLOCK = 64
"""Adjacent items of which only the best score is looked at, until it is among the best k."""

_FIRST_CHUNK = 1 << 15
"""Items that are sorted in full, before there is a score to beat. A smaller corpus is searched so as a whole."""

_CROWDED = 4
"""A chunk of which one block in so many beats the k found so far is sorted in full, too."""

_Found = tuple[tf.Tensor, tf.Tensor]
"""ids int64 `[B, M]` and scores float32 `[B, M]`, -inf where there is no item."""


def exact_top_k(
    query: tf.Tensor, candidates: tf.Tensor, exclude: tf.Tensor, k: int, max_scores: int = _MAX_SCORES
) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns the k best items of the whole corpus for each query, best first; of equals, the lower id.

    Args:
      query: float32 `[B, d]`.
      candidates: float32 `[N + 1, d]`; row 0 is padding and never returned.
      exclude: int64 `[B, E]`, items never to return; 0 is padding.
      k: how many; where the corpus holds fewer that are not excluded, the rest is `NO_ITEM`.
      max_scores: how many scores are held at once; beyond it the corpus is searched in chunks.

    Returns:
      ids int64 `[B, k]` and scores float32 `[B, k]`.
    """
    return exact_top_k_of_parts(query, [candidates], exclude, k, max_scores)


def exact_top_k_of_parts(
    query: tf.Tensor, parts: Sequence[tf.Tensor], exclude: tf.Tensor, k: int, max_scores: int = _MAX_SCORES
) -> tuple[tf.Tensor, tf.Tensor]:
    """As `exact_top_k`, of candidates in consecutive parts float32 `[n, d]`.

    Each part is searched on the device it lies on, which nothing but its best k leave.
    """
    found, offset = [], 0
    for part in parts:
        with tf.device(part.device):
            found.append(_search(query, tf.convert_to_tensor(part), offset, exclude, k, max_scores))
        offset += part.shape[0]
    ids, scores = functools.reduce(lambda before, fresh: _merge(before, fresh, k), found)
    return tf.where(tf.math.is_inf(scores), tf.zeros_like(ids), ids), scores


def _search(
    query: tf.Tensor, vectors: tf.Tensor, offset: int, exclude: tf.Tensor, k: int, max_scores: int | tf.Tensor
) -> _Found:
    """Returns the k best of the items `offset`, `offset + 1`, ..., whose vectors are float32 `[n, d]`; never item 0.

    Chunks grow with what was searched before them, so each has about k items a query that beat what was found.
    """
    padding = 0 if offset else 1
    batch, end = tf.shape(query, tf.int64)[0], tf.shape(vectors, tf.int64)[0]
    most = tf.maximum(max_scores // tf.maximum(batch, 1) // _BLOCK, 1) * _BLOCK
    # With it all other chunks are whole blocks.
    remainder = (end - padding) % _BLOCK
    first = tf.minimum(most, _FIRST_CHUNK) + remainder
    queries = tf.repeat(tf.range(batch), tf.shape(exclude)[1])
    rows = tf.reshape(exclude, [-1]) - offset

    def score(start: tf.Tensor, size: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        part = vectors[start : start + size]
        inside = (rows >= start) & (rows < start + tf.shape(part, tf.int64)[0])
        excluded = tf.boolean_mask(tf.stack([queries, rows - start], axis=1), inside)
        return tf.matmul(query, part, transpose_b=True), excluded, start + offset

    def merge_chunk(start: tf.Tensor, size: tf.Tensor, ids: tf.Tensor, scores: tf.Tensor):
        fresh = _beating(*score(start, size), scores[:, -1:], k)
        ids, scores = _merge((ids, scores), fresh, k)
        done = start + size
        return done, tf.minimum(done - padding - remainder, most), ids, scores

    scalar, found = tf.TensorShape([]), tf.TensorShape([None, k])
    start = padding + first
    return tf.while_loop(
        lambda start, *_: start < end,
        merge_chunk,
        (start, first - remainder, *_best(*score(tf.constant(padding, tf.int64), first), k)),
        shape_invariants=(scalar, scalar, found, found),
        parallel_iterations=1,
    )[2:]


def _merge(found: _Found, fresh: _Found, k: int) -> _Found:
    """Returns the k best of both; of equals what was found before."""
    ids, scores = (tf.concat(values, axis=1) for values in zip(found, fresh, strict=True))
    best, columns = tf.math.top_k(scores, k)
    return tf.gather(ids, columns, batch_dims=1), best


def _best(scores: tf.Tensor, excluded: tf.Tensor, first_id: tf.Tensor, k: int) -> _Found:
    """Returns the k best of adjacent items by sorting.

    Args:
      scores: float32 `[B, n]`.
      excluded: int64 `[X, 2]`, row and column of each score that does not count.
      first_id: of the first column.
      k: how many.
    """
    scores = tf.tensor_scatter_nd_update(scores, excluded, tf.fill([tf.shape(excluded)[0]], float("-inf")))
    return top_k(scores, first_id + tf.range(tf.shape(scores, tf.int64)[1]), k)


def _beating(scores: tf.Tensor, excluded: tf.Tensor, first_id: tf.Tensor, threshold: tf.Tensor, k: int) -> _Found:
    """As `_best`, of n in whole blocks, without what is not above the threshold float32 `[B, 1]`, and in order of id.

    Few blocks hold anything above it, and looking at the best of each is ten times as fast as sorting: the operation
    is a maximum over adjacent numbers.
    """
    shape = tf.shape(scores, tf.int64)
    batch, columns = shape[0], shape[1]
    blocks = tf.reshape(scores, [batch * columns // _BLOCK, _BLOCK])
    above = tf.where(tf.reshape(tf.reduce_max(blocks, axis=1), [batch, columns // _BLOCK]) > threshold)

    def look_into_blocks() -> _Found:
        values = tf.gather(blocks, above[:, 0] * (columns // _BLOCK) + above[:, 1])
        places = tf.where(values > tf.gather(threshold, above[:, 0]))
        rows, found = tf.gather(above, places[:, 0]), tf.gather_nd(values, places)
        rows, column = rows[:, 0], rows[:, 1] * _BLOCK + places[:, 1]
        # Both ascend, so that the excluded are searched for among the found.
        keys, unwanted = rows * columns + column, excluded[:, 0] * columns + excluded[:, 1]
        at = tf.searchsorted(keys, unwanted, out_type=tf.int64)
        at = tf.boolean_mask(at, tf.equal(tf.gather(tf.pad(keys, [[0, 1]], constant_values=-1), at), unwanted))
        found = tf.tensor_scatter_nd_update(found, at[:, tf.newaxis], tf.fill([tf.size(at)], float("-inf")))
        ids, scores = (
            tf.RaggedTensor.from_value_rowids(values, rows, nrows=batch, validate=False).to_tensor(padding)
            for values, padding in ((first_id + column, 0), (found, float("-inf")))
        )
        return ids, scores

    crowded = tf.shape(above, tf.int64)[0] * _CROWDED * _BLOCK > batch * columns
    return tf.cond(crowded, lambda: _best(scores, excluded, first_id, k), look_into_blocks)
