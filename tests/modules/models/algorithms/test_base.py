"""What all algorithms share: the draws, the residual, two optimisers, and answers."""

from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from modules.models.algorithms.base import Proposals, StageLosses, TwoStageModel
from modules.models.algorithms.corr import CoRR
from modules.models.context import Context
from modules.models.exact_search import exact_top_k
from tests.modules import tiny
from tests.modules.models.algorithms.batches import BATCH, CONTEXT, POSITIVES, SEED
from tests.modules.models.algorithms.steps import SEQUENTIAL


def trainable(model: TwoStageModel) -> dict[str, list[np.ndarray]]:
    stages = {"retriever": model.retriever, "ranker": model.ranker}
    return {name: [weight.numpy() for weight in stage.trainable_variables] for name, stage in stages.items()}


# Draws.


@pytest.mark.parametrize("sampler", [tiny.UNIFORM, tiny.MIDX, {"name": "exact"}])
def test_a_proposal_has_the_positive_first_and_the_samplers_draws_behind(sampler: dict[str, Any]) -> None:
    model = tiny.make_model(sampler=sampler, num_negatives=6)
    tiny.randomise(model.retriever)
    model.sampler.refresh(model.retriever.candidate_parts())
    proposals = model.propose(CONTEXT, POSITIVES, SEED)
    query = model.retriever.query(CONTEXT)
    draws = model.sampler.sample(query, 6, SEED)
    np.testing.assert_array_equal(proposals.ids[:, 0], POSITIVES)
    np.testing.assert_array_equal(proposals.ids[:, 1:], draws.ids)
    np.testing.assert_array_equal(proposals.negatives, draws.ids != POSITIVES[:, tf.newaxis])
    np.testing.assert_allclose(proposals.negative_log_q, draws.log_q)
    np.testing.assert_allclose(proposals.positive_log_q, model.sampler.log_prob(query, POSITIVES[:, tf.newaxis])[:, 0])
    scores = query.numpy() @ model.retriever.all_candidates().numpy().T
    np.testing.assert_allclose(
        proposals.retriever_scores, np.take_along_axis(scores, proposals.ids.numpy(), axis=1), rtol=1e-4, atol=1e-6
    )


@pytest.mark.parametrize("sampler", [tiny.MIDX, {"name": "exact"}])
def test_no_gradient_flows_through_the_proposal(sampler: dict[str, Any]) -> None:
    model = tiny.make_model(sampler=sampler)
    model.sampler.refresh(model.retriever.candidate_parts())
    with tf.GradientTape() as tape:
        proposals = model.propose(CONTEXT, POSITIVES, SEED)
        total = tf.reduce_sum(proposals.positive_log_q) + tf.reduce_sum(proposals.negative_log_q)
    assert tape.gradient(total, model.trainable_variables) == [None] * len(model.trainable_variables)


def test_draws_that_the_context_excludes_are_no_negatives() -> None:
    model = tiny.make_model(num_negatives=20)
    context = CONTEXT._replace(exclude=tf.constant([[0, 0, 2, 4, 6], [1, 3, 5, 8, 20], [0, 0, 0, 0, 0]], tf.int64))
    proposals = model.propose(context, POSITIVES, SEED)
    known = [{2, 4, 6}, {1, 3, 5, 8, 20}, {9}]
    expected = [[item not in row for item in ids] for ids, row in zip(proposals.ids[:, 1:].numpy(), known, strict=True)]
    np.testing.assert_array_equal(proposals.negatives, expected)
    assert 0 < np.mean(expected) < 1


# The residual.


def test_a_residual_ranker_starts_from_the_retrievers_order() -> None:
    model = tiny.make_model(**SEQUENTIAL)
    ids, retriever_scores = model.retrieve(CONTEXT, 10)
    np.testing.assert_allclose(model.rank(CONTEXT, ids), retriever_scores, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("residual", [True, False])
def test_a_residual_ranker_adds_the_retrievers_scores(residual: bool) -> None:
    model = tiny.make_model(algorithm={"name": "corr", "residual": residual})
    tiny.randomise(model.retriever)
    ids = tf.constant([[1, 2], [3, 4], [5, 6]], tf.int64)
    own = model.ranker.score(model.ranker.encode(CONTEXT), ids)
    products = tf.einsum("bcd,bd->bc", model.retriever.candidates(ids), model.retriever.query(CONTEXT))
    np.testing.assert_allclose(model.rank(CONTEXT, ids), own + products if residual else own, rtol=1e-5, atol=1e-6)


def test_no_gradient_flows_from_the_ranker_into_the_retriever() -> None:
    model = tiny.make_model(**SEQUENTIAL)
    tiny.randomise(model.retriever)
    with tf.GradientTape() as tape:
        total = tf.reduce_sum(model.rank(CONTEXT, tf.constant([[1, 2], [3, 4], [5, 6]], tf.int64)) ** 2)
    gradients = tape.gradient(total, [model.retriever.trainable_variables, model.ranker.trainable_variables])
    assert gradients[0] == [None] * len(gradients[0])
    assert any(gradient is not None for gradient in gradients[1])


# Answers.


def test_retrieval_is_exact() -> None:
    model = tiny.make_model()
    context = CONTEXT._replace(exclude=tf.constant([[1, 2], [3, 0], [0, 0]], tf.int64))
    found = model.retrieve(context, 7)
    expected = exact_top_k(model.retriever.query(context), model.retriever.all_candidates(), context.exclude, 7)
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_answers_have_no_dropout() -> None:
    model = tiny.make_model(retriever=tiny.SASREC, ranker=tiny.DIN)
    ids = tf.constant([[1, 2], [3, 4], [5, 6]], tf.int64)
    np.testing.assert_array_equal(model.rank(CONTEXT, ids), model.rank(CONTEXT, ids))


# Steps.


class SumOfSquares(CoRR):
    """Minimises half the squares of all weights of both stages, so that a weight is its own gradient."""

    LOGGED = ()

    def stage_losses(self, context: Context, positives: tf.Tensor, seed: tf.Tensor) -> StageLosses:
        weights = [*self.retriever.trainable_variables, *self.ranker.trainable_variables]
        total = tf.add_n([tf.reduce_sum(weight**2) for weight in weights]) / 2
        return StageLosses(tf.fill(tf.shape(positives), total), {})


def make_sum_of_squares(clip: float | None) -> SumOfSquares:
    of = tiny.make_model()
    of.rank(CONTEXT, tf.constant([[1], [2], [3]], tf.int64))
    model = SumOfSquares(of.retriever, of.ranker, of.sampler, of.config, of.options, seed=1)
    model.compile(tf.keras.optimizers.SGD(0.5), tf.keras.optimizers.SGD(0.25), clip)
    return model


def global_norm(weights: list[np.ndarray]) -> float:
    return float(np.sqrt(sum(np.sum(weight**2) for weight in weights)))


def test_each_stage_is_moved_by_its_own_optimiser() -> None:
    model = make_sum_of_squares(None)
    before = trainable(model)
    logged = model.train_step(BATCH)
    after = trainable(model)
    for stage, rate in (("retriever", 0.5), ("ranker", 0.25)):
        for old, new in zip(before[stage], after[stage], strict=True):
            np.testing.assert_allclose(new, (1 - rate) * old, rtol=1e-5, atol=1e-7)
        assert float(logged[f"{stage}_gradient_norm"]) == pytest.approx(global_norm(before[stage]), rel=1e-4)
    squares = global_norm(before["retriever"]) ** 2 + global_norm(before["ranker"]) ** 2
    assert float(logged["loss"]) == pytest.approx(squares / 2, rel=1e-4)
    assert int(model.optimizer.iterations) == int(model.ranker_optimizer.iterations) == 1


def test_gradients_are_clipped_stage_by_stage_and_their_norm_logged_unclipped() -> None:
    model = make_sum_of_squares(0.1)
    before = trainable(model)
    logged = model.train_step(BATCH)
    after = trainable(model)
    for stage, rate in (("retriever", 0.5), ("ranker", 0.25)):
        moved = [old - new for old, new in zip(before[stage], after[stage], strict=True)]
        assert global_norm(moved) == pytest.approx(rate * 0.1, rel=1e-3)
        assert global_norm(before[stage]) > 0.1
        assert float(logged[f"{stage}_gradient_norm"]) == pytest.approx(global_norm(before[stage]), rel=1e-4)


def test_a_row_read_many_times_has_one_gradient_in_the_norm() -> None:
    # One user three times, whose gradients point alike: by the parts their norm would be sqrt(3) times too small.
    batch = tiny.make_context([1, 1, 1], [[], [], []]), tf.constant([6, 6, 6], tf.int64)
    model = tiny.make_model()
    model.compile(tf.keras.optimizers.SGD(1.0), tf.keras.optimizers.SGD(1.0))
    tiny.randomise(model.retriever)
    before = trainable(model)["retriever"]
    logged = model.train_step(batch)
    moved = [old - new for old, new in zip(before, trainable(model)["retriever"], strict=True)]
    assert float(logged["retriever_gradient_norm"]) == pytest.approx(global_norm(moved), rel=1e-5)


def test_the_index_follows_the_retriever_on_schedule() -> None:
    model = tiny.make_model(sampler={"name": "exact", "refresh_steps": 2})
    tiny.randomise(model.retriever)
    tables = [model.retriever.all_candidates().numpy()]
    copies = []
    for _ in range(4):
        model.train_step(BATCH)
        tables.append(model.retriever.all_candidates().numpy())
        copies.append(model.sampler.weights[0].numpy())
    # Refreshed before the draws of steps 0 and 2.
    for copy, table in zip(copies, [tables[0], tables[0], tables[2], tables[2]], strict=True):
        np.testing.assert_array_equal(copy, table)
    assert np.any(tables[0] != tables[1])


def test_steps_are_determined_by_the_seeds() -> None:
    found = []
    for _ in range(2):
        model = tiny.make_model(retriever=tiny.SASREC, ranker=tiny.DIN, sampler=tiny.MIDX)
        for _ in range(2):
            model.train_step(BATCH)
        found.append(trainable(model))
    for stage in found[0]:
        for first, second in zip(found[0][stage], found[1][stage], strict=True):
            np.testing.assert_array_equal(first, second)


def test_every_step_draws_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    model = tiny.make_model()
    seeds, propose = [], model.propose

    def listen(context: Context, positives: tf.Tensor, seed: tf.Tensor) -> Proposals:
        seeds.append(seed.numpy().tolist())
        return propose(context, positives, seed)

    monkeypatch.setattr(model, "propose", listen)
    for _ in range(3):
        model.train_step(BATCH)
    assert [step for _, step in seeds] == [0, 1, 2]
    assert len({seed for seed, _ in seeds}) == 1


@pytest.mark.parametrize("algorithm", ["corr", "icc", "independent", "rankflow", "ranker_only", "retriever_only"])
def test_what_is_logged_is_finite_and_includes_the_indexs_diagnostics(algorithm: str) -> None:
    model = tiny.make_model(sampler=tiny.MIDX, algorithm={"name": algorithm})
    logged = model.train_step(BATCH)
    expected = {
        "loss",
        *model.LOGGED,
        "retriever_gradient_norm",
        "ranker_gradient_norm",
        "codebook_residual",
        "occupied_cells",
    }
    assert set(logged) == expected
    assert all(np.isfinite(value) for value in logged.values())
