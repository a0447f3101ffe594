"""What is fitted on validation helps there, is where the gradient is nothing, and is nothing where nothing helps."""

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from modules.models.blend import Blend
from modules.training.calibration import calibrate
from modules.training.fit import FitResult
from modules.training.inputs import evaluation_users
from modules.training.validation import evaluate_batch, mean_over_users
from tests.modules import tiny
from tests.modules.training import runs

STAGES = {"retriever": tiny.MF, "ranker": tiny.DIN, "sampler": tiny.UNIFORM, "neighbours": 4}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[FitResult, Path]:
    folder = tmp_path_factory.mktemp("calibration")
    runs.write_data(folder)
    return runs.run(folder, folder / "run", STAGES, epochs=1), folder


def users_of(folder: Path) -> tf.data.Dataset:
    return evaluation_users([str(folder / "valid-*")], tiny.HISTORY, 8)


def judge(result: FitResult, folder: Path) -> dict[str, float]:
    return mean_over_users(evaluate_batch(result.model, batch, 10) for batch in users_of(folder))


def test_counts_that_know_the_circle_bring_candidates_and_order(trained: tuple[FitResult, Path]) -> None:
    result, folder = trained
    after = judge(result, folder)
    assert after["two_stage_ndcg@10"] > result.history[0]["val_two_stage_ndcg@10"] + 0.1
    assert after["pool_recall@10"] > after["retriever_recall@10"]


def test_evidence_alone_is_weighted_as_by_descent_on_the_likelihood(trained: tuple[FitResult, Path]) -> None:
    result, folder = trained
    blend: Blend = result.model.blend
    evidence, fitted = blend.evidence, blend.alone.numpy()
    (batch,) = evaluation_users([str(folder / "valid-*")], tiny.HISTORY, 1000)
    even = tf.constant([1.0] * (evidence.size - 1) + [0.0])
    ids = evidence.best(batch.context.exclude, batch.context.exclude, even, 10)
    features = evidence.features(batch.context.exclude, ids).numpy()
    hits = (ids.numpy()[:, :, np.newaxis] == batch.targets.numpy()[:, np.newaxis]).any(2) & (ids.numpy() > 0)
    known = hits.any(axis=1)
    listed = (ids.numpy() > 0)[known]
    features, hits = features[known], hits[known]
    scale = features[listed].std(axis=0)
    scale[scale == 0] = 1
    scaled, shares = features / scale, hits / hits.sum(axis=1, keepdims=True)
    weights = np.zeros(evidence.size)
    for _ in range(20_000):
        logits = np.where(listed, scaled @ weights, -np.inf)
        probabilities = np.exp(logits - logits.max(axis=1, keepdims=True))
        probabilities /= probabilities.sum(axis=1, keepdims=True)
        weights -= 0.02 * (np.einsum("upf,up->f", scaled, probabilities - shares) + weights)
        weights[-1] = max(weights[-1], 0.01)
    np.testing.assert_allclose(fitted * scale, weights, atol=2e-3)


def test_where_nothing_helps_the_trained_answer_stays(trained: tuple[FitResult, Path]) -> None:
    result, folder = trained
    # Targets that are never retrieved: every setting is worth 0.
    hopeless = users_of(folder).map(
        lambda batch: batch._replace(targets=tf.fill(tf.shape(batch.targets), np.int64(runs.ITEMS + 1)))
    )
    assert calibrate(result.model, result.model.blend.evidence, hopeless, 10) is None
