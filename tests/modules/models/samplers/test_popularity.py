"""Draws by popularity."""

import numpy as np
import pydantic
import pytest
import tensorflow as tf

from modules.models.corpus import Corpus
from modules.models.samplers.popularity import PopularitySampler
from tests.modules.goodness import SIGNIFICANCE, chi_square

COUNTS = np.array([0, 100, 0, 1, 50, 3, 200, 7], np.float32)


def make_sampler(alpha: float) -> PopularitySampler:
    return PopularitySampler(Corpus(COUNTS, 3), 8, PopularitySampler.Options(alpha=alpha), seed=1)


@pytest.mark.parametrize("alpha", [0.0, 0.75, 1.0])
def test_probability_is_the_count_to_the_power_of_alpha(alpha: float) -> None:
    # An item nobody took counts as if one had.
    powers = np.array([100, 1, 1, 50, 3, 200, 7]) ** alpha
    expected = powers / powers.sum()
    sampler, query = make_sampler(alpha), tf.zeros([2, 8])
    log_q = sampler.log_prob(query, tf.range(1, 8, dtype=tf.int64)[tf.newaxis])
    np.testing.assert_allclose(log_q, [np.log(expected)] * 2, rtol=1e-5)
    draws = sampler.sample(query, 20_000, tf.constant([1, 2], tf.int64))
    for row in draws.ids.numpy():
        assert chi_square(row, np.append(0, expected)) > SIGNIFICANCE


def test_alpha_zero_is_uniform() -> None:
    log_q = make_sampler(0.0).log_prob(tf.zeros([1, 8]), tf.range(1, 8, dtype=tf.int64)[tf.newaxis])
    np.testing.assert_allclose(log_q, np.full([1, 7], np.log(1 / 7)), rtol=1e-6)


def test_the_query_does_not_matter() -> None:
    sampler, ids = make_sampler(1.0), tf.constant([[1, 6]], tf.int64)
    log_q = sampler.log_prob(tf.constant(np.random.default_rng(0).normal(size=[3, 8]), tf.float32), ids)
    np.testing.assert_array_equal(log_q, np.repeat(log_q[:1], 3, axis=0))


def test_the_last_item_of_a_long_tail_is_within_reach_and_no_id_lies_beyond() -> None:
    counts = np.append(np.ones(200_001, np.float32), np.float32(200_000))
    sampler = PopularitySampler(Corpus(counts, 3), 8, PopularitySampler.Options(), seed=1)
    ids = sampler.sample(tf.zeros([1, 8]), 2_000, tf.constant([1, 2], tf.int64)).ids.numpy()
    assert ids.min() >= 1
    assert ids.max() == 200_001
    # Half of the mass lies on the last item: a binomial of 2,000 stays within 5 standard deviations of 1,000.
    assert abs(np.sum(ids == 200_001) - 1_000) < 112


def test_alpha_must_not_be_negative() -> None:
    with pytest.raises(pydantic.ValidationError):
        PopularitySampler.Options(alpha=-0.5)
