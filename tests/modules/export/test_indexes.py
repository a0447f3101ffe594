"""The first stage's indexes: the exact one, and ScaNN measured against it."""

from collections.abc import Callable

import numpy as np
import pytest
import tensorflow as tf

from modules.export.indexes import ExactIndex, Index, ScannIndex
from modules.models.exact_search import exact_top_k
from modules.models.retrieval import NO_ITEM

ITEMS, WIDTH, K = 2_000, 16, 20


def normals(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


CANDIDATES = normals(ITEMS + 1, WIDTH)


@pytest.fixture(scope="module")
def scann() -> ScannIndex:
    """An index of 2,000 items."""
    return ScannIndex(tf.Variable(CANDIDATES), K)


@pytest.fixture(scope="module")
def search(scann: ScannIndex) -> Callable[..., tuple[np.ndarray, np.ndarray]]:
    """ScaNN's search as a graph holds it."""
    traced = tf.function(scann.search, autograph=False)
    return lambda query, exclude: [found.numpy() for found in traced(tf.constant(query), tf.constant(exclude), K)]


def exact(query: np.ndarray, exclude: np.ndarray, k: int = K) -> list[np.ndarray]:
    found = exact_top_k(tf.constant(query), tf.constant(CANDIDATES), tf.constant(exclude), k)
    return [values.numpy() for values in found]


def test_the_exact_index_is_the_exact_search() -> None:
    query, exclude = normals(3, WIDTH, seed=1), np.array([[5, 0], [7, 8], [0, 0]])
    found = ExactIndex(tf.Variable(CANDIDATES)).search(tf.constant(query), tf.constant(exclude), K)
    for ours, theirs in zip(found, exact(query, exclude), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_scann_finds_nearly_what_an_exact_search_finds(search: Callable) -> None:
    query = normals(64, WIDTH, seed=1)
    nothing = np.zeros([64, 1], np.int64)
    (ids, scores), (expected, _) = search(query, nothing), exact(query, nothing)
    recall = np.mean([len(set(ours) & set(theirs)) / K for ours, theirs in zip(ids, expected, strict=True)])
    assert recall >= 0.95
    assert all(len(set(row)) == K for row in ids)
    products = np.einsum("bd,bkd->bk", query, CANDIDATES[ids])
    np.testing.assert_allclose(scores, products, rtol=1e-4, atol=1e-4)
    assert np.all(np.diff(scores, axis=1) <= 0)


def test_scann_leaves_out_what_is_excluded(search: Callable) -> None:
    query = normals(8, WIDTH, seed=2)
    best, _ = exact(query, np.zeros([8, 1], np.int64))
    ids, _ = search(query, best[:, :10])
    assert not any(set(row) & set(gone) for row, gone in zip(ids, best[:, :10], strict=True))
    assert np.all(ids != NO_ITEM)
    # What came after them moves up.
    assert np.mean([len(set(row) & set(rest)) / 10 for row, rest in zip(ids, best[:, 10:], strict=True)]) >= 0.95


def test_a_history_that_crowds_scanns_answer_does_not_shorten_it(search: Callable) -> None:
    """ScaNN has no filter; where too few of the neighbours it fetched are left, the corpus still holds others."""
    query = normals(3, WIDTH, seed=3)
    longest, _ = exact(query, np.zeros([3, 1], np.int64), 300)
    exclude = np.zeros([3, 300], np.int64)
    exclude[0], exclude[1, :3] = longest[0], longest[1, :3]
    ids, scores = search(query, exclude)
    expected = exact(query, exclude)
    np.testing.assert_array_equal(ids[0], expected[0][0])
    np.testing.assert_allclose(scores[0], expected[1][0], rtol=1e-4)
    assert np.all(ids != NO_ITEM)
    assert not set(ids[1]) & set(longest[1, :3])


@pytest.mark.parametrize("items", [16, 17, 40])
def test_small_corpora_are_searched_whole(items: int) -> None:
    candidates = tf.Variable(CANDIDATES[: items + 1])
    index: Index = ScannIndex(candidates, items)
    query, exclude = normals(4, WIDTH, seed=4), np.array([[1, 2], [0, 0], [3, 0], [0, 9]])
    found = index.search(tf.constant(query), tf.constant(exclude), items)
    expected = exact_top_k(tf.constant(query), candidates, tf.constant(exclude), items)
    np.testing.assert_array_equal(found[0], expected[0])
    np.testing.assert_allclose(found[1], expected[1], rtol=1e-4, atol=1e-4)


def test_a_search_for_more_than_there_is_ends_in_padding() -> None:
    index = ScannIndex(tf.Variable(CANDIDATES[:21]), 30)
    ids, scores = index.search(tf.constant(normals(2, WIDTH)), tf.constant([[4], [0]], tf.int64), 30)
    assert [len(set(row) - {NO_ITEM}) for row in ids.numpy()] == [19, 20]
    assert [np.sum(np.isneginf(row)) for row in scores.numpy()] == [11, 10]


def test_below_sixteen_items_scann_is_refused() -> None:
    with pytest.raises(ValueError, match="`candidates` must hold at least 16 items for ScaNN. Received: 15"):
        ScannIndex(tf.Variable(CANDIDATES[:16]), 10)
