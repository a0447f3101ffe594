"""The softmax over the whole corpus."""

import numpy as np
import pytest
import tensorflow as tf

from modules.models.samplers.exact import ExactSampler
from tests.modules import tiny
from tests.modules.goodness import SIGNIFICANCE, chi_square

ITEMS, WIDTH = 20, 8
SEED = tf.constant([11, 3], tf.int64)
RNG = np.random.default_rng(0)
CANDIDATES = RNG.normal(size=[ITEMS + 1, WIDTH]).astype(np.float32)
QUERY = RNG.normal(size=[2, WIDTH]).astype(np.float32)
ALL = tf.range(1, ITEMS + 1, dtype=tf.int64)[tf.newaxis]


def make_sampler(temperature: float) -> ExactSampler:
    sampler = ExactSampler(tiny.make_corpus(ITEMS), WIDTH, ExactSampler.Options(temperature=temperature), seed=1)
    sampler.refresh([tf.constant(CANDIDATES)])
    return sampler


@pytest.mark.parametrize("temperature", [0.2, 1.0, 5.0])
def test_it_is_the_softmax_of_the_scores(temperature: float) -> None:
    exponentials = np.exp(QUERY.astype(np.float64) @ CANDIDATES[1:].T / temperature)
    expected = exponentials / exponentials.sum(axis=1, keepdims=True)
    sampler = make_sampler(temperature)
    np.testing.assert_allclose(np.exp(sampler.log_prob(QUERY, ALL)), expected, rtol=1e-4)
    draws = sampler.sample(tf.constant(QUERY), 20_000, SEED)
    for row, stated in zip(draws.ids.numpy(), expected, strict=True):
        assert chi_square(row, np.append(0, stated)) > SIGNIFICANCE


def test_padding_is_never_drawn_however_well_it_scores() -> None:
    sampler = make_sampler(1.0)
    sampler.refresh([tf.constant(np.concatenate([100 * QUERY[:1], CANDIDATES[1:]]))])
    assert tf.reduce_min(sampler.sample(tf.constant(QUERY), 1_000, SEED).ids) >= 1


def test_high_temperature_is_uniform_and_low_is_the_arg_max() -> None:
    np.testing.assert_allclose(make_sampler(1e6).log_prob(QUERY, ALL), np.full([2, ITEMS], -np.log(ITEMS)), atol=1e-4)
    best = 1 + (QUERY @ CANDIDATES[1:].T).argmax(axis=1)
    ids = make_sampler(1e-4).sample(tf.constant(QUERY), 100, SEED).ids
    np.testing.assert_array_equal(ids, np.repeat(best[:, np.newaxis], 100, axis=1))


@pytest.mark.parametrize("scale", [1e3, 1e4])
def test_huge_logits_are_drawn_and_stay_finite(scale: float) -> None:
    sampler, query = make_sampler(1.0), tf.constant(QUERY * scale)
    draws = sampler.sample(query, 100, SEED)
    assert np.all(np.isfinite(draws.log_q))
    assert np.all(np.isfinite(sampler.log_prob(query, ALL)))
