"""The uniform proposal."""

import math

import numpy as np
import tensorflow as tf

from modules.models.samplers.uniform import UniformSampler
from tests.modules import tiny
from tests.modules.goodness import SIGNIFICANCE, chi_square


def test_every_item_has_one_nth() -> None:
    sampler = UniformSampler(tiny.make_corpus(7), 8, UniformSampler.Options(), seed=1)
    query = tf.zeros([2, 8])
    log_q = sampler.log_prob(query, tf.constant([[1, 7]], tf.int64))
    np.testing.assert_allclose(log_q, np.full([2, 2], math.log(1 / 7)), rtol=1e-6)
    draws = sampler.sample(query, 20_000, tf.constant([1, 2], tf.int64))
    np.testing.assert_allclose(draws.log_q, np.full([2, 20_000], math.log(1 / 7)), rtol=1e-6)
    for row in draws.ids.numpy():
        assert chi_square(row, np.array([0] + [1 / 7] * 7)) > SIGNIFICANCE


def test_it_needs_no_refresh() -> None:
    sampler = UniformSampler(tiny.make_corpus(7), 8, UniformSampler.Options(), seed=1)
    assert sampler.refresh_steps is None
    assert sampler.diagnostics() == {}
