"""Validation against the two-stage protocol written out in numpy."""

import math
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from modules.models.algorithms.base import TwoStageModel
from modules.training.inputs import EvaluationUsers, evaluation_users
from modules.training.validation import Validation, evaluate_batch, mean_over_users
from tests.modules import tiny

ITEMS, USERS, CANDIDATES = 30, 8, 12


def make_model(candidates: int = CANDIDATES) -> TwoStageModel:
    model = tiny.make_model(tiny.make_corpus(ITEMS, USERS), candidates=candidates)
    model.rank(tiny.make_context([1], [[]]), tf.constant([[1]], tf.int64))
    tiny.randomise(model.retriever)
    tiny.randomise(model.ranker, seed=4)
    return model


def make_rows() -> list[dict[str, list[int]]]:
    """Users with one target or several, with short histories, and one whose history leaves few items."""
    rng = np.random.default_rng(2)
    rows = []
    for user in range(1, USERS + 1):
        items = (rng.permutation(ITEMS) + 1).tolist()
        seen = ITEMS - 5 if user == 4 else int(rng.integers(0, 6))
        targets = int(rng.integers(1, 5))
        rows.append({"user": [user], "history": items[:seen], "target": items[seen : seen + targets]})
    return rows


def metrics(found: list[int], targets: list[int], k: int) -> dict[str, float]:
    hits = [rank for rank, item in enumerate(found[:k], start=1) if item in targets]
    ideal = sum(1 / math.log2(rank + 1) for rank in range(1, min(k, len(targets)) + 1))
    return {
        "recall": len(hits) / len(targets),
        "ndcg": sum(1 / math.log2(rank + 1) for rank in hits) / ideal,
        "mrr": 1 / hits[0] if hits else 0.0,
    }


def reference(model: TwoStageModel, row: dict[str, list[int]], candidates: int) -> dict[str, float]:
    """Mask the history, retrieve from the whole corpus, rank, cut at 10."""
    context = tiny.make_context(row["user"], [row["history"]])
    everything = np.arange(1, ITEMS + 1)
    products = model.retriever.all_candidates().numpy()[1:] @ model.retriever.query(context).numpy()[0]
    allowed = [item for item in everything if item not in row["history"]]
    retrieved = sorted(allowed, key=lambda item: -products[item - 1])[:candidates]
    ranker_scores = model.rank(context, tf.constant([everything])).numpy()[0]
    ranked = sorted(retrieved, key=lambda item: -ranker_scores[item - 1])
    recall = metrics(retrieved, row["target"], candidates)["recall"]
    # Without neighbours the second stage's candidates are those retrieved.
    values = {f"retriever_recall@{candidates}": recall, f"pool_recall@{candidates}": recall}
    for stage, found in (("two_stage", ranked), ("retriever", retrieved)):
        values |= {f"{stage}_{name}@10": value for name, value in metrics(found, row["target"], 10).items()}
    return values


def users_of(tmp_path: Path, rows: list[dict[str, list[int]]], batch_size: int) -> tf.data.Dataset:
    return evaluation_users([tiny.write_records(tmp_path / "valid.gz", rows)], tiny.HISTORY, batch_size)


@pytest.mark.parametrize("candidates", [4, CANDIDATES, ITEMS])
def test_each_users_metrics_are_those_of_the_protocol(tmp_path: Path, candidates: int) -> None:
    model, rows = make_model(candidates), make_rows()
    (users,) = users_of(tmp_path, rows, batch_size=100)
    found = evaluate_batch(model, users, candidates)
    expected = [reference(model, row, candidates) for row in rows]
    assert set(found) == set(expected[0])
    for name, values in found.items():
        np.testing.assert_allclose(values, [of_user[name] for of_user in expected], rtol=1e-5, err_msg=name)
    assert np.any(found["two_stage_ndcg@10"] != found["retriever_ndcg@10"])


def test_the_mean_is_over_users_and_not_over_batches(tmp_path: Path) -> None:
    model, rows = make_model(), make_rows()
    callback = Validation(users_of(tmp_path, rows, batch_size=3), CANDIDATES)
    callback.set_model(model)
    logs = {"loss": 1.0}
    callback.on_epoch_end(0, logs)
    expected = [reference(model, row, CANDIDATES) for row in rows]
    assert logs.pop("loss") == 1.0
    assert set(logs) == {f"val_{name}" for name in expected[0]}
    for name, value in logs.items():
        mean = np.mean([of_user[name.removeprefix("val_")] for of_user in expected])
        assert value == pytest.approx(mean, rel=1e-5), name


def test_later_epochs_see_the_weights_as_they_are_then(tmp_path: Path) -> None:
    model = make_model()
    callback = Validation(users_of(tmp_path, make_rows(), batch_size=100), CANDIDATES)
    callback.set_model(model)
    before, after = {}, {}
    callback.on_epoch_end(0, before)
    tiny.randomise(model.retriever, seed=9)
    callback.on_epoch_end(1, after)
    assert before != after


def test_a_batch_of_nobody_counts_for_nothing() -> None:
    model = make_model()
    nobody = EvaluationUsers(tiny.make_context([], []), targets=tf.zeros([0, 1], tf.int64))
    assert all(values.shape == (0,) for values in evaluate_batch(model, nobody, CANDIDATES).values())
    values = {"recall": tf.constant([1.0, 0.0])}
    assert mean_over_users([values, {"recall": tf.zeros([0])}]) == {"recall": 0.5}


def test_without_any_user_there_is_nothing_to_validate_on(tmp_path: Path) -> None:
    users = users_of(tmp_path, [{"user": [1], "history": [2], "target": [0]}], batch_size=3)
    callback = Validation(users, CANDIDATES)
    callback.set_model(make_model())
    with pytest.raises(ValueError, match="validation split must hold at least one user .* Received: none"):
        callback.on_epoch_end(0, {})
