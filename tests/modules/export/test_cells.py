"""A partition holds every item once, in cells that are neither empty nor overfull."""

import numpy as np
import pytest

from modules.export.cells import cut_into_cells, default_cell_count
from tests.modules.export.clustered import clustered_vectors

VECTORS = clustered_vectors(3_000)


def test_every_item_is_in_one_cell_and_no_cell_is_empty() -> None:
    cells = cut_into_cells(VECTORS, 40)
    np.testing.assert_array_equal(np.sort(cells.rows), np.arange(3_000))
    assert np.all(np.diff(cells.starts) > 0)
    assert (cells.starts[0], cells.starts[-1]) == (0, 3_000)
    for start, end, centroid in zip(cells.starts, cells.starts[1:], cells.centroids, strict=False):
        np.testing.assert_allclose(centroid, VECTORS[cells.rows[start:end]].mean(axis=0), atol=1e-5)


def test_an_overfull_cell_is_cut_along_its_longest_axis() -> None:
    # One far item takes one of two clusters; the other 799 lie on a line.
    vectors = np.zeros([800, 2], np.float32)
    vectors[1:, 0] = 1 + np.random.default_rng(0).permutation(799) / 799
    vectors[0] = [0, 100]
    cells = cut_into_cells(np.concatenate([vectors] * 2), 16)
    sizes = np.diff(cells.starts)
    assert sizes.max() <= 4 * 100
    assert sizes.sum() == 1600


def test_equal_vectors_are_shared_out_evenly() -> None:
    cells = cut_into_cells(np.ones([1_000, 4], np.float32), 50)
    sizes = np.diff(cells.starts)
    assert sizes.max() <= 80
    assert sizes.min() >= 70


def test_long_vectors_share_cells() -> None:
    random = np.random.default_rng(0)
    directions = random.normal(size=(2_000, 8))
    lengths = np.where(np.arange(2_000) < 100, 10.0, 1.0)
    vectors = lengths[:, np.newaxis] * directions / np.linalg.norm(directions, axis=1, keepdims=True)
    cells = cut_into_cells(vectors.astype(np.float32), 20)
    long_ones = [np.mean(cell < 100) for cell in np.split(cells.rows, cells.starts[1:-1])]
    assert all(share in (0, 1) for share in long_ones)


@pytest.mark.parametrize("number", [0, 11])
def test_a_number_of_cells_that_cannot_be_is_refused(number: int) -> None:
    with pytest.raises(
        ValueError, match=f"`num_cells` must be between 1 and the number of items, 10. Received: {number}"
    ):
        cut_into_cells(VECTORS[:10], number)


@pytest.mark.parametrize(("items", "cells"), [(1, 1), (10, 10), (10_000, 800), (1_000_000, 8_000)])
def test_cells_grow_with_the_root_of_the_corpus(items: int, cells: int) -> None:
    assert default_cell_count(items) == cells
