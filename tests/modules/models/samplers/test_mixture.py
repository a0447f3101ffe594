"""A share of uniform draws under any proposal."""

import numpy as np
import pytest
import tensorflow as tf

from modules.models.samplers.midx import MIDXSampler
from modules.models.samplers.mixture import UniformMixture
from modules.models.samplers.popularity import PopularitySampler
from tests.modules import tiny
from tests.modules.goodness import SIGNIFICANCE, chi_square

ITEMS = 12
QUERY = tf.zeros([1, 8])
ALL = tf.range(1, ITEMS + 1, dtype=tf.int64)[tf.newaxis]


def make_mixture(share: float) -> UniformMixture:
    corpus = tiny.make_corpus(ITEMS)
    return UniformMixture(PopularitySampler(corpus, 8, PopularitySampler.Options(), seed=1), ITEMS, share)


@pytest.mark.parametrize("share", [0.0, 0.1, 0.9])
def test_probability_is_that_of_the_mixture(share: float) -> None:
    popularity = np.arange(ITEMS, 0, -1) / np.arange(ITEMS + 1).sum()
    expected = (1 - share) * popularity + share / ITEMS
    mixture = make_mixture(share)
    np.testing.assert_allclose(np.exp(mixture.log_prob(QUERY, ALL))[0], expected, rtol=1e-5)
    draws = mixture.sample(QUERY, 20_000, tf.constant([1, 2], tf.int64))
    assert chi_square(draws.ids.numpy()[0], np.append(0, expected)) > SIGNIFICANCE


def test_no_weight_exceeds_the_items_by_the_share() -> None:
    # At a temperature of 0.001 MIDX alone gives most items next to no probability.
    midx = MIDXSampler(tiny.make_corpus(ITEMS), 8, MIDXSampler.Options(codewords=4, temperature=0.001), seed=1)
    mixture = UniformMixture(midx, ITEMS, 0.25)
    mixture.refresh([tf.random.stateless_normal([ITEMS + 1, 8], [1, 2])])
    query = tf.random.stateless_normal([3, 8], [3, 4])
    largest = np.log(ITEMS / 0.25)
    assert np.max(-mixture.log_prob(query, ALL)) <= largest + 1e-3
    assert np.max(-midx.log_prob(query, ALL)) > 100 * largest


def test_refreshes_reach_the_proposal() -> None:
    midx = MIDXSampler(tiny.make_corpus(ITEMS), 8, MIDXSampler.Options(codewords=4, refresh_steps=7), seed=1)
    mixture = UniformMixture(midx, ITEMS, 0.25)
    assert mixture.refresh_steps == 7
    mixture.refresh_when_due(lambda: [tf.random.stateless_normal([ITEMS + 1, 8], [1, 2])], tf.constant(7, tf.int64))
    assert mixture.diagnostics()["codebook_residual"] > 0
    assert len(mixture.weights) == len(midx.weights)


@pytest.mark.parametrize("share", [-0.1, 1.0])
def test_share_must_leave_something_to_the_proposal(share: float) -> None:
    with pytest.raises(ValueError, match=rf"`uniform_share` must be in \[0, 1\). Received: uniform_share={share}"):
        make_mixture(share)
