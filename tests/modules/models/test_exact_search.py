"""Exact search against sorting everything in numpy."""

import numpy as np
import pytest
import tensorflow as tf

from benchmarks.capacity.process import measure
from modules.models.exact_search import exact_top_k, exact_top_k_of_parts
from modules.models.retrieval import NO_ITEM
from tests.modules.models.sorted_search import EXCLUDE, ITEMS, assert_found, sorted_reference


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


def vectors_of_kind(kind: str, items: int) -> np.ndarray:
    """Returns vectors float32 `[N + 1, 1]`, whose products with 1 are in some order."""
    values = np.random.default_rng(items).normal(size=items + 1)
    if kind in {"ascending", "descending"}:
        values = np.sort(values)[:: 1 if kind == "ascending" else -1]
    elif kind == "tied":
        values = np.round(values)
    return values[:, np.newaxis].astype(np.float32)


@pytest.mark.parametrize("kind", ["random", "ascending", "descending", "tied"])
@pytest.mark.parametrize("items", [63, 64, 65, 190, 1000])
@pytest.mark.parametrize("k", [1, 20, 70])
def test_exact_top_k_does_not_feel_the_blocks(kind: str, items: int, k: int) -> None:
    vectors = vectors_of_kind(kind, items)
    query = np.array([[1.0], [0.5], [-1.0]], np.float32)
    # Half of the items, and the best ones, are excluded for the first two.
    rng = np.random.default_rng(4)
    best = np.argsort(-vectors[:, 0])[: items // 2]
    exclude = np.stack([rng.permutation(items)[: items // 2] + 1, best, np.zeros(items // 2, np.int64)])
    expected = sorted_reference(query @ vectors.T, exclude, k)
    for chunk in (64, 128, 4096):
        search = lambda: exact_top_k(query, tf.Variable(vectors), tf.constant(exclude), k, 3 * chunk)  # noqa: B023, E731
        assert_found(search(), expected)


@pytest.mark.parametrize("held", [1, 200, 400, 4096])
def test_few_items_beat_those_found_before(held: int) -> None:
    # All but ten of 2,000 items are alike, so later chunks have few blocks that are looked into.
    rng = np.random.default_rng(5)
    scores = np.zeros([3, 2001], np.float32)
    places = rng.permutation(2000)[:10] + 1
    scores[:, places] = rng.normal(size=[3, 10]) + [[3], [0], [-3]]
    exclude = np.stack([places[:4], places[3:7], rng.permutation(2000)[:4] + 1])
    found = exact_top_k(np.eye(3, dtype=np.float32), tf.constant(scores.T), tf.constant(exclude), 6, held)
    assert_found(found, sorted_reference(scores, exclude, 6))
