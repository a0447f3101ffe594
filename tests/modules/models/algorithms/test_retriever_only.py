"""Retrievers trained alone."""

import numpy as np
import pytest
import tensorflow as tf

from modules.models import losses
from modules.models.algorithms.retriever_only import RetrieverOnly
from tests.modules import tiny
from tests.modules.models.algorithms.batches import BATCH, CONTEXT, POSITIVES, SEED

LOSSES = ["full_softmax", "sampled_softmax", "bpr", "binary_cross_entropy"]


def make_model(loss: str) -> RetrieverOnly:
    algorithm = {"name": "retriever_only", "loss": loss}
    model = tiny.make_model(sampler={"name": "popularity"}, ranker={"name": "none"}, algorithm=algorithm)
    tiny.randomise(model.retriever)
    return model


@pytest.mark.parametrize("loss", LOSSES)
def test_the_loss_is_the_one_that_was_chosen(loss: str) -> None:
    model = make_model(loss)
    proposals = model.propose(CONTEXT, POSITIVES, SEED)
    positive, negative = proposals.retriever_scores[:, 0], proposals.retriever_scores[:, 1:]
    log_q = proposals.positive_log_q, proposals.negative_log_q
    scores = tf.matmul(model.retriever.query(CONTEXT), model.retriever.all_candidates(), transpose_b=True)
    expected = {
        "full_softmax": losses.full_log_softmax(scores, POSITIVES),
        "sampled_softmax": losses.sampled_log_softmax(positive, negative, *log_q, proposals.negatives),
        "bpr": losses.bayesian_personalized_ranking(positive, negative, proposals.negatives),
        "binary_cross_entropy": losses.binary_cross_entropy(positive, negative, proposals.negatives),
    }
    assert len({float(tf.reduce_mean(values)) for values in expected.values()}) == len(LOSSES)
    found = model.batch_losses(*BATCH, SEED)
    assert float(found.total) == pytest.approx(np.mean(expected[loss]), rel=1e-5)
    assert float(found.logged["loss"]) == float(found.total)


def test_the_full_softmax_leaves_out_what_the_context_excludes() -> None:
    model = make_model("full_softmax")
    known = [[0, 2, 6], [0, 0, 8], [1, 2, 3]]
    scores = tf.matmul(model.retriever.query(CONTEXT), model.retriever.all_candidates(), transpose_b=True).numpy()
    expected = []
    for row, positive, excluded in zip(scores, POSITIVES.numpy(), known, strict=True):
        left = [item for item in range(1, len(row)) if item == positive or item not in excluded]
        expected.append(np.log(np.sum(np.exp(row[left]))) - row[positive])
    context = CONTEXT._replace(exclude=tf.constant(known, tf.int64))
    found = model.batch_losses(context, POSITIVES, SEED).total
    assert float(found) == pytest.approx(np.mean(expected), rel=1e-5)
    logged = tf.function(model.train_step)((context, POSITIVES))
    assert np.isfinite(float(logged["retriever_gradient_norm"]))


@pytest.mark.parametrize("loss", LOSSES)
def test_a_step_moves_the_retriever_and_the_answer_is_its_own(loss: str) -> None:
    model = make_model(loss)
    before = model.retriever.all_candidates().numpy()
    logged = model.train_step(BATCH)
    assert np.any(model.retriever.all_candidates().numpy() != before)
    assert float(logged["ranker_gradient_norm"]) == 0
    ids, scores = model.retrieve(CONTEXT, 5)
    np.testing.assert_allclose(model.rank(CONTEXT, ids), scores, rtol=1e-5)


def test_factorisation_under_the_logistic_loss_estimates_logistic_matrix_factorisation() -> None:
    """Johnson's likelihood: each positive against 1, the others against 0, both sides of equal weight."""
    algorithm = {"name": "retriever_only", "loss": "binary_cross_entropy"}
    model = tiny.make_model(ranker={"name": "none"}, num_negatives=20, algorithm=algorithm)
    tiny.randomise(model.retriever)
    users, items = (weight.numpy() for weight in model.retriever.trainable_variables)
    expected = []
    for user, positive in zip(CONTEXT.user.numpy(), POSITIVES.numpy(), strict=True):
        likelihood = 1 / (1 + np.exp(-items[1:] @ users[user]))
        others = np.delete(likelihood, positive - 1)
        expected.append(-np.log(likelihood[positive - 1]) - np.log(1 - others).mean())
    found = [float(model.batch_losses(*BATCH, SEED + [0, 10 * run]).total) for run in range(100)]
    assert abs(np.mean(found) - np.mean(expected)) < 4 * np.std(found) / 10
    assert np.std(found) / 10 < 0.01 * np.mean(expected)
