"""Top&Rand: half of the draws hard, half uniform."""

import numpy as np
import pytest
import tensorflow as tf

from modules.models.samplers.mixture import UniformMixture
from modules.models.samplers.top_and_rand import TopAndRandSampler
from tests.modules import tiny
from tests.modules.goodness import SIGNIFICANCE, chi_square

ITEMS, WIDTH = 20, 8
SEED = tf.constant([11, 3], tf.int64)
ALL = tf.range(1, ITEMS + 1, dtype=tf.int64)[tf.newaxis]
RNG = np.random.default_rng(0)
CANDIDATES = RNG.normal(size=[ITEMS + 1, WIDTH]).astype(np.float32)
QUERY = tf.constant(RNG.normal(size=[3, WIDTH]), tf.float32)


def make_sampler(pool_size: int, corrected: bool = True) -> TopAndRandSampler:
    options = TopAndRandSampler.Options(pool_size=pool_size, corrected=corrected)
    sampler = TopAndRandSampler(tiny.make_corpus(ITEMS), WIDTH, options, seed=1)
    sampler.refresh([tf.constant(CANDIDATES)])
    return sampler


def expected_probabilities(pool_size: int) -> np.ndarray:
    """Returns 1 / (2 P) + 1 / (2 N) of the top P items, 1 / (2 N) of the others: `[3, N + 1]`."""
    top = np.argsort(-QUERY.numpy() @ CANDIDATES[1:].T, axis=1)[:, :pool_size]
    expected = np.full([3, ITEMS], 0.5 / ITEMS)
    np.put_along_axis(expected, top, 0.5 / ITEMS + 0.5 / pool_size, axis=1)
    return np.pad(expected, [[0, 0], [1, 0]])


@pytest.mark.parametrize("pool_size", [1, 5, ITEMS])
def test_probability_is_half_of_the_pools_and_half_uniform(pool_size: int) -> None:
    sampler, expected = make_sampler(pool_size), expected_probabilities(pool_size)
    np.testing.assert_allclose(np.exp(sampler.log_prob(QUERY, ALL)), expected[:, 1:], rtol=1e-5)
    for row, stated in zip(sampler.sample(QUERY, 10_000, SEED).ids.numpy(), expected, strict=True):
        assert chi_square(row, stated) > SIGNIFICANCE


def test_more_uniform_draws_can_be_mixed_in() -> None:
    mixture, expected = UniformMixture(make_sampler(5), ITEMS, 0.4), expected_probabilities(5)
    expected[:, 1:] = 0.6 * expected[:, 1:] + 0.4 / ITEMS
    np.testing.assert_allclose(np.exp(mixture.log_prob(QUERY, ALL)), expected[:, 1:], rtol=1e-5)
    for row, stated in zip(mixture.sample(QUERY, 10_000, SEED).ids.numpy(), expected, strict=True):
        assert chi_square(row, stated) > SIGNIFICANCE


def test_without_correction_the_draws_are_the_same_and_log_q_is_zero() -> None:
    plain, corrected = (make_sampler(5, corrected).sample(QUERY, 50, SEED) for corrected in (False, True))
    np.testing.assert_array_equal(plain.ids, corrected.ids)
    np.testing.assert_array_equal(plain.log_q, np.zeros([3, 50]))
    np.testing.assert_array_equal(make_sampler(5, corrected=False).log_prob(QUERY, ALL), np.zeros([3, ITEMS]))


def test_refreshes_reach_the_pool() -> None:
    sampler = TopAndRandSampler(
        tiny.make_corpus(ITEMS), WIDTH, TopAndRandSampler.Options(pool_size=5, refresh_steps=7), seed=1
    )
    assert sampler.refresh_steps == 7
    sampler.refresh_when_due(lambda: [tf.constant(CANDIDATES)], tf.constant(7, tf.int64))
    np.testing.assert_allclose(np.exp(sampler.log_prob(QUERY, ALL)), expected_probabilities(5)[:, 1:], rtol=1e-5)


def test_the_pool_must_not_be_larger_than_the_corpus() -> None:
    with pytest.raises(ValueError, match=r"`pool_size` must be at most the number of items \(20\). Received: 21."):
        make_sampler(ITEMS + 1)
