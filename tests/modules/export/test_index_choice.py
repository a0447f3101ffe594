"""Small corpora are searched exactly, large ones as little as the floor allows."""

import numpy as np
import pytest

from modules.export.cells import cut_into_cells
from modules.export.config import IndexOptions
from modules.export.index_choice import calibrate, choose_index, perturbed
from modules.export.index_recall import exact_ids, index_ids, recall
from modules.export.indexes import ExactIndex
from modules.export.partitioned_index import PartitionedIndex
from tests.modules.export.clustered import as_candidates, clustered_vectors, near

K = 20
VECTORS = clustered_vectors(3_000)
CANDIDATES = as_candidates(VECTORS)


def test_the_default_searches_a_small_corpus_exactly() -> None:
    assert isinstance(choose_index(CANDIDATES, K, IndexOptions()), ExactIndex)


def test_a_corpus_above_the_threshold_is_partitioned() -> None:
    index = choose_index(CANDIDATES, K, IndexOptions(exact_below=3_000))
    assert isinstance(index, PartitionedIndex)
    assert 1 <= int(index.probes) < index.num_cells / 4


def test_exact_is_exact_whatever_the_size() -> None:
    assert isinstance(choose_index(CANDIDATES, K, IndexOptions(kind="exact", exact_below=1)), ExactIndex)


@pytest.mark.parametrize("kind", ["auto", "partitioned"])
def test_partitioning_what_has_no_clusters_is_a_choice(kind: str) -> None:
    """Normal vectors in 32 dimensions: to find 95 % one must look nearly everywhere, and an exact search is faster."""
    normals = np.random.default_rng(0).normal(size=(3_000, 32)).astype(np.float32)
    index = choose_index(as_candidates(normals), K, IndexOptions(kind=kind, exact_below=1), near(normals[:, ::-1], 64))
    assert isinstance(index, ExactIndex if kind == "auto" else PartitionedIndex)


def test_handing_on_a_large_part_of_the_corpus_is_no_search() -> None:
    assert isinstance(choose_index(CANDIDATES, 1_000, IndexOptions(exact_below=1)), ExactIndex)


@pytest.mark.parametrize("floor", [0.8, 0.95, 1.0])
@pytest.mark.parametrize("quantisation", ["none", "int8"])
def test_calibration_reaches_the_floor_and_not_much_more(floor: float, quantisation: str) -> None:
    cells = cut_into_cells(VECTORS, 200)
    index = PartitionedIndex(CANDIDATES, cells, 1, quantisation)
    query, nothing = near(VECTORS, 128), np.zeros([128, 1], np.int64)
    share = calibrate(index, cells, CANDIDATES, query, K, floor)
    expected = exact_ids(CANDIDATES, query, nothing, K)
    assert recall(index_ids(index, query, nothing, K), expected) >= min(1, floor + 0.01)
    assert 0 < share < 1
    # Below that, short rows are searched exactly, and quantisation steps by a quarter.
    if floor == 0.95 and quantisation == "none":
        index.look_into(int(index.probes) - 1)
        assert recall(index_ids(index, query, nothing, K), expected) < floor + 0.01


def test_perturbed_vectors_are_near_their_own() -> None:
    queries = perturbed(VECTORS)
    assert queries.shape == (512, 16)
    assert queries.dtype == np.float32
    assert perturbed(VECTORS[:3]).shape == (3, 16)
    nearest = exact_ids(CANDIDATES, queries, np.zeros([512, 1], np.int64), 1)[:, 0]
    assert len(set(nearest)) > 100
