"""Independent: two losses that do not meet."""

import numpy as np
import pytest
import tensorflow as tf

from modules.models import losses
from modules.models.algorithms.independent import Independent
from tests.modules import tiny
from tests.modules.models.algorithms.batches import BATCH, CONTEXT, POSITIVES, SEED
from tests.modules.models.algorithms.steps import dense

CALM = {"ranker": {**tiny.DEEPFM, "dropout": 0.0}}


def make_model(loss: str) -> Independent:
    model = tiny.make_model(sampler={"name": "popularity"}, algorithm={"name": "independent", "loss": loss}, **CALM)
    model.rank(CONTEXT, POSITIVES[:, tf.newaxis])
    tiny.randomise(model.retriever)
    tiny.randomise(model.ranker, seed=4)
    return model


@pytest.mark.parametrize("loss", ["sampled_softmax", "binary_cross_entropy"])
def test_each_stage_has_the_loss_of_its_own_scores(loss: str) -> None:
    model = make_model(loss)
    proposals = model.propose(CONTEXT, POSITIVES, SEED)
    found = model.batch_losses(*BATCH, SEED)
    expected = {}
    for stage, scores in (
        ("retriever_loss", proposals.retriever_scores),
        ("ranker_loss", model.ranker.score(model.ranker.encode(CONTEXT), proposals.ids)),
    ):
        if loss == "binary_cross_entropy":
            values = losses.binary_cross_entropy(scores[:, 0], scores[:, 1:], proposals.negatives)
        else:
            values = losses.sampled_log_softmax(
                scores[:, 0], scores[:, 1:], proposals.positive_log_q, proposals.negative_log_q, proposals.negatives
            )
        expected[stage] = np.mean(values)
        assert float(found.logged[stage]) == pytest.approx(expected[stage], rel=1e-5)
    assert float(found.total) == pytest.approx(sum(expected.values()), rel=1e-5)


@pytest.mark.parametrize("loss", ["sampled_softmax", "binary_cross_entropy"])
def test_neither_stage_hears_of_the_other(loss: str) -> None:
    model = make_model(loss)
    with tf.GradientTape(persistent=True) as tape:
        found = model.batch_losses(*BATCH, SEED)
    retriever, ranker = model.retriever.trainable_variables, model.ranker.trainable_variables
    assert tape.gradient(found.logged["ranker_loss"], retriever) == [None] * len(retriever)
    assert tape.gradient(found.logged["retriever_loss"], ranker) == [None] * len(ranker)
    assert all(dense(gradient) is not None for gradient in tape.gradient(found.total, [*retriever, *ranker]))


def test_the_ranker_learns_its_order_alone_unless_told_otherwise() -> None:
    assert not Independent.Options().residual
