"""Approximate search in stock TensorFlow operations: look only into the cells nearest to the query."""

import numpy as np
import tensorflow as tf

from modules.export.cells import Cells
from modules.export.config import Quantisation
from modules.export.indexes import Index, search_short_rows_exactly
from modules.models.retrieval import contains, top_k

_BLOCK = 16
_RESCORED = 2
_PARALLEL_QUERIES = 4


class PartitionedIndex(Index):
    """Scores the centroids of cells, gathers the items of the best cells, and scores these exactly.

    Cells lie one after the other in blocks of 16 vectors, padded within the last, so that a cell is gathered in a few
    large copies. Queries of a batch are searched one by one, at most four at a time: beside the index a search holds
    no more than four times the largest cells. With int8, the best twice k by the stored vectors are scored again by
    the exact ones, so that the scores returned are exact either way.

    A query that finds fewer than k is searched in the whole corpus.

    Args:
      candidates: float32 `[N + 1, d]` variable; row 0 is padding.
      cells: a partition of its rows 1..N, counted from 0.
      probes: how many cells to look into, at least 1; more than there are looks into all.
      quantisation: of the vectors that are scanned.

    Attributes:
      probes: int32 variable, the number of cells looked into.
      num_cells: how many there are.
    """

    def __init__(self, candidates: tf.Variable, cells: Cells, probes: int, quantisation: Quantisation = "none") -> None:
        super().__init__()
        self._candidates = candidates
        self._quantised = quantisation == "int8"
        self.num_cells = len(cells.centroids)
        self.probes = tf.Variable(0, trainable=False, dtype=tf.int32, name="probes")
        self.look_into(probes)
        self._centroids = tf.Variable(cells.centroids, trainable=False, name="centroids")
        sizes = np.diff(cells.starts)
        blocks = -(-sizes // _BLOCK)
        first_block = np.concatenate([[0], np.cumsum(blocks)])
        self._first_block = tf.Variable(first_block, trainable=False, dtype=tf.int32, name="first_block")
        # A cell's items go to the first slots of its blocks.
        place = np.arange(len(cells.rows)) + np.repeat(_BLOCK * first_block[:-1] - cells.starts[:-1], sizes)
        ids = np.zeros(first_block[-1] * _BLOCK, np.int64)
        ids[place] = cells.rows + 1
        self._ids = tf.Variable(ids.reshape(-1, _BLOCK), trainable=False, name="ids")
        vectors = candidates.numpy()[ids]
        vectors[ids == 0] = 0
        if self._quantised:
            scales = np.maximum(np.abs(vectors).max(axis=1), np.finfo(np.float32).tiny) / 127
            vectors = np.rint(vectors / scales[:, np.newaxis]).astype(np.int8)
            self._scales = tf.Variable(scales.reshape(-1, _BLOCK), trainable=False, dtype=tf.float32, name="scales")
        self._vectors = tf.Variable(vectors.reshape(-1, _BLOCK, vectors.shape[1]), trainable=False, name="vectors")

    def look_into(self, probes: int) -> None:
        """Sets how many cells a search looks into.

        Raises:
          ValueError: where that is none.
        """
        if probes < 1:
            raise ValueError(f"`probes` must be a positive integer. Received: {probes}.")
        self.probes.assign(min(probes, self.num_cells))

    def search(self, query: tf.Tensor, exclude: tf.Tensor, k: int) -> tuple[tf.Tensor, tf.Tensor]:
        """See base class."""

        def alone() -> tuple[tf.Tensor, tf.Tensor]:
            ids, scores = self._search_one(query[0], exclude[0], k)
            return ids[tf.newaxis], scores[tf.newaxis]

        def one_by_one() -> tuple[tf.Tensor, tf.Tensor]:
            return tf.map_fn(
                lambda row: self._search_one(*row, k),  # type: ignore[call-arg]  # two rows
                (query, exclude),
                parallel_iterations=_PARALLEL_QUERIES,
                fn_output_signature=(tf.TensorSpec([k], tf.int64), tf.TensorSpec([k], tf.float32)),
            )

        # A loop around one query takes a tenth of its time.
        ids, scores = tf.cond(tf.equal(tf.shape(query)[0], 1), alone, one_by_one)
        return search_short_rows_exactly(ids, scores, query, exclude, self._candidates)

    def _search_one(self, query: tf.Tensor, exclude: tf.Tensor, k: int) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns ids and scores `[k]` for a query `[d]`."""
        nearness = _products(query, self._centroids)
        cells = tf.math.top_k(nearness, self.probes, sorted=False).indices
        blocks = tf.ragged.range(tf.gather(self._first_block, cells), tf.gather(self._first_block, cells + 1)).values
        ids = tf.reshape(tf.gather(self._ids, blocks), [-1])
        scores = self._scan(query, blocks)
        scores = tf.where(ids > 0, scores, float("-inf"))
        # E exclusions can take no more than E of the best k + E.
        wanted = k * (_RESCORED if self._quantised else 1) + tf.math.count_nonzero(exclude, dtype=tf.int32)
        scores, columns = tf.math.top_k(scores, tf.minimum(wanted, tf.size(scores)), sorted=False)
        ids = tf.gather(ids, columns)
        if self._quantised:
            exact = tf.linalg.matvec(tf.gather(self._candidates, ids), query)
            scores = tf.where(ids > 0, exact, float("-inf"))
        scores = tf.where(contains(exclude, ids), float("-inf"), scores)
        found, best = top_k(scores[tf.newaxis], ids, k)
        return found[0], best[0]

    def _scan(self, query: tf.Tensor, blocks: tf.Tensor) -> tf.Tensor:
        """Returns the scores `[16 M]` of the items of blocks `[M]`."""
        width = self._vectors.shape[2]
        vectors = tf.reshape(tf.gather(self._vectors, blocks), [-1, width])
        products = _products(query, tf.cast(vectors, tf.float32))
        if self._quantised:
            products *= tf.reshape(tf.gather(self._scales, blocks), [-1])
        return products


def _products(query: tf.Tensor, vectors: tf.Tensor) -> tf.Tensor:
    """Returns the inner products `[M]` of a query `[d]` with vectors `[M, d]`."""
    # A product of matrices, which TensorFlow computes faster than one of a matrix and a vector.
    return tf.matmul(query[tf.newaxis], vectors, transpose_b=True)[0]
