"""The sampled losses and their gradients approach the full ones as draws are added, whatever proposal drew them.

Each case draws for `RUNS` copies of one context at once, which are as many independent samples. With the positive k
counted once beside L draws, the sampled log-softmax tends to the full loss plus log(L q_k), which no parameter moves.
"""

import functools
from typing import NamedTuple

import numpy as np
import pytest
import tensorflow as tf

from modules.models import losses
from modules.models.algorithms.corr import CoRR
from modules.models.build import build_model
from modules.models.samplers import SAMPLERS
from modules.models.samplers.base import Sampler
from modules.models.samplers.mixture import UniformMixture
from tests.modules import tiny

ITEMS, WIDTH, RUNS = 12, 4, 24
DRAWS = (16, 256, 4096)
TOLERANCE = 0.05
"""Of the mean error at 4,096 draws; by 1 / sqrt(L) it is 16 times as large at 16."""
PROPOSALS = ["uniform", "popularity", "midx", "exact", "mixture", "top_and_rand"]


class Setting(NamedTuple):
    """`RUNS` copies of one context: queries, all items' scores under both stages, positives; and a proposal."""

    query: tf.Tensor
    student: tf.Tensor
    teacher: tf.Tensor
    positives: tf.Tensor
    sampler: Sampler


class Estimate(NamedTuple):
    """One estimate a run: `[RUNS]`, and its gradient in the student's score of each item, `[RUNS, N + 1]`."""

    value: tf.Tensor
    gradient: tf.Tensor


@functools.cache
def make_setting(proposal: str) -> Setting:
    rng = np.random.default_rng(4)
    candidates = tf.constant(rng.normal(size=[ITEMS + 1, WIDTH]), tf.float32)
    query = tf.tile(tf.constant(rng.normal(size=[1, WIDTH]), tf.float32), [RUNS, 1])
    name = "midx" if proposal == "mixture" else proposal
    options = {"codewords": 2} if name == "midx" else {}
    sampler = SAMPLERS[name](tiny.make_corpus(ITEMS), WIDTH, SAMPLERS.options(name, options), seed=1)
    if proposal == "mixture":
        sampler = UniformMixture(sampler, ITEMS, 0.3)
    sampler.refresh([candidates])
    student = tf.matmul(query, candidates, transpose_b=True)
    teacher = student + tf.constant(rng.normal(size=[1, ITEMS + 1]), tf.float32)
    return Setting(query, student, teacher, tf.fill([RUNS], tf.constant(5, tf.int64)), sampler)


def sampled_loss(setting: Setting, number: int, corrected: bool = True, masked: bool = False) -> Estimate:
    """Estimates the log-softmax loss from `number` draws, less the constant log(L q_k)."""
    draws = setting.sampler.sample(setting.query, number, tf.constant([number, 1], tf.int64))
    log_q = setting.sampler.log_prob(setting.query, setting.positives[:, tf.newaxis])[:, 0]
    weight = 1.0 if corrected else 0.0
    mask = draws.ids != setting.positives[:, tf.newaxis] if masked else None
    with tf.GradientTape() as tape:
        tape.watch(setting.student)
        positive = tf.gather(setting.student, setting.positives, batch_dims=1)
        negative = tf.gather(setting.student, draws.ids, batch_dims=1)
        loss = losses.sampled_log_softmax(positive, negative, weight * log_q, weight * draws.log_q, mask)
        total = tf.reduce_sum(loss)
    gradient = tape.gradient(total, setting.student)
    return Estimate(loss - weight * log_q - np.log(number), tf.convert_to_tensor(gradient))


def sampled_kl(setting: Setting, number: int) -> Estimate:
    """Estimates KL(softmax(R) || softmax(M)) from `number` draws."""
    draws = setting.sampler.sample(setting.query, number, tf.constant([number, 1], tf.int64))
    with tf.GradientTape() as tape:
        tape.watch(setting.student)
        teacher, student = (tf.gather(s, draws.ids, batch_dims=1) for s in (setting.teacher, setting.student))
        kl = losses.sampled_kl(teacher, student, draws.log_q)
        total = tf.reduce_sum(kl)
    return Estimate(kl, tf.convert_to_tensor(tape.gradient(total, setting.student)))


def probabilities(scores: tf.Tensor) -> np.ndarray:
    """Returns float `[B, N + 1]`, the softmax over the items; 0 for padding."""
    return np.pad(tf.nn.softmax(scores[:, 1:]).numpy(), [[0, 0], [1, 0]])


def mean_error(found: tf.Tensor, expected: np.ndarray) -> float:
    """Mean over the runs of the distance to what is estimated, summed over the items where it is a gradient."""
    return float(np.abs(np.asarray(found) - np.asarray(expected)).reshape(RUNS, -1).sum(axis=1).mean())


def assert_vanish(errors: list[float]) -> None:
    assert errors[0] > errors[1] > errors[2]
    assert errors[2] < TOLERANCE


@pytest.mark.parametrize("proposal", PROPOSALS)
def test_sampled_log_softmax_and_its_gradient_approach_the_full_ones(proposal: str) -> None:
    setting = make_setting(proposal)
    full = losses.full_log_softmax(setting.student, setting.positives)
    full_gradient = probabilities(setting.student) - np.eye(ITEMS + 1)[setting.positives]
    estimates = [sampled_loss(setting, number) for number in DRAWS]
    assert_vanish([mean_error(estimate.value, full) for estimate in estimates])
    assert_vanish([mean_error(estimate.gradient, full_gradient) for estimate in estimates])


@pytest.mark.parametrize("proposal", PROPOSALS)
def test_sampled_kl_and_its_gradient_approach_the_full_ones(proposal: str) -> None:
    setting = make_setting(proposal)
    teacher, student = probabilities(setting.teacher), probabilities(setting.student)
    full = np.sum(teacher[:, 1:] * np.log(teacher[:, 1:] / student[:, 1:]), axis=1)
    estimates = [sampled_kl(setting, number) for number in DRAWS]
    assert_vanish([mean_error(estimate.value, full) for estimate in estimates])
    assert_vanish([mean_error(estimate.gradient, student - teacher) for estimate in estimates])


def test_uncorrected_draws_keep_their_error() -> None:
    setting = make_setting("popularity")
    full_gradient = probabilities(setting.student) - np.eye(ITEMS + 1)[setting.positives]
    estimate = sampled_loss(setting, DRAWS[-1], corrected=False)
    assert mean_error(estimate.gradient, full_gradient) > 3 * TOLERANCE


def test_with_hits_masked_the_loss_approaches_the_logit() -> None:
    """Without the draws of k the denominator lacks its mass: - log(p_k / (1 - p_k)), whose gradient is the full one's
    times 1 / (1 - p_k)."""
    setting = make_setting("midx")
    p = probabilities(setting.student)
    of_positive = p[0, int(setting.positives[0])]
    full_gradient = p - np.eye(ITEMS + 1)[setting.positives]
    estimate = sampled_loss(setting, DRAWS[-1], masked=True)
    assert mean_error(estimate.value, np.repeat(-np.log(of_positive / (1 - of_positive)), RUNS)) < TOLERANCE
    assert mean_error(estimate.gradient, full_gradient / (1 - of_positive)) < TOLERANCE


@pytest.mark.parametrize("proposal", ["uniform", "popularity", "midx"])
def test_draws_shared_by_the_contexts_approach_the_full_loss_under_their_mixture(proposal: str) -> None:
    """The pool of B contexts' draws has q = mean over b of Q(.|c_b), and serves each of them."""
    model = make_model(proposal)
    context = tiny.make_context([1, 2, 3, 4], [[]] * 4)
    positives = tf.constant([2, 7, 7, 12], tf.int64)
    weights = model.retriever.trainable_variables
    with tf.GradientTape() as tape:
        query = model.retriever.query(context)
        scores = tf.matmul(query, model.retriever.all_candidates(), transpose_b=True)
        full = tf.reduce_mean(losses.full_log_softmax(scores, positives))
    full_gradients = tape.gradient(full, weights)
    mixture = tf.reduce_mean(tf.exp(model.sampler.log_prob(query, positives[tf.newaxis])), axis=0)
    mean_log_q = float(tf.reduce_mean(tf.math.log(mixture)))

    of_loss, of_gradient = [], []
    for number in DRAWS:
        sharing = share_all_draws(model, number)
        for run in range(4):
            with tf.GradientTape() as tape:
                found = sharing.batch_losses(context, positives, tf.constant([run, number], tf.int64))
            gradients = tape.gradient(found.total, weights)
            loss = float(found.logged["retriever_loss"]) - mean_log_q - np.log(4 * number)
            of_loss.append(abs(loss - float(full)))
            of_gradient.append(
                sum(
                    float(tf.reduce_sum(tf.abs(tf.convert_to_tensor(g) - tf.convert_to_tensor(e))))
                    for g, e in zip(gradients, full_gradients, strict=True)
                )
            )
    assert_vanish(np.reshape(of_loss, [len(DRAWS), -1]).mean(axis=1).tolist())
    # Summed over all weights of four users and all items, four times as many numbers as above.
    assert_vanish((np.reshape(of_gradient, [len(DRAWS), -1]).mean(axis=1) / 4).tolist())


def make_model(proposal: str) -> CoRR:
    sampler = {"name": "midx", "codewords": 2} if proposal == "midx" else {"name": proposal}
    config = tiny.make_config(sampler=sampler, ranker={"name": "none"})
    model = build_model(config, tiny.make_corpus(ITEMS), seed=1)
    tiny.randomise(model.retriever)
    model.sampler.refresh(model.retriever.candidate_parts())
    return model


def share_all_draws(model: CoRR, number: int) -> CoRR:
    """Returns the same stages with `number` draws a context, hits counted, and no distillation.

    A configuration may not ask for more draws than there are items.
    """
    config = model.config.model_copy(update={"num_negatives": number})
    options = CoRR.Options(shared_draws=number, mask_accidental_hits=False, kl_weight=0.0)
    sharing = CoRR(model.retriever, model.ranker, model.sampler, config, options, seed=1)
    sharing.compile(tf.keras.optimizers.Adam(), tf.keras.optimizers.Adam())
    return sharing
