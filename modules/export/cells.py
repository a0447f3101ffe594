"""Cuts a corpus into cells of items that large inner products tend to come from together."""

import math
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from modules.models.samplers.kmeans import assign, lloyd

_SAMPLED_A_CELL = 40
_ITERATIONS = 6
_OVERFULL = 4


class Cells(NamedTuple):
    """A partition of the rows 0..N-1 of a matrix of item vectors.

    Attributes:
      rows: int64 `[N]`, cell after cell.
      starts: int64 `[C + 1]`, where each cell begins in `rows`, and N; no cell is empty.
      centroids: float32 `[C, d]`, the mean of each cell's vectors.
    """

    rows: np.ndarray
    starts: np.ndarray
    centroids: np.ndarray


def default_cell_count(num_items: int) -> int:
    """Returns 8 sqrt(N): fine enough that few other items are scored, while the centroids take less time than those."""
    return max(1, min(num_items, round(8 * math.sqrt(num_items))))


def cut_into_cells(vectors: np.ndarray, num_cells: int, seed: int = 0) -> Cells:
    """Partitions item vectors by K-means.

    Inner products are made distances by one more coordinate, sqrt(max |x|^2 - |x|^2), after which all vectors are of
    one length (Bachrach et al., "Speeding up the Xbox recommender system using a Euclidean transformation for
    inner-product spaces", RecSys 2014): long vectors, which win for many queries, share cells. K-means learns from a
    sample; a cell of more than four times the mean is cut evenly along its longest axis, so that what a query gathers
    is bounded.

    Args:
      vectors: float32 `[N, d]`.
      num_cells: how many cells to aim for, at most N; the cutting may add some.
      seed: of the sample and of the restarts of empty clusters.

    Raises:
      ValueError: where `num_cells` is not between 1 and N.
    """
    num_items = len(vectors)
    if not 1 <= num_cells <= num_items:
        raise ValueError(f"`num_cells` must be between 1 and the number of items, {num_items}. Received: {num_cells}.")
    squares = np.einsum("nd,nd->n", vectors, vectors)
    points = np.concatenate([vectors, np.sqrt(np.maximum(squares.max() - squares, 0))[:, np.newaxis]], axis=1)
    codes = _k_means(points.astype(np.float32), num_cells, seed)
    order = np.argsort(codes, kind="stable")
    ends = np.cumsum(np.bincount(codes, minlength=num_cells))
    capacity = _OVERFULL * math.ceil(num_items / num_cells)
    parts = [
        part
        for cell in np.split(order, ends[:-1])
        if len(cell)
        for part in (_cut_evenly(cell, vectors, capacity) if len(cell) > capacity else [cell])
    ]
    rows = np.concatenate(parts)
    starts = np.concatenate([[0], np.cumsum([len(part) for part in parts])])
    sums = np.add.reduceat(vectors[rows], starts[:-1], axis=0, dtype=np.float32)
    return Cells(rows, starts, sums / np.diff(starts)[:, np.newaxis].astype(np.float32))


def _k_means(points: np.ndarray, num_cells: int, seed: int) -> np.ndarray:
    random = np.random.default_rng(seed)
    size = min(len(points), _SAMPLED_A_CELL * num_cells)
    sample = tf.constant(points[random.choice(len(points), size, replace=False)])
    learn = tf.function(lloyd, autograph=False)
    centroids = learn([sample], sample[:num_cells], _ITERATIONS, tf.constant([seed, 1]))
    return assign(tf.constant(points), centroids).numpy()


def _cut_evenly(cell: np.ndarray, vectors: np.ndarray, capacity: int) -> list[np.ndarray]:
    centred = vectors[cell] - vectors[cell].mean(axis=0)
    _, axes = np.linalg.eigh(centred.T @ centred)
    along = cell[np.argsort(centred @ axes[:, -1], kind="stable")]
    return np.array_split(along, math.ceil(len(cell) / capacity))
