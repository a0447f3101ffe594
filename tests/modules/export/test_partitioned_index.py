"""The portable search: exact where it looks into every cell, close to it where it looks into few."""

import numpy as np
import pytest
import tensorflow as tf

from modules.export.cells import cut_into_cells
from modules.export.index_recall import exact_ids, index_ids, recall
from modules.export.partitioned_index import PartitionedIndex
from modules.models.exact_search import exact_top_k
from modules.models.retrieval import NO_ITEM
from tests.modules.export.clustered import as_candidates, clustered_vectors, near

K = 20
VECTORS = clustered_vectors(3_000)
CANDIDATES = as_candidates(VECTORS)
CELLS = cut_into_cells(VECTORS, 60)
NOTHING = np.zeros([40, 1], np.int64)


@pytest.fixture(params=["none", "int8"])
def index(request: pytest.FixtureRequest) -> PartitionedIndex:
    return PartitionedIndex(CANDIDATES, CELLS, 12, request.param)


def both(index: PartitionedIndex, query: np.ndarray, exclude: np.ndarray, k: int = K) -> tuple[list, list]:
    search = tf.function(index.search, autograph=False)
    found = search(tf.constant(query), tf.constant(exclude), k)
    expected = exact_top_k(tf.constant(query), CANDIDATES, tf.constant(exclude), k)
    return [values.numpy() for values in found], [values.numpy() for values in expected]


def test_looking_into_every_cell_is_the_exact_search(index: PartitionedIndex) -> None:
    index.look_into(10**6)
    query = near(VECTORS, 40)
    exclude = np.random.default_rng(2).integers(0, 3_001, [40, 30])
    (ids, scores), (expected_ids, expected_scores) = both(index, query, exclude)
    np.testing.assert_allclose(scores, expected_scores, rtol=1e-5, atol=1e-5)
    assert recall(ids, expected_ids) == 1


def test_few_cells_hold_nearly_all_and_the_scores_are_exact(index: PartitionedIndex) -> None:
    query = near(VECTORS, 40)
    (ids, scores), (expected, _) = both(index, query, NOTHING)
    assert recall(ids, expected) >= 0.95
    assert all(len(set(row)) == K for row in ids)
    np.testing.assert_allclose(scores, np.einsum("bd,bkd->bk", query, CANDIDATES.numpy()[ids]), rtol=1e-5, atol=1e-5)
    assert np.all(np.diff(scores, axis=1) <= 0)


def test_more_cells_find_more(index: PartitionedIndex) -> None:
    query = near(VECTORS, 40)
    expected = exact_ids(CANDIDATES, query, NOTHING, K)
    recalls = []
    for probes in (1, 4, 16, 60):
        index.look_into(probes)
        recalls.append(recall(index_ids(index, query, NOTHING, K), expected))
    assert recalls == sorted(recalls)
    assert recalls[0] < 0.9


def test_what_is_excluded_gives_way_to_what_comes_next(index: PartitionedIndex) -> None:
    query = near(VECTORS, 8)
    (best, _), _ = both(index, query, NOTHING[:8])
    # Twice, padded, and in any order: none of it matters.
    exclude = np.concatenate([best[:, 9::-1], best[:, :3], NOTHING[:8]], axis=1)
    (ids, _), _ = both(index, query, exclude)
    np.testing.assert_array_equal(ids[:, :10], best[:, 10:])
    assert np.all(ids != NO_ITEM)
    assert not any(set(row) & set(gone) for row, gone in zip(ids, best[:, :10], strict=True))


def test_a_long_history_does_not_shorten_the_answer(index: PartitionedIndex) -> None:
    """Where its cells hold too few others, a row is searched exactly; the rows beside it are not."""
    index.look_into(1)
    query = near(VECTORS, 2)
    exclude = np.zeros([2, 2_500], np.int64)
    exclude[0] = exact_ids(CANDIDATES, query[:1], NOTHING[:1], 2_500)
    (ids, scores), (expected, expected_scores) = both(index, query, exclude)
    np.testing.assert_array_equal(ids[0], expected[0])
    np.testing.assert_allclose(scores[0], expected_scores[0], rtol=1e-5)
    assert recall(ids[1:], expected[1:]) < 1


def test_a_search_for_more_than_there_is_ends_in_padding(index: PartitionedIndex) -> None:
    (ids, scores), _ = both(index, near(VECTORS, 1), np.array([[4, 9]]), k=3_005)
    assert np.sum(ids == NO_ITEM) == np.sum(np.isneginf(scores)) == 7
    assert np.all(ids[0, -7:] == NO_ITEM)
    assert len(set(ids[0])) == 2_999


@pytest.mark.parametrize("batch", [0, 1, 7])
def test_a_batch_of_any_size_is_answered_as_its_rows_are(index: PartitionedIndex, batch: int) -> None:
    query = near(VECTORS, batch)
    search = tf.function(
        lambda *rows: index.search(*rows, K),
        autograph=False,
        input_signature=[tf.TensorSpec([None, 16]), tf.TensorSpec([None, None], tf.int64)],
    )
    ids, scores = search(query, np.zeros([batch, 0], np.int64))
    assert ids.shape == scores.shape == (batch, K)
    for row in range(batch):
        alone, _ = search(query[row : row + 1], np.zeros([1, 3], np.int64))
        np.testing.assert_array_equal(ids[row], alone[0])


def test_a_corpus_of_one_item() -> None:
    one = as_candidates(VECTORS[:1])
    index = PartitionedIndex(one, cut_into_cells(VECTORS[:1], 1), 5, "int8")
    ids, scores = index.search(tf.constant(VECTORS[:2]), tf.constant([[0], [1]], tf.int64), 2)
    np.testing.assert_array_equal(ids, [[1, 0], [0, 0]])
    assert np.isneginf(scores.numpy()).tolist() == [[False, True], [True, True]]


def test_vectors_of_zeros_are_quantised_to_zeros() -> None:
    zeros = np.zeros([50, 4], np.float32)
    index = PartitionedIndex(as_candidates(zeros), cut_into_cells(zeros, 5), 5, "int8")
    ids, scores = index.search(tf.ones([1, 4]), tf.zeros([1, 1], tf.int64), 50)
    assert sorted(ids.numpy()[0]) == list(range(1, 51))
    assert np.all(scores.numpy() == 0)


def test_quantised_vectors_take_a_quarter() -> None:
    sizes = {
        kind: sum(v.dtype.size * v.shape.num_elements() for v in index.variables if v.name.startswith("vectors"))
        for kind in ("none", "int8")
        for index in [PartitionedIndex(CANDIDATES, CELLS, 1, kind)]
    }
    assert sizes["none"] == 4 * sizes["int8"]


def test_no_cell_to_look_into_is_refused() -> None:
    with pytest.raises(ValueError, match="`probes` must be a positive integer. Received: 0."):
        PartitionedIndex(CANDIDATES, CELLS, 0)
