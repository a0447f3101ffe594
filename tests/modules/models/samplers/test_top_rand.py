"""TopRand: hard negatives, uncorrected."""

import numpy as np
import pydantic
import pytest
import tensorflow as tf
from scipy.special import logsumexp

from modules.models.samplers.mixture import UniformMixture
from modules.models.samplers.top_rand import TopRandSampler
from tests.modules import tiny
from tests.modules.goodness import SIGNIFICANCE, chi_square

ITEMS, WIDTH, POOL = 20, 8, 6
SEED = tf.constant([11, 3], tf.int64)
ALL = tf.range(1, ITEMS + 1, dtype=tf.int64)[tf.newaxis]
RNG = np.random.default_rng(0)
CANDIDATES = RNG.normal(size=[ITEMS + 1, WIDTH]).astype(np.float32)
QUERY = tf.constant(RNG.normal(size=[3, WIDTH]), tf.float32)


def make_sampler(pool_size: int = POOL) -> TopRandSampler:
    sampler = TopRandSampler(tiny.make_corpus(ITEMS), WIDTH, TopRandSampler.Options(pool_size=pool_size), seed=1)
    sampler.refresh([tf.constant(CANDIDATES)])
    return sampler


def test_draws_are_the_top_items_evenly() -> None:
    ids = make_sampler().sample(QUERY, 10_000, SEED).ids.numpy()
    scores = QUERY.numpy() @ CANDIDATES[1:].T
    for row, top in zip(ids, 1 + np.argsort(-scores, axis=1)[:, :POOL], strict=True):
        expected = np.zeros(ITEMS + 1)
        expected[top] = 1 / POOL
        assert set(row) == set(top)
        assert chi_square(row, expected) > SIGNIFICANCE


def test_nothing_is_corrected_inside_the_pool_or_outside() -> None:
    sampler = make_sampler()
    np.testing.assert_array_equal(sampler.sample(QUERY, 7, SEED).log_q, np.zeros([3, 7]))
    np.testing.assert_array_equal(sampler.log_prob(QUERY, ALL), np.zeros([3, ITEMS]))


def test_a_share_of_uniform_draws_leaves_a_constant() -> None:
    log_q = UniformMixture(make_sampler(), ITEMS, 0.25).log_prob(QUERY, ALL)
    # log(3/4 * 1 + 1/4 * 1/20): the same of every item, so that it cancels in the losses.
    np.testing.assert_allclose(log_q, np.full([3, ITEMS], np.log(0.75 + 0.25 / ITEMS)), rtol=1e-5)
    assert np.ptp(log_q) == 0


@pytest.mark.parametrize("shared_draws", [0, 2])
def test_corrs_losses_are_plain_softmaxes(shared_draws: int) -> None:
    model = tiny.make_model(
        sampler={"name": "toprand", "pool_size": POOL},
        algorithm={"name": "corr", "shared_draws": shared_draws, "mask_accidental_hits": False},
    )
    tiny.randomise(model.retriever)
    model.sampler.refresh(model.retriever.candidate_parts())
    context, positives = tiny.make_context([1, 2, 3], [[], [], []]), tf.constant([4, 1, 9], tf.int64)
    proposals = model.propose(context, positives, SEED)
    np.testing.assert_array_equal(proposals.positive_log_q, np.zeros(3))
    scores = proposals.retriever_scores.numpy()
    if shared_draws:
        shared = proposals.ids.numpy()[:, 1 : 1 + shared_draws].ravel()
        table = model.retriever.all_candidates().numpy()
        scores = np.concatenate([scores[:, :1], proposals.query.numpy() @ table[shared].T], axis=1)
    found = model.batch_losses(context, positives, SEED).logged
    assert float(found["retriever_loss"]) == pytest.approx(np.mean(logsumexp(scores, axis=1) - scores[:, 0]), rel=1e-4)
    assert all(np.isfinite(value) for value in found.values())


def test_a_pool_holds_an_item() -> None:
    with pytest.raises(pydantic.ValidationError):
        TopRandSampler.Options(pool_size=0)
