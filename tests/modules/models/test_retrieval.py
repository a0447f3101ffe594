"""Popular and exhaustive search against sorting everything in numpy."""

import numpy as np
import pytest
import tensorflow as tf

from modules.models.retrieval import NO_ITEM, exhaustive_top_k, in_chunks, mask_columns, popular_top_k, top_k
from tests.modules.models.sorted_search import EXCLUDE, ITEMS, assert_found, sorted_reference


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
