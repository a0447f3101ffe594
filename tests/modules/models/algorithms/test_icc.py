"""ICC: the likelihood of the cascade, its limits, and its gradients into both stages."""

import math

import numpy as np
import pytest
import tensorflow as tf

from modules.models import losses
from modules.models.algorithms.icc import ICC, joint_log_weight, joint_logit
from tests.modules import tiny
from tests.modules.models.algorithms.batches import BATCH, CONTEXT, POSITIVES, SEED
from tests.modules.models.algorithms.steps import dense

LOSSES = ["sampled_softmax", "binary_cross_entropy"]
CALM_DEEPFM = {**tiny.DEEPFM, "dropout": 0.0}
HUGE = 1e4


def make_model(**options) -> ICC:
    model = tiny.make_model(
        ranker=CALM_DEEPFM,
        sampler={"name": "popularity"},
        num_negatives=12,
        algorithm={"name": "icc", **options},
    )
    model.rank(CONTEXT, POSITIVES[:, tf.newaxis])
    tiny.randomise(model.retriever)
    tiny.randomise(model.ranker, seed=4)
    return model


def sigmoid(value: float) -> float:
    return 1 / (1 + math.exp(-value))


def likelihood_by_hand(loss: str, model: ICC, threshold: float, softness: float) -> float:
    """The mean loss of the batch, item by item."""
    proposals = model.propose(CONTEXT, POSITIVES, SEED)
    assert not np.all(proposals.negatives)
    ranker_scores = model.rank(CONTEXT, proposals.ids).numpy()
    log_q = np.column_stack([proposals.positive_log_q, proposals.negative_log_q])
    values = []
    for b in range(3):
        passes = [sigmoid((m - threshold) / softness) for m in proposals.retriever_scores[b].numpy()]
        counted = [0, *(1 + np.flatnonzero(proposals.negatives[b]))]
        if loss == "sampled_softmax":
            weights = [passes[i] * math.exp(ranker_scores[b, i] - log_q[b, i]) for i in counted]
            values.append(-math.log(weights[0] / sum(weights)))
        else:
            p = [passes[i] * sigmoid(ranker_scores[b, i]) for i in counted]
            values.append(-math.log(p[0]) - np.mean([math.log(1 - negative) for negative in p[1:]]))
    return float(np.mean(values))


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize(("threshold", "softness"), [(0.0, 1.0), (0.4, 0.5)])
def test_the_loss_is_the_likelihood_of_the_cascade(loss: str, threshold: float, softness: float) -> None:
    model = make_model(loss=loss, threshold=threshold, softness=softness)
    found = model.batch_losses(*BATCH, SEED)
    expected = likelihood_by_hand(loss, model, threshold, softness)
    assert float(found.total) == pytest.approx(expected, rel=1e-4)
    assert float(found.logged["loss"]) == float(found.total)


def test_what_passes_the_first_stage_is_logged() -> None:
    model = make_model(threshold=0.3)
    scores = model.propose(CONTEXT, POSITIVES, SEED).retriever_scores.numpy()
    passed = 1 / (1 + np.exp(0.3 - scores))
    logged = model.batch_losses(*BATCH, SEED).logged
    assert float(logged["passed_positives"]) == pytest.approx(passed[:, 0].mean(), rel=1e-4)
    assert float(logged["passed_negatives"]) == pytest.approx(passed[:, 1:].mean(), rel=1e-4)


@pytest.mark.parametrize("loss", LOSSES)
def test_where_everything_passes_the_likelihood_is_the_rankers_own(loss: str) -> None:
    model = make_model(loss=loss, threshold=-HUGE)
    proposals = model.propose(CONTEXT, POSITIVES, SEED)
    scores = model.rank(CONTEXT, proposals.ids)
    log_q = proposals.positive_log_q, proposals.negative_log_q
    expected = {
        "sampled_softmax": losses.sampled_log_softmax(scores[:, 0], scores[:, 1:], *log_q, proposals.negatives),
        "binary_cross_entropy": losses.binary_cross_entropy(scores[:, 0], scores[:, 1:], proposals.negatives),
    }
    assert float(model.batch_losses(*BATCH, SEED).total) == pytest.approx(np.mean(expected[loss]), rel=1e-5)


def test_a_ranker_that_tells_nothing_apart_leaves_the_retrievers_likelihood() -> None:
    a = tf.constant([[-3.0, 0.0, 2.0]])
    log_pass = np.log(1 / (1 + np.exp(-a.numpy())))
    indifferent = joint_log_weight(a, tf.fill([1, 3], 5.0))
    np.testing.assert_allclose(tf.nn.log_softmax(indifferent), tf.nn.log_softmax(log_pass), rtol=1e-5)
    # To accept whatever it gets is the cross-entropy's indifference.
    np.testing.assert_allclose(joint_logit(a, tf.fill([1, 3], HUGE)), a)


def test_the_joint_logit_is_of_the_product_of_both_probabilities() -> None:
    # sigmoid(log 3) sigmoid(log 2) = 3/4 * 2/3 = 1/2, and sigmoid(0) sigmoid(0) = 1/4.
    found = joint_logit(tf.constant([math.log(3), 0.0]), tf.constant([math.log(2), 0.0]))
    np.testing.assert_allclose(found, [0.0, -math.log(3)], atol=1e-6)


def test_scores_far_out_stay_finite() -> None:
    a, r = tf.constant([HUGE, HUGE, -HUGE, -HUGE]), tf.constant([HUGE, -HUGE, HUGE, -HUGE])
    for score, expected in (
        (joint_logit, [HUGE - math.log(2), -HUGE, -HUGE, -2 * HUGE]),
        (joint_log_weight, [HUGE, -HUGE, 0.0, -2 * HUGE]),
    ):
        with tf.GradientTape() as tape:
            tape.watch([a, r])
            found = score(a, r)
        np.testing.assert_allclose(found, expected)
        assert all(np.all(np.isfinite(gradient)) for gradient in tape.gradient(found, [a, r]))


@pytest.mark.parametrize("loss", LOSSES)
def test_both_stages_learn_from_the_one_loss_by_its_formula(loss: str) -> None:
    model = make_model(loss=loss)
    with tf.GradientTape() as tape:
        total = model.batch_losses(*BATCH, SEED).total
    users = model.retriever.trainable_variables[0]
    found, *others = tape.gradient(total, [users, *model.trainable_variables])
    assert all(np.abs(dense(gradient)).max() > 0 for gradient in others)
    # A central difference along the first coordinate of the first context's user.
    user, start, step = int(CONTEXT.user[0]), users.numpy(), 1e-2
    values = []
    for side in (step, -step):
        moved = start.copy()
        moved[user, 0] += side
        users.assign(moved)
        values.append(likelihood_by_hand(loss, model, 0.0, 1.0))
    assert dense(found)[user, 0] == pytest.approx((values[0] - values[1]) / (2 * step), rel=1e-2, abs=1e-4)


def test_what_surely_passes_teaches_the_retriever_nothing() -> None:
    model = make_model(threshold=-HUGE)
    with tf.GradientTape() as tape:
        total = model.batch_losses(*BATCH, SEED).total
    for gradient in tape.gradient(total, model.retriever.trainable_variables):
        np.testing.assert_allclose(dense(gradient), 0, atol=1e-7)


@pytest.mark.parametrize("options", [{"softness": 0.0}, {"loss": "bpr"}])
def test_options_out_of_bounds_are_refused(options: dict) -> None:
    with pytest.raises(ValueError, match="algorithm"):
        make_model(**options)
