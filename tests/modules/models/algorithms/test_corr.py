"""CoRR: its three losses, and where each of their gradients goes."""

import math

import numpy as np
import pytest
import tensorflow as tf

from modules.models import losses
from modules.models.algorithms.base import Proposals
from modules.models.algorithms.corr import CoRR
from modules.models.context import Context
from tests.modules import tiny
from tests.modules.models.algorithms.batches import BATCH, CONTEXT, POSITIVES, SEED
from tests.modules.models.algorithms.steps import SEQUENTIAL, dense

CALM_DEEPFM = {**tiny.DEEPFM, "dropout": 0.0}


def make_model(stages: dict | None = None, num_negatives: int = 12, **options) -> CoRR:
    """Returns a model of random weights with a fresh index."""
    changes = {"sampler": tiny.MIDX, **(stages or {})}
    model = tiny.make_model(num_negatives=num_negatives, algorithm={"name": "corr", **options}, **changes)
    model.rank(CONTEXT, POSITIVES[:, tf.newaxis])
    tiny.randomise(model.retriever)
    tiny.randomise(model.ranker, seed=4)
    model.sampler.refresh(model.retriever.candidate_parts())
    return model


@pytest.mark.parametrize("kl_weight", [0.0, 0.5, 2.0])
def test_the_total_is_the_sum_of_both_losses_and_the_weighted_distillation(kl_weight: float) -> None:
    logged = make_model(kl_weight=kl_weight).batch_losses(*BATCH, SEED).logged
    expected = float(logged["ranker_loss"]) + float(logged["retriever_loss"]) + kl_weight * float(logged["kl"])
    assert float(logged["loss"]) == pytest.approx(expected, rel=1e-5)
    assert float(logged["kl"]) > 0


@pytest.mark.parametrize("mask_accidental_hits", [True, False])
def test_all_losses_are_of_one_sample(mask_accidental_hits: bool) -> None:
    model = make_model({"ranker": CALM_DEEPFM}, shared_draws=0, mask_accidental_hits=mask_accidental_hits)
    proposals = model.propose(CONTEXT, POSITIVES, SEED)
    assert not np.all(proposals.negatives)
    mask = proposals.negatives if mask_accidental_hits else None
    log_q = proposals.positive_log_q, proposals.negative_log_q
    teacher, student = model.rank(CONTEXT, proposals.ids), proposals.retriever_scores
    expected = {
        "ranker_loss": losses.sampled_log_softmax(teacher[:, 0], teacher[:, 1:], *log_q, mask),
        "retriever_loss": losses.sampled_log_softmax(student[:, 0], student[:, 1:], *log_q, mask),
        "kl": losses.sampled_kl(teacher[:, 1:], student[:, 1:], proposals.negative_log_q, mask),
        "accidental_hits": 1 - np.mean(proposals.negatives, axis=1),
    }
    found = model.batch_losses(*BATCH, SEED).logged
    for name, values in expected.items():
        assert float(found[name]) == pytest.approx(np.mean(values), rel=1e-4), name


def test_the_ranker_learns_from_its_own_loss_alone() -> None:
    model = make_model()
    with tf.GradientTape(persistent=True) as tape:
        found = model.batch_losses(*BATCH, SEED)
        retriever_loss, kl = found.logged["retriever_loss"], found.logged["kl"]
    weights = model.ranker.trainable_variables
    for loss in (retriever_loss, kl):
        assert tape.gradient(loss, weights) == [None] * len(weights)
    for whole, own in zip(
        tape.gradient(found.total, weights), tape.gradient(found.logged["ranker_loss"], weights), strict=True
    ):
        np.testing.assert_allclose(dense(whole), dense(own), rtol=1e-4, atol=1e-7)
        assert np.abs(dense(own)).max() > 0


def test_the_retriever_learns_from_its_own_loss_and_the_teacher() -> None:
    model = make_model(kl_weight=0.7)
    with tf.GradientTape(persistent=True) as tape:
        found = model.batch_losses(*BATCH, SEED)
    weights = model.retriever.trainable_variables
    assert tape.gradient(found.logged["ranker_loss"], weights) == [None] * len(weights)
    parts = (tape.gradient(found.logged[name], weights) for name in ("retriever_loss", "kl"))
    for whole, own, taught in zip(tape.gradient(found.total, weights), *parts, strict=True):
        np.testing.assert_allclose(dense(whole), dense(own) + 0.7 * dense(taught), rtol=1e-4, atol=1e-6)
        assert np.abs(dense(taught)).max() > 1e-4


@pytest.mark.parametrize("mask_accidental_hits", [True, False])
def test_drawn_from_the_retriever_itself_the_entropy_form_has_the_value_of_the_kl(mask_accidental_hits: bool) -> None:
    found = {}
    for distillation in ("kl", "entropy"):
        options = {"distillation": distillation, "mask_accidental_hits": mask_accidental_hits}
        model = make_model({"sampler": {"name": "exact"}, "ranker": CALM_DEEPFM}, **options)
        with tf.GradientTape() as tape:
            losses_found = model.batch_losses(*BATCH, SEED)
            kl = losses_found.logged["kl"]
        weights = [*model.retriever.trainable_variables, *model.ranker.trainable_variables]
        found[distillation] = float(kl), float(losses_found.total), tape.gradient(kl, weights)
    assert found["entropy"][:2] == pytest.approx(found["kl"][:2], rel=1e-4)
    assert found["kl"][0] > 0.01
    # The ranker teaches in both; users are moved in directions that agree.
    for _, _, (_, _, *to_ranker) in found.values():
        assert to_ranker == [None] * len(to_ranker)
    users = [dense(found[distillation][2][0]).ravel() for distillation in ("kl", "entropy")]
    assert users[0] @ users[1] > 0


@pytest.mark.parametrize(
    "changes",
    [
        {"sampler": tiny.MIDX},
        {"sampler": {"name": "exact", "temperature": 0.5}},
        {"sampler": {"name": "exact", "refresh_steps": 2}},
        {"sampler": {"name": "exact"}, "uniform_share": 0.1},
    ],
)
def test_the_entropy_form_is_refused_where_draws_are_not_from_the_retriever_itself(changes: dict) -> None:
    with pytest.raises(ValueError, match=r"`model.sampler` must be .*'exact'.* Received: "):
        make_model(changes, distillation="entropy")


def test_without_distillation_the_retriever_does_not_hear_of_the_ranker() -> None:
    for kl_weight, hears in ((0.0, False), (1.0, True)):
        model = make_model(kl_weight=kl_weight)
        found = []
        for seed in (1, 2):
            tiny.randomise(model.ranker, seed=seed)
            with tf.GradientTape() as tape:
                total = model.batch_losses(*BATCH, SEED).total
            found.append(dense(tape.gradient(total, model.retriever.trainable_variables[0])))
        assert (np.abs(found[0] - found[1]).max() > 1e-4) == hears


@pytest.mark.parametrize("sampler", [{"name": "exact"}, tiny.MIDX])
def test_the_retrievers_gradient_is_that_of_a_constant_proposal(sampler: dict) -> None:
    """By hand: dM = softmax of the corrected logits less the positive; dz = sum dM v, dv = sum dM z."""
    stages = {"sampler": sampler, "ranker": {"name": "none"}}
    model = make_model(stages, shared_draws=0, kl_weight=0.0, mask_accidental_hits=False)
    proposals = model.propose(CONTEXT, POSITIVES, SEED)
    logits = proposals.retriever_scores - tf.concat(
        [proposals.positive_log_q[:, tf.newaxis], proposals.negative_log_q], axis=1
    )
    to_scores = tf.nn.softmax(logits).numpy() / 3
    to_scores[:, 0] -= 1 / 3
    users, items = (weight.numpy() for weight in model.retriever.trainable_variables)
    to_users, to_items = np.zeros_like(users), np.zeros_like(items)
    for b, user in enumerate(CONTEXT.user.numpy()):
        for item, slope in zip(proposals.ids.numpy()[b], to_scores[b], strict=True):
            to_users[user] += slope * items[item]
            to_items[item] += slope * users[user]
    with tf.GradientTape() as tape:
        total = model.batch_losses(*BATCH, SEED).total
    found = tape.gradient(total, model.retriever.trainable_variables)
    np.testing.assert_allclose(dense(found[0]), to_users, rtol=1e-3, atol=1e-6)
    np.testing.assert_allclose(dense(found[1]), to_items, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("known", [[[], [], []], [[1, 3, 5, 7], [0, 2, 4, 8], [0, 0, 0, 20]]])
@pytest.mark.parametrize(("shared", "mask"), [(1, True), (3, True), (50, True), (3, False)])
def test_shared_draws_serve_every_context_under_the_mean_of_the_proposals(
    shared: int, mask: bool, known: list[list[int]]
) -> None:
    context = CONTEXT._replace(exclude=tf.constant(known, tf.int64))
    model = make_model(shared_draws=shared, mask_shared_draws=mask)
    proposals = model.propose(CONTEXT, POSITIVES, SEED)
    pool = proposals.ids.numpy()[:, 1 : 1 + shared].ravel()
    query, items = model.retriever.query(CONTEXT).numpy(), model.retriever.all_candidates().numpy()
    q = np.exp(model.sampler.log_prob(query, tf.range(1, 21, dtype=tf.int64)[tf.newaxis])).mean(axis=0)
    expected = []
    for z, positive, excluded in zip(query, POSITIVES.numpy(), known, strict=True):
        own = math.exp(z @ items[positive]) / q[positive - 1]
        others = sum(
            math.exp(z @ items[i]) / q[i - 1] for i in pool if i not in {positive, *(excluded if mask else ())}
        )
        expected.append(-math.log(own / (own + others)))
    found = model.batch_losses(context, POSITIVES, SEED).logged["retriever_loss"]
    assert float(found) == pytest.approx(np.mean(expected), rel=1e-4)


def plain_shared_loss(model: CoRR, context: Context, proposals: Proposals) -> tf.Tensor:
    """The retriever's loss with a column for each shared draw, however often its item was drawn."""
    query, positives = proposals.query, proposals.ids[:, 0]
    draws = tf.reshape(proposals.ids[:, 1 : 1 + model.options.shared_draws], [-1])
    log_q = model.sampler.log_prob(query, tf.concat([positives, draws], axis=0)[tf.newaxis])
    log_q = tf.reduce_logsumexp(log_q, axis=0) - math.log(len(positives))
    scores = tf.matmul(query, model.retriever.candidates(draws), transpose_b=True)
    excluded = context.excludes(tf.broadcast_to(draws, scores.shape))
    return losses.sampled_log_softmax(
        proposals.retriever_scores[:, 0],
        scores,
        log_q[: len(positives)],
        tf.broadcast_to(log_q[len(positives) :], scores.shape),
        tf.not_equal(draws, positives[:, tf.newaxis]) & ~excluded,
    )


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"sampler": {**tiny.MIDX, "within_cell": "popularity"}},
        {"sampler": {"name": "popularity"}},
        {"sampler": {"name": "top_and_rand", "corrected": False}},
        {"uniform_share": 0.3},
        {"retriever": {"name": "dssm", "hidden_units": [8], "dropout": 0.0}},
    ],
    ids=str,
)
def test_an_item_drawn_often_weighs_as_its_draws_do(changes: dict) -> None:
    context = CONTEXT._replace(exclude=tf.constant([[1, 3, 5, 7], [0, 2, 4, 8], [0, 0, 0, 20]], tf.int64))
    model = make_model(changes, kl_weight=0.0)
    with tf.GradientTape(persistent=True) as tape:
        expected = tf.reduce_mean(plain_shared_loss(model, context, model.propose(context, POSITIVES, SEED)))
        found = model.batch_losses(context, POSITIVES, SEED).logged["retriever_loss"]
    assert float(found) == pytest.approx(float(expected), rel=1e-5)
    weights = model.retriever.trainable_variables
    for plain, own in zip(tape.gradient(expected, weights), tape.gradient(found, weights), strict=True):
        np.testing.assert_allclose(dense(own), dense(plain), rtol=1e-5, atol=1e-6)


def test_effective_sample_size_is_between_one_and_all_draws() -> None:
    options = {"residual": False, "mask_accidental_hits": False}
    even = make_model({"sampler": tiny.UNIFORM, "ranker": {"name": "none"}}, **options)
    # A ranker that tells nothing apart weighs all uniform draws alike.
    assert float(even.batch_losses(*BATCH, SEED).logged["effective_sample_size"]) == pytest.approx(12, rel=1e-4)
    found = float(make_model().batch_losses(*BATCH, SEED).logged["effective_sample_size"])
    assert 1 <= found < 12


def test_sequential_stages_get_finite_gradients_everywhere() -> None:
    model = make_model(SEQUENTIAL)
    with tf.GradientTape() as tape:
        total = model.batch_losses(*BATCH, SEED).total
    for weight, gradient in zip(
        model.trainable_variables, tape.gradient(total, model.trainable_variables), strict=True
    ):
        assert gradient is not None, weight.name
        assert np.all(np.isfinite(dense(gradient))), weight.name
