"""Uniform draws from the retriever's best items."""

import numpy as np
import pytest
import tensorflow as tf

from modules.models.samplers.top_pool import TopPool
from tests.modules import tiny
from tests.modules.goodness import SIGNIFICANCE, chi_square

ITEMS, WIDTH, POOL = 20, 8, 6
SEED = tf.constant([11, 3], tf.int64)
ALL = tf.range(1, ITEMS + 1, dtype=tf.int64)[tf.newaxis]
RNG = np.random.default_rng(0)
CANDIDATES = RNG.normal(size=[ITEMS + 1, WIDTH]).astype(np.float32)
QUERY = RNG.normal(size=[3, WIDTH]).astype(np.float32)


def make_sampler(pool_size: int = POOL, candidates: np.ndarray = CANDIDATES) -> TopPool:
    sampler = TopPool(tiny.make_corpus(ITEMS), WIDTH, pool_size, refresh_steps=1)
    sampler.refresh([tf.constant(candidates)])
    return sampler


def best(candidates: np.ndarray, pool_size: int = POOL) -> np.ndarray:
    return 1 + np.argsort(-QUERY @ candidates[1:].T, axis=1, kind="stable")[:, :pool_size]


@pytest.mark.parametrize("pool_size", [1, POOL, ITEMS])
def test_the_pool_alone_is_drawn_from_and_evenly(pool_size: int) -> None:
    expected = np.zeros([3, ITEMS + 1])
    np.put_along_axis(expected, best(CANDIDATES, pool_size), 1 / pool_size, axis=1)
    sampler = make_sampler(pool_size)
    np.testing.assert_allclose(np.exp(sampler.log_prob(QUERY, ALL)), expected[:, 1:], rtol=1e-6)
    draws = sampler.sample(tf.constant(QUERY), 10_000, SEED)
    for row, stated in zip(draws.ids.numpy(), expected, strict=True):
        assert set(row) == set(np.flatnonzero(stated))
        assert chi_square(row, stated) > SIGNIFICANCE


def test_padding_is_never_in_the_pool_however_well_it_scores() -> None:
    candidates = np.concatenate([100 * QUERY[:1], CANDIDATES[1:]])
    assert tf.reduce_min(make_sampler(candidates=candidates).sample(tf.constant(QUERY), 1_000, SEED).ids) >= 1


def test_among_equals_the_smaller_ids_are_in_the_pool() -> None:
    log_q = make_sampler(candidates=np.ones_like(CANDIDATES)).log_prob(QUERY, ALL)
    np.testing.assert_array_equal(np.isfinite(log_q), np.tile(np.arange(ITEMS) < POOL, [3, 1]))


def test_the_pool_is_that_of_the_last_refresh() -> None:
    sampler, moved = make_sampler(), -CANDIDATES
    sampler.refresh([tf.constant(moved)])
    for row, pool in zip(sampler.sample(tf.constant(QUERY), 500, SEED).ids.numpy(), best(moved), strict=True):
        assert set(row) == set(pool)


def test_the_pool_must_not_be_larger_than_the_corpus() -> None:
    with pytest.raises(ValueError, match=r"`pool_size` must be at most the number of items \(20\). Received: 21."):
        make_sampler(ITEMS + 1)
