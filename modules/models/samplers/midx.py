"""The inverted multi-index proposal."""

from collections.abc import Sequence
from typing import Literal

import numpy as np
import pydantic
import tensorflow as tf

from modules.models import global_batch
from modules.models.corpus import Corpus, CorpusAccess
from modules.models.layers.embeddings import lookup
from modules.models.samplers import kmeans
from modules.models.samplers.base import Draws, Sampler, gather_columns
from modules.section import Section


class MIDXSampler(Sampler):
    """Draws close to softmax(M / T) at a cost that does not depend on the corpus (CoRR section 4.1.1).

    Item embeddings are cut into two halves, each quantised by K-means into K codewords w^1, w^2. With p_i the weight of
    item i, omega[k1, k2] the sum of the weights in cell (k1, k2) and z = [z^1, z^2] the query,
        Q(k1, k2 | c) proportional to omega[k1, k2] exp((<z^1, w^1_k1> + <z^2, w^2_k2>) / T),
    then an item of the cell in proportion to its weight, so that
        log q(i|c) = (<z^1, w^1_k1(i)> + <z^2, w^2_k2(i)>) / T + log p_i - log Z_c.
    All weights are 1, or the items' counts in training: the paper's two variants, which `within_cell` chooses from.
    The paper draws k1 from its marginal and k2 given k1; both come here from one categorical draw of the pair, which
    is the same law at the same O(K d + K^2 + L) a query; a draw by weight adds a binary search, O(log N). Everything
    is in log space; empty cells have log omega = -inf.
    """

    class Options(Section):
        """Settings of MIDX."""

        codewords: int = pydantic.Field(16, ge=1)
        """K, codewords in each half; the index has K^2 cells."""
        temperature: float = pydantic.Field(1.0, gt=0)
        """T."""
        within_cell: Literal["uniform", "popularity"] = "uniform"
        """How an item is drawn from its cell: each alike, or in proportion to max(count, 1)."""
        refresh_steps: int = pydantic.Field(100, ge=1)
        """Training steps between two refreshes of the codebooks."""
        iterations: int = pydantic.Field(3, ge=1)
        """K-means iterations of a refresh, which starts from the last codebooks (the first does five times as many)."""

    def __init__(self, corpus: Corpus, embedding_dim: int, options: Options, seed: int) -> None:
        super().__init__(name="midx")
        if embedding_dim % 2:
            raise ValueError(
                "`embedding_dim` must be even for the MIDX sampler, which cuts embeddings in halves. "
                f"Received: embedding_dim={embedding_dim}."
            )
        self._options = options
        self._seed = tf.constant([seed, 0], tf.int32)
        self.refresh_steps = options.refresh_steps
        codewords, rows = options.codewords, corpus.num_items + 1

        def state(name: str, shape: list[int], dtype: tf.DType) -> tf.Variable:
            return self.add_weight(
                name=name,
                shape=shape,
                dtype=dtype,
                initializer="zeros",
                trainable=False,
                **global_batch.REPLICA_STATE,
            )

        self._codebooks = state("codebooks", [2, codewords, embedding_dim // 2], tf.float32)
        self._codes = state("codes", [rows, 2], tf.int32)
        self._log_omega = state("log_omega", [codewords * codewords], tf.float32)
        self._sizes = state("sizes", [codewords * codewords], tf.int64)
        self._starts = state("starts", [codewords * codewords], tf.int64)
        self._items_by_cell = state("items_by_cell", [corpus.num_items], tf.int64)
        self._refreshes = state("refreshes", [], tf.int32)
        self._residual = state("residual", [], tf.float32)
        self._item_weights, self._cumulative = None, None
        if options.within_cell == "popularity":
            # float64: the sum of a large corpus is beyond what float32 tells apart.
            counts = np.maximum(corpus.item_counts.astype(np.float64), 1.0)
            self._item_weights = tf.Variable(counts, trainable=False)
            self._cumulative = state("cumulative", [rows], tf.float64)

    @classmethod
    def corpus_access(cls, options: Options) -> CorpusAccess:
        """See base class; a draw by weight searches the cumulative weights of all items."""
        return "rows" if options.within_cell == "uniform" else "tables"

    def refresh(self, candidates: Sequence[tf.Tensor]) -> None:
        """Moves the codebooks after the items and sorts the items into the new cells."""
        halves = _halves(candidates)
        # The first refresh has no codebooks to start from.
        codebooks = tf.cond(
            tf.equal(self._refreshes, 0),
            lambda: self._cluster(halves, None, 5 * self._options.iterations),
            lambda: self._cluster(halves, self._codebooks, self._options.iterations),
        )
        self.set_codebooks(candidates, codebooks)
        self._refreshes.assign_add(1)

    def diagnostics(self) -> dict[str, tf.Tensor]:
        """See base class: the share of the items' energy the codebooks miss, and of the cells that hold an item."""
        return {
            "codebook_residual": self._residual,
            "occupied_cells": tf.reduce_mean(tf.cast(self._sizes > 0, tf.float32)),
        }

    def _cluster(self, halves: list[list[tf.Tensor]], start: tf.Variable | None, iterations: int) -> tf.Tensor:
        books = []
        for half, parts in enumerate(halves):
            seed = self._seed + tf.stack([half, 1000 * self._refreshes])
            first = kmeans.random_points(parts, self._options.codewords, seed) if start is None else start[half]
            books.append(kmeans.lloyd(parts, first, iterations, seed))
        return tf.stack(books)

    def set_codebooks(self, candidates: Sequence[tf.Tensor], codebooks: tf.Tensor) -> None:
        """Rebuilds the cells of candidates, as for `refresh`, around codebooks float32 `[2, K, d / 2]`."""
        self._codebooks.assign(codebooks)
        found = [_nearest(parts, codebooks) for parts in zip(*_halves(candidates), strict=True)]
        codes = tf.concat([codes for codes, _ in found], axis=0)
        self._codes.assign(tf.pad(codes, [[1, 0], [0, 0]]))
        cells = codes[:, 0] * self._options.codewords + codes[:, 1]
        sizes = tf.math.bincount(
            cells,
            minlength=self._options.codewords**2,
            maxlength=self._options.codewords**2,
            dtype=tf.int64,
        )
        self._sizes.assign(sizes)
        starts = tf.cumsum(sizes, exclusive=True)
        self._starts.assign(starts)
        items_by_cell = tf.cast(tf.argsort(cells, stable=True), tf.int64) + 1
        self._items_by_cell.assign(items_by_cell)
        omega = tf.cast(sizes, tf.float32)
        if self._item_weights is not None:
            cumulative = tf.pad(tf.cumsum(tf.gather(self._item_weights, items_by_cell)), [[1, 0]])
            self._cumulative.assign(cumulative)
            omega = tf.cast(tf.gather(cumulative, starts + sizes) - tf.gather(cumulative, starts), tf.float32)
        self._log_omega.assign(tf.math.log(omega))
        missed, energy = tf.unstack(tf.add_n([energies for _, energies in found]))
        self._residual.assign(missed / energy)

    def _scores(self, query: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns <z^1, w^1> / T and <z^2, w^2> / T, each `[B, K]`."""
        first, second = tf.split(query / self._options.temperature, 2, axis=1)
        return (
            tf.matmul(first, self._codebooks[0], transpose_b=True),
            tf.matmul(second, self._codebooks[1], transpose_b=True),
        )

    def _pair_scores(self, first: tf.Tensor, second: tf.Tensor) -> tf.Tensor:
        """Returns the sums of both halves' scores `[B, K]` in each cell, `[B, K^2]`."""
        pairs = first[:, :, tf.newaxis] + second[:, tf.newaxis, :]
        return tf.reshape(pairs, [-1, self._options.codewords**2])

    def _log_weights(self, ids: tf.Tensor) -> tf.Tensor | float:
        """Returns log p of int64 ids, float32 of their shape; 0 where all items weigh the same."""
        if self._item_weights is None:
            return 0.0
        return tf.cast(tf.math.log(tf.gather(self._item_weights, ids)), tf.float32)

    def _draw_within(self, cells: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        """Returns an item of each of the occupied cells int64 `[B, L]`: int64 `[B, L]`."""
        starts, sizes = lookup(self._starts, cells), lookup(self._sizes, cells)
        # Drawn in float64 and floored: a cell of a million items still has every item within reach.
        uniform = global_batch.stateless_uniform(tf.shape(cells), seed, dtype=tf.float64)
        if self._cumulative is None:
            return lookup(self._items_by_cell, starts + tf.cast(uniform * tf.cast(sizes, tf.float64), tf.int64))
        below, above = tf.gather(self._cumulative, starts), tf.gather(self._cumulative, starts + sizes)
        targets = tf.reshape(below + uniform * (above - below), [-1])
        places = tf.searchsorted(self._cumulative, targets, side="right", out_type=tf.int64) - 1
        # A target may be rounded up to the end of its cell.
        places = tf.minimum(tf.reshape(places, tf.shape(cells)), starts + sizes - 1)
        return lookup(self._items_by_cell, places)

    def sample(self, query: tf.Tensor, num_draws: int, seed: tf.Tensor) -> Draws:
        """See base class."""
        first, second = self._scores(query)
        logits = self._pair_scores(first, second) + self._log_omega
        cells = global_batch.stateless_categorical(logits, num_draws, seed)
        ids = self._draw_within(cells, seed + 1)
        log_cells = tf.gather(logits, cells, batch_dims=1) - lookup(self._log_omega, cells)
        return Draws(ids, log_cells + self._log_weights(ids) - tf.reduce_logsumexp(logits, axis=1, keepdims=True))

    def log_prob(self, query: tf.Tensor, ids: tf.Tensor) -> tf.Tensor:
        """See base class."""
        return gather_columns(self._log_densities(query), self._cells(ids)) + self._log_weights(ids)

    def batch_log_prob(self, query: tf.Tensor, ids: tf.Tensor) -> tf.Tensor:
        """See base class: items of a cell differ by their weights alone, so the mean is taken a cell, not an item."""
        means = global_batch.log_mean_exp(self._log_densities(query))
        return tf.gather(means, self._cells(ids)) + self._log_weights(ids)

    def _log_densities(self, query: tf.Tensor) -> tf.Tensor:
        """Returns log q of an item of weight 1 in each cell, float32 `[B, K^2]`."""
        pairs = self._pair_scores(*self._scores(query))
        return pairs - tf.reduce_logsumexp(pairs + self._log_omega, axis=1, keepdims=True)

    def _cells(self, ids: tf.Tensor) -> tf.Tensor:
        """Returns the cells of int64 ids, int32 of their shape."""
        codes = lookup(self._codes, ids)
        return codes[..., 0] * self._options.codewords + codes[..., 1]


def _halves(candidates: Sequence[tf.Tensor]) -> list[list[tf.Tensor]]:
    """Returns the two halves of the items' vectors in parts, each where it lies; the row of padding is left out."""
    halves = []
    for first, part in zip([1] + [0] * (len(candidates) - 1), candidates, strict=True):
        with tf.device(part.device):
            halves.append(tf.split(part[first:], 2, axis=1))
    return [list(parts) for parts in zip(*halves, strict=True)]


def _nearest(halves: Sequence[tf.Tensor], codebooks: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns the codes of a part's items, int32 `[n, 2]`, and float32 `[2]`, the energy they miss and all of it."""
    with tf.device(halves[0].device):
        codes = [kmeans.assign(half, codebooks[h]) for h, half in enumerate(halves)]
        words = tf.concat([tf.gather(codebooks[h], codes[h]) for h in range(2)], axis=1)
        vectors = tf.concat(halves, axis=1)
        return tf.stack(codes, axis=1), tf.stack(
            [tf.reduce_sum(tf.square(vectors - words)), tf.reduce_sum(tf.square(vectors))]
        )
