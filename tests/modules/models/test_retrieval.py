"""Exact, popular and exhaustive search against sorting everything in numpy."""

import numpy as np
import pytest
import tensorflow as tf

from benchmarks.capacity.process import measure
from modules.models.retrieval import (
    NO_ITEM,
    exact_top_k,
    exact_top_k_of_parts,
    exhaustive_top_k,
    in_chunks,
    mask_columns,
    popular_top_k,
    top_k,
)

ITEMS = 20
EXCLUDE = np.array([[3, 0, 0], [20, 1, 1], [0, 0, 0]])


def sorted_reference(scores: np.ndarray, exclude: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns the k best of scores `[B, N + 1]` by sorting all but column 0 and the excluded."""
    ids, best = np.zeros([len(scores), k], np.int64), np.full([len(scores), k], -np.inf)
    for row, (values, excluded) in enumerate(zip(scores, exclude, strict=True)):
        order = [item for item in np.argsort(-values, kind="stable") if item not in {0, *excluded}][:k]
        ids[row, : len(order)], best[row, : len(order)] = order, values[order]
    return ids, best


def assert_found(found: tuple[tf.Tensor, tf.Tensor], expected: tuple[np.ndarray, np.ndarray]) -> None:
    np.testing.assert_array_equal(found[0], expected[0])
    np.testing.assert_allclose(found[1], expected[1], rtol=1e-5, atol=1e-5)
    assert found[0].dtype == tf.int64


@pytest.mark.parametrize("k", [1, 5, 20, 21, 30])
def test_exact_top_k_is_the_head_of_the_sorted_corpus(k: int) -> None:
    rng = np.random.default_rng(0)
    query, candidates = np.abs(rng.normal(size=[3, 4])), rng.normal(size=[ITEMS + 1, 4])
    # The padding would win everywhere.
    candidates[0] = 100
    found = exact_top_k(*(tf.constant(x, tf.float32) for x in (query, candidates)), tf.constant(EXCLUDE), k)
    assert_found(found, sorted_reference(query @ candidates.T, EXCLUDE, k))


def test_exact_top_k_without_exclusions_or_queries() -> None:
    candidates = tf.constant(np.random.default_rng(0).normal(size=[4, 2]), tf.float32)
    nothing = tf.zeros([2, 0], tf.int64)
    assert set(exact_top_k(tf.ones([2, 2]), candidates, nothing, 3)[0].numpy()[0]) == {1, 2, 3}
    ids, scores = exact_top_k(tf.ones([0, 2]), candidates, nothing[:0], 3)
    assert ids.shape == scores.shape == (0, 3)


def test_exact_top_k_when_everything_is_excluded() -> None:
    ids, scores = exact_top_k(tf.ones([1, 2]), tf.ones([4, 2]), tf.constant([[3, 1, 2]], tf.int64), 2)
    np.testing.assert_array_equal(ids, [[NO_ITEM, NO_ITEM]])
    np.testing.assert_array_equal(scores, [[-np.inf, -np.inf]])


@pytest.mark.parametrize("k", [1, 5, 25])
@pytest.mark.parametrize("chunk", [1, 7, 10, 19, 20, 21, 64])
def test_exhaustive_top_k_does_not_feel_the_chunks(chunk: int, k: int) -> None:
    scores = np.random.default_rng(1).normal(size=[3, ITEMS + 1]).astype(np.float32)
    found = exhaustive_top_k(
        lambda ids: tf.gather(tf.constant(scores), ids, batch_dims=1), ITEMS, tf.constant(EXCLUDE), k, chunk
    )
    assert_found(found, sorted_reference(scores, EXCLUDE, k))


def test_exhaustive_top_k_in_a_graph_and_for_nobody() -> None:
    scores = np.random.default_rng(1).normal(size=[3, ITEMS + 1]).astype(np.float32)

    @tf.function(
        autograph=False,
        input_signature=[tf.TensorSpec([None, ITEMS + 1]), tf.TensorSpec([None, None], tf.int64)],
    )
    def search(scores: tf.Tensor, exclude: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return exhaustive_top_k(lambda ids: tf.gather(scores, ids, batch_dims=1), ITEMS, exclude, 4, chunk=6)

    assert_found(search(scores, EXCLUDE), sorted_reference(scores, EXCLUDE, 4))
    ids, _ = search(scores[:0], EXCLUDE[:0])
    assert ids.shape == (0, 4)


@pytest.mark.parametrize("k", [1, 5, 18, 20, 30])
def test_popular_top_k_is_the_popularity_order_less_the_exclusions(k: int) -> None:
    rng = np.random.default_rng(2)
    popular = rng.permutation(ITEMS) + 1
    rank = np.full(ITEMS + 1, ITEMS)
    rank[popular] = np.arange(ITEMS)
    log_popularity = -rank.astype(np.float32)
    # Of the head, of the tail, and of nothing.
    exclude = np.array([[*popular[:3], 0], [popular[0], *popular[-2:], popular[0]], [0, 0, 0, 0]])
    found = popular_top_k(tf.constant(popular), tf.constant(rank), tf.constant(log_popularity), tf.constant(exclude), k)
    assert_found(found, sorted_reference(np.tile(log_popularity, [3, 1]), exclude, k))


def test_popular_top_k_looks_no_further_than_the_exclusions_reach() -> None:
    # Three of the first four excluded: the last one sought stands at place k + E of the popularity.
    popular = tf.range(1, 7, dtype=tf.int64)
    rank = tf.constant([6, 0, 1, 2, 3, 4, 5], tf.int64)
    ids, _ = popular_top_k(popular, rank, -tf.cast(rank, tf.float32), tf.constant([[1, 2, 3]], tf.int64), 2)
    np.testing.assert_array_equal(ids, [[4, 5]])


@pytest.mark.parametrize(("width", "widest"), [(0, 0), (7, 7), (8, 8), (9, 5), (30, 8)])
@pytest.mark.parametrize("rows", [0, 3])
def test_chunks_of_columns_come_back_in_their_places(width: int, widest: int, rows: int) -> None:
    rng = np.random.default_rng(3)
    ids, values = rng.integers(0, 9, [rows, width]), rng.normal(size=[rows, width]).astype(np.float32)
    seen = []

    def score(ids: tf.Tensor, values: tf.Tensor) -> tf.Tensor:
        seen.append(ids.shape[1])
        return tf.cast(ids, tf.float32) * values

    @tf.function(
        input_signature=[tf.TensorSpec([None, width], tf.int64), tf.TensorSpec([None, width], tf.float32)],
        autograph=False,
    )
    def chunked(ids: tf.Tensor, values: tf.Tensor) -> tf.Tensor:
        return in_chunks(score, ids, values, chunk=8)

    np.testing.assert_allclose(chunked(ids, values), ids * values, rtol=1e-6)
    assert set(seen) == {widest}


def test_masked_columns_become_the_lowest() -> None:
    found = mask_columns(tf.ones([2, 3]), tf.constant([[0, 0], [2, 1]], tf.int64))
    np.testing.assert_array_equal(found, [[-np.inf, 1, 1], [1, -np.inf, -np.inf]])


def test_top_k_names_columns_by_their_ids_and_fills_up() -> None:
    ids, scores = top_k(tf.constant([[1.0, 3.0], [-np.inf, 2.0]]), tf.constant([8, 9], tf.int64), 3)
    np.testing.assert_array_equal(ids, [[9, 8, NO_ITEM], [9, NO_ITEM, NO_ITEM]])
    np.testing.assert_array_equal(scores, [[3, 1, -np.inf], [2, -np.inf, -np.inf]])


@pytest.mark.parametrize("k", [1, 5, 25])
@pytest.mark.parametrize("max_scores", [1, 22, 30, 57, 62, 63])
def test_exact_top_k_does_not_feel_the_chunks(max_scores: int, k: int) -> None:
    rng = np.random.default_rng(2)
    query, candidates = rng.normal(size=[3, 4]).astype(np.float32), rng.normal(size=[ITEMS + 1, 4]).astype(np.float32)
    found = exact_top_k(tf.constant(query), tf.Variable(candidates), tf.constant(EXCLUDE), k, max_scores)
    assert_found(found, sorted_reference(query @ candidates.T, EXCLUDE, k))


@pytest.mark.parametrize("in_graph", [True, False])
@pytest.mark.parametrize("k", [1, 5, 25])
@pytest.mark.parametrize("sizes", [[21], [1, 20], [7, 7, 7], [18, 1, 2]])
def test_exact_top_k_does_not_feel_the_parts(sizes: list[int], k: int, in_graph: bool) -> None:
    rng = np.random.default_rng(3)
    query, candidates = rng.normal(size=[3, 4]).astype(np.float32), rng.normal(size=[ITEMS + 1, 4]).astype(np.float32)
    candidates[0] = 100
    parts = [tf.Variable(part) for part in np.split(candidates, np.cumsum(sizes)[:-1])]
    search = lambda: exact_top_k_of_parts(tf.constant(query), parts, tf.constant(EXCLUDE), k)  # noqa: E731
    found = tf.function(search)() if in_graph else search()
    assert_found(found, sorted_reference(query @ candidates.T, EXCLUDE, k))


def test_of_items_with_equal_scores_the_first_are_found_in_chunks_too() -> None:
    search = tf.function(lambda most: exact_top_k(tf.ones([1, 2]), tf.ones([12, 2]), EXCLUDE[:1], 4, most))
    for most in (3, 5, 11, 12):
        np.testing.assert_array_equal(search(tf.constant(most, tf.int64))[0], [[1, 2, 4, 5]])


def test_an_exact_search_holds_no_score_matrix() -> None:
    queries, items, held = 256, 200_000, 1 << 21
    query, candidates = tf.ones([queries, 2]), tf.random.stateless_normal([items + 1, 2], seed=[1, 2])
    nothing = tf.zeros([queries, 0], tf.int64)
    # Without a cache of freed memory the next search would begin with what the last one left.
    exact_top_k(query[:2], candidates, nothing[:2], 100, held)
    _, taken = measure(lambda: exact_top_k(query, candidates, nothing, 100, held))
    assert taken.added_bytes < 4 * queries * items / 2
