"""RankFlow: which phase an epoch is, what each phase's stages see, and where its gradients go."""

import math

import numpy as np
import pytest
import tensorflow as tf

from modules.models import losses
from modules.models.algorithms.rankflow import (
    SELF_LEARNING,
    TUTOR_LEARNING,
    WARM_UP,
    RankFlow,
    draw_from_lists,
    tutor_mse,
    tutor_ranking,
)
from modules.models.context import Context
from tests.modules import tiny
from tests.modules.goodness import SIGNIFICANCE, chi_square
from tests.modules.models.algorithms.batches import CONTEXT, POSITIVES, SEED
from tests.modules.models.algorithms.steps import dense

TOP_K, NUM_ITEMS = 7, 20
# Ascending, as in training: padding, items known already, and for two of the contexts the positive.
EXCLUDE = [[0, 2, 4, 6], [1, 5, 8, 20], [0, 0, 3, 7]]
KNOWN = CONTEXT._replace(exclude=tf.constant(EXCLUDE, tf.int64))
BATCH = (KNOWN, POSITIVES)
CALM_DEEPFM = {**tiny.DEEPFM, "dropout": 0.0}


def make_model(phase: int = WARM_UP, **options) -> RankFlow:
    """Returns a model of random weights in the first epoch of a phase."""
    model = tiny.make_model(
        ranker=CALM_DEEPFM,
        num_negatives=12,
        algorithm={"name": "rankflow", "warmup_epochs": 2, "top_k": TOP_K, "tutor_top": 3, **options},
    )
    model.rank(CONTEXT, POSITIVES[:, tf.newaxis])
    tiny.randomise(model.retriever)
    tiny.randomise(model.ranker, seed=4)
    model.epoch.assign({WARM_UP: 0, SELF_LEARNING: 2, TUTOR_LEARNING: 3}[phase])
    return model


def lists_by_hand(model: RankFlow) -> list[list[int]]:
    """The retriever's best items of each context that are the positive or not excluded."""
    scores = model.retriever.query(KNOWN).numpy() @ model.retriever.all_candidates().numpy().T
    found = []
    for row, excluded, positive in zip(scores, EXCLUDE, POSITIVES.numpy(), strict=True):
        allowed = [item for item in range(1, NUM_ITEMS + 1) if item == positive or item not in excluded]
        found.append(sorted(allowed, key=lambda item: -row[item])[:TOP_K])
    return found


class Listener:
    """Notes the candidates the ranker is asked to score."""

    def __init__(self, model: RankFlow, monkeypatch: pytest.MonkeyPatch) -> None:
        self.ids = np.zeros([0, 0])
        score = model.ranker_scores

        def listen(context: Context, ids: tf.Tensor, *args, **kwargs) -> tf.Tensor:
            self.ids = ids.numpy()
            return score(context, ids, *args, **kwargs)

        monkeypatch.setattr(model, "ranker_scores", listen)


def gradients(model: RankFlow) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Returns the gradients of the total in the retriever's and in the ranker's weights; all must exist."""
    with tf.GradientTape() as tape:
        total = model.batch_losses(*BATCH, SEED).total
    stages = [model.retriever.trainable_variables, model.ranker.trainable_variables]
    found = tape.gradient(total, stages)
    assert all(gradient is not None for stage in found for gradient in stage)
    return tuple([dense(gradient) for gradient in stage] for stage in found)


# The schedule.


@pytest.mark.parametrize(
    ("warmup_epochs", "expected"),
    [
        (0, [SELF_LEARNING, TUTOR_LEARNING, SELF_LEARNING, TUTOR_LEARNING]),
        (3, [WARM_UP, WARM_UP, WARM_UP, SELF_LEARNING, TUTOR_LEARNING, SELF_LEARNING]),
    ],
)
def test_after_the_warm_up_the_two_kinds_of_learning_alternate(warmup_epochs: int, expected: list[int]) -> None:
    model = make_model(warmup_epochs=warmup_epochs)
    phases = []
    for epoch in range(len(expected)):
        model.epoch.assign(epoch)
        phases.append(int(model.phase()))
    assert phases == expected


def test_one_traced_step_serves_all_phases() -> None:
    model = make_model()
    step = tf.function(model.train_step)
    for phase, epoch in ((WARM_UP, 1), (SELF_LEARNING, 2), (TUTOR_LEARNING, 3), (SELF_LEARNING, 4)):
        model.epoch.assign(epoch)
        model.reset_metrics()
        logged = step(BATCH)
        assert float(logged["phase"]) == phase
        assert all(np.isfinite(value) for value in logged.values())
        assert (float(logged["ranker_gradient_norm"]) == 0) == (phase == TUTOR_LEARNING)
        assert float(logged["retriever_gradient_norm"]) > 0
        if phase == WARM_UP:
            # The first call traces once more, for what it builds.
            traced = step.experimental_get_tracing_count()
    assert step.experimental_get_tracing_count() == traced


# What the ranker sees.


def test_in_the_warm_up_the_ranker_sees_the_samplers_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    model = make_model(WARM_UP)
    seen = Listener(model, monkeypatch)
    model.batch_losses(*BATCH, SEED)
    np.testing.assert_array_equal(seen.ids, model.propose(*BATCH, SEED).ids)


def test_in_self_learning_the_ranker_sees_draws_from_the_retrievers_list(monkeypatch: pytest.MonkeyPatch) -> None:
    model = make_model(SELF_LEARNING)
    seen = Listener(model, monkeypatch)
    model.batch_losses(*BATCH, SEED)
    assert seen.ids.shape == (3, 1 + 12)
    np.testing.assert_array_equal(seen.ids[:, 0], POSITIVES)
    for drawn, listed in zip(seen.ids[:, 1:], lists_by_hand(model), strict=True):
        assert set(drawn) <= set(listed)
        assert len(set(drawn)) > 1


def test_in_tutor_learning_the_ranker_sees_the_whole_list(monkeypatch: pytest.MonkeyPatch) -> None:
    model = make_model(TUTOR_LEARNING)
    seen = Listener(model, monkeypatch)
    model.batch_losses(*BATCH, SEED)
    np.testing.assert_array_equal(seen.ids, np.column_stack([POSITIVES, lists_by_hand(model)]))


def test_draws_from_lists_are_uniform_over_what_the_list_holds() -> None:
    draws = draw_from_lists(tf.constant([[9, 4, 7, 0], [5, 0, 0, 0], [0, 0, 0, 0]], tf.int64), 6000, SEED).numpy()
    even = np.zeros(10)
    even[[9, 4, 7]] = 1 / 3
    assert chi_square(draws[0], even) > SIGNIFICANCE
    assert set(draws[0]) == {9, 4, 7}
    assert set(draws[1]) == {5}
    assert set(draws[2]) == {0}


@pytest.mark.parametrize("phase", [SELF_LEARNING, TUTOR_LEARNING])
def test_lists_of_nothing_teach_nothing(phase: int) -> None:
    model = make_model(phase)
    everything = KNOWN._replace(exclude=tf.tile(tf.range(1, NUM_ITEMS + 1, dtype=tf.int64)[tf.newaxis], [3, 1]))
    found = model.batch_losses(everything, POSITIVES, SEED)
    # The list is the positive alone: no negative, no rest.
    assert float(found.logged["ranker_loss"]) == 0
    assert phase == SELF_LEARNING or float(found.logged["tutor_ranking"]) == 0
    assert np.isfinite(found.total)


# The losses.


@pytest.mark.parametrize("loss", ["sampled_softmax", "binary_cross_entropy"])
@pytest.mark.parametrize("phase", [WARM_UP, SELF_LEARNING])
def test_each_stage_learns_by_its_own_loss(loss: str, phase: int, monkeypatch: pytest.MonkeyPatch) -> None:
    model = make_model(phase, loss=loss)
    seen = Listener(model, monkeypatch)
    found = model.batch_losses(*BATCH, SEED)
    proposals = model.propose(*BATCH, SEED)
    ranker_scores = model.rank(KNOWN, tf.constant(seen.ids))
    counted = tf.constant(seen.ids[:, 1:] != POSITIVES.numpy()[:, np.newaxis])
    if phase == WARM_UP:
        counted &= proposals.negatives
    own = (proposals.retriever_scores, proposals.negatives), (ranker_scores, counted)
    if loss == "sampled_softmax":
        # Draws are uniform, from the corpus or from the list: the corrections vanish.
        zero, zeros = tf.zeros([3]), tf.zeros([3, 12])
        expected = [losses.sampled_log_softmax(s[:, 0], s[:, 1:], zero, zeros, mask) for s, mask in own]
    else:
        expected = [losses.binary_cross_entropy(s[:, 0], s[:, 1:], mask) for s, mask in own]
    retriever_loss, ranker_loss = map(np.mean, expected)
    assert float(found.logged["retriever_loss"]) == pytest.approx(retriever_loss, rel=1e-4)
    assert float(found.logged["ranker_loss"]) == pytest.approx(ranker_loss, rel=1e-4)
    assert float(found.total) == pytest.approx(retriever_loss + ranker_loss, rel=1e-4)


@pytest.mark.parametrize("loss", ["sampled_softmax", "binary_cross_entropy"])
def test_the_tutors_losses_are_their_formulas(loss: str) -> None:
    model = make_model(TUTOR_LEARNING, loss=loss, mse_weight=0.3, ranking_weight=2.0)
    lists = lists_by_hand(model)
    teacher = model.rank(KNOWN, tf.constant(lists, tf.int64)).numpy()
    scores = model.retriever.query(KNOWN).numpy() @ model.retriever.all_candidates().numpy().T
    student = np.take_along_axis(scores, np.array(lists), axis=1)
    mse, ranking = [], []
    for t, s in zip(teacher, student, strict=True):
        centre = loss == "sampled_softmax"
        p_t = 1 / (1 + np.exp(-(t - centre * t.mean())))
        p_s = 1 / (1 + np.exp(-(s - centre * s.mean())))
        mse.append(np.mean((p_t - p_s) ** 2))
        order = np.argsort(-t)
        ranking.append(math.log1p(math.exp(-(p_s[order[:3]].mean() - p_s[order[3:]].mean()))))
    found = model.batch_losses(*BATCH, SEED)
    assert float(found.logged["tutor_mse"]) == pytest.approx(np.mean(mse), rel=1e-3)
    assert float(found.logged["tutor_ranking"]) == pytest.approx(np.mean(ranking), rel=1e-4)
    assert float(found.total) == pytest.approx(0.3 * np.mean(mse) + 2 * np.mean(ranking), rel=1e-3)


def test_places_without_an_item_do_not_count() -> None:
    mask = tf.constant([[True, True, True, False], [True, True, False, False], [False] * 4])
    teacher = tf.constant([[0.9, 0.1, 0.5, 1.0], [0.3, 0.2, 1.0, 1.0], [1.0] * 4])
    student = tf.constant([[0.5, 0.4, 0.2, 0.9], [0.3, 0.6, 0.1, 0.1], [0.5] * 4])
    np.testing.assert_allclose(
        tutor_mse(teacher, student, mask), [(0.4**2 + 0.3**2 + 0.3**2) / 3, 0.4**2 / 2, 0.0], rtol=1e-5
    )
    # The teacher's best two of the first list are its items 0 and 2; the second list has no rest.
    expected = [math.log1p(math.exp(-(0.35 - 0.4))), 0.0, 0.0]
    np.testing.assert_allclose(tutor_ranking(teacher, student, mask, 2), expected, rtol=1e-5)


def test_of_equal_scores_no_more_than_the_top_are_the_best() -> None:
    student = tf.constant([[0.8, 0.2, 0.2, 0.2]])
    found = tutor_ranking(tf.fill([1, 4], 0.5), student, tf.fill([1, 4], True), 1)
    np.testing.assert_allclose(found, [math.log1p(math.exp(-0.6))], rtol=1e-5)


# Gradients.


@pytest.mark.parametrize("phase", [WARM_UP, SELF_LEARNING])
@pytest.mark.parametrize("residual", [True, False])
def test_while_stages_learn_by_themselves_the_retriever_does_not_hear_of_the_ranker(phase: int, residual: bool) -> None:
    model = make_model(phase, residual=residual)
    first, ranker = gradients(model)
    assert any(np.abs(gradient).max() > 1e-4 for gradient in ranker)
    tiny.randomise(model.ranker, seed=9)
    second, _ = gradients(model)
    for ours, theirs in zip(first, second, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-7)
        assert np.abs(ours).max() > 1e-4


@pytest.mark.parametrize("residual", [True, False])
def test_the_tutor_teaches_and_does_not_learn(residual: bool) -> None:
    model = make_model(TUTOR_LEARNING, residual=residual)
    first, ranker = gradients(model)
    for gradient in ranker:
        np.testing.assert_array_equal(gradient, np.zeros_like(gradient))
    tiny.randomise(model.ranker, seed=9)
    second, _ = gradients(model)
    assert any(np.abs(ours - theirs).max() > 1e-4 for ours, theirs in zip(first, second, strict=True))


def test_the_best_of_a_list_must_leave_a_rest() -> None:
    with pytest.raises(ValueError, match=r"`tutor_top` must be less than `top_k` \(7\). Received: 7"):
        make_model(tutor_top=7)
