"""Chooses the index of the portable export, and how much of the corpus it looks at."""

import logging

import numpy as np
import tensorflow as tf

from modules.export.cells import Cells, cut_into_cells, default_cell_count
from modules.export.config import IndexOptions
from modules.export.index_recall import exact_ids, index_ids, recall
from modules.export.indexes import ExactIndex, Index
from modules.export.partitioned_index import PartitionedIndex

_QUERIES = 512
_SHORTLY_ABOVE = 0.01
"""How far above the floor the calibration aims: two standard errors of a recall over its queries."""

_WORTH_SCANNING = 0.25
"""A search that looks at more of the corpus than this takes as long as the exact one, which streams through it."""


def choose_index(candidates: tf.Variable, k: int, options: IndexOptions, queries: np.ndarray | None = None) -> Index:
    """Returns the index that `options` ask for.

    Args:
      candidates: float32 `[N + 1, d]` variable; row 0 is padding.
      k: how many items the first stage hands on.
      options: which index, and its floor.
      queries: float32 `[Q, d]`, to calibrate with, such as those of validation users; None or an empty one takes item
        vectors with noise.
    """
    num_items = candidates.shape[0] - 1
    if options.kind == "exact":
        return ExactIndex(candidates)
    if options.kind == "auto" and (num_items < options.exact_below or k > _WORTH_SCANNING * num_items):
        return ExactIndex(candidates)
    vectors = candidates.numpy()[1:]
    if queries is None or not len(queries):
        queries = perturbed(vectors)
    cells = cut_into_cells(vectors, default_cell_count(num_items))
    index = PartitionedIndex(candidates, cells, 1, options.quantisation)
    scanned = calibrate(index, cells, candidates, queries[:_QUERIES], k, options.min_recall)
    logging.info("Index: %d of %d cells, %.1f %% of the items.", index.probes, index.num_cells, 100 * scanned)
    if options.kind == "auto" and scanned > _WORTH_SCANNING:
        return ExactIndex(candidates)
    return index


def calibrate(
    index: PartitionedIndex,
    cells: Cells,
    candidates: tf.Variable,
    queries: np.ndarray,
    k: int,
    min_recall: float,
) -> float:
    """Lets the index look into the fewest cells that find enough, and returns the mean share of the items they hold.

    In how many cells the answers of an exact search lie tells the number; it is raised where a measured search still
    finds less, as quantisation can have it.

    Args:
      index: its `probes` are set.
      cells: what it was built from.
      candidates: float32 `[N + 1, d]` variable; row 0 is padding.
      queries: float32 `[Q, d]`.
      k: how many items the first stage hands on.
      min_recall: floor; the aim lies 0.01 above.
    """
    aim = min(1.0, min_recall + _SHORTLY_ABOVE)
    nothing = np.zeros([len(queries), 1], np.int64)
    expected = exact_ids(candidates, queries, nothing, k)
    sizes = np.diff(cells.starts)
    cell_of = np.zeros(len(cells.rows) + 1, np.int64)
    cell_of[cells.rows + 1] = np.repeat(np.arange(len(sizes)), sizes)
    order = np.argsort(-(queries @ cells.centroids.T), axis=1, kind="stable")
    ranks = np.argsort(order, axis=1)
    needed = np.sort(np.take_along_axis(ranks, cell_of[expected], axis=1)[expected > 0])
    probes = 1 + int(needed[max(0, int(np.ceil(aim * len(needed))) - 1)])
    index.look_into(probes)
    while probes < len(sizes) and recall(index_ids(index, queries, nothing, k), expected) < aim:
        probes = min(len(sizes), probes + max(1, probes // 4))
        index.look_into(probes)
    return float(sizes[order[:, :probes]].sum(axis=1).mean() / len(cells.rows))


def perturbed(vectors: np.ndarray, noise: float = 0.5, seed: int = 0) -> np.ndarray:
    """Returns up to 512 of float32 vectors `[N, d]`, each with normal noise of `noise` times its root mean square."""
    random = np.random.default_rng(seed)
    chosen = vectors[random.choice(len(vectors), min(_QUERIES, len(vectors)), replace=False)]
    scale = noise * np.sqrt(np.mean(chosen**2, axis=1, keepdims=True))
    return (chosen + scale * random.normal(size=chosen.shape)).astype(np.float32)
