"""Retrievers trained alone."""

import numpy as np
import pytest
import tensorflow as tf

from modules import losses
from modules.cooperation.retriever_only import RetrieverOnly
from tests.modules import tiny
from tests.modules.cooperation.test_base import BATCH, CONTEXT, POSITIVES, SEED

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
    found = model.stage_losses(*BATCH, SEED)
    assert float(found.total) == pytest.approx(np.mean(expected[loss]), rel=1e-5)
    assert float(found.logged["loss"]) == float(found.total)


@pytest.mark.parametrize("loss", LOSSES)
def test_a_step_moves_the_retriever_and_the_answer_is_its_own(loss: str) -> None:
    model = make_model(loss)
    before = model.retriever.all_candidates().numpy()
    logged = model.train_step(BATCH)
    assert np.any(model.retriever.all_candidates().numpy() != before)
    assert float(logged["ranker_gradient_norm"]) == 0
    ids, scores = model.retrieve(CONTEXT, tf.zeros([3, 1], tf.int64), 5)
    np.testing.assert_allclose(model.rank(CONTEXT, ids), scores, rtol=1e-5)
