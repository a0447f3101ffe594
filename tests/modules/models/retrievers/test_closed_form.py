"""The baselines without a gradient, against values by hand, and through training, judging and saving."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from modules.models.context import Context
from modules.models.corpus import Corpus
from modules.models.retrievers import RETRIEVERS
from modules.models.retrievers.closed_form import ClosedForm
from tests.modules import tiny
from tests.modules.training import runs

NAMES = ["directed_counts", "ease", "item_knn", "popularity"]
COUNTS = np.array([0, 2, 2, 2], np.float32)
SEQUENCES = tiny.as_sequences([[1, 2, 3], [2, 1], [3]])


def make(name: str, **options: Any) -> ClosedForm:
    """Returns the fitted retriever of three items."""
    config = tiny.make_config(history_length=2)
    retriever = RETRIEVERS[name](Corpus(COUNTS, 3), config, RETRIEVERS.options(name, options), seed=1)
    retriever.fit([SEQUENCES])
    return retriever


def score(retriever: ClosedForm, histories: list[list[int]]) -> np.ndarray:
    """Returns the scores `[B, 3]` of items 1 to 3."""
    query = retriever.query(tiny.make_context([0] * len(histories), histories, 2))
    return tf.matmul(query, retriever.all_candidates(), transpose_b=True).numpy()[:, 1:]


def test_directed_counts_are_normalised_and_added_up_by_age() -> None:
    found = score(make("directed_counts"), [[1], [3], [1, 2], []])
    of_1, of_2, of_3 = np.array([0, 1.5, 0.8]) / 2, np.array([1.5, 0, 1]) / 2, np.array([0.4, 0.5, 0]) / 2
    np.testing.assert_allclose(found, [of_1, of_3, of_2 + 0.6 * of_1, [0, 0, 0]], rtol=1e-6)


def test_item_knn_is_the_cosine() -> None:
    # Users of both: 1 and 2 two, 1 and 3 one, 2 and 3 one; each item has two users.
    of_1, of_2 = [0, 1, 0.5], [1, 0, 0.5]
    np.testing.assert_allclose(score(make("item_knn"), [[1], [2], [1, 2]]), [of_1, of_2, [1, 1, 1]])
    np.testing.assert_allclose(score(make("item_knn", neighbours=1), [[1]]), [[0, 1, 0]])
    np.testing.assert_allclose(score(make("item_knn", shrinkage=2.0), [[1]]), [[0, 0.5, 0.25]])


def test_ease_solves_the_regression_without_the_item_itself() -> None:
    users = np.array([[1, 1, 1], [1, 1, 0], [0, 0, 1]], np.float64)
    weights = np.zeros([3, 3])
    for item in range(3):
        others = [other for other in range(3) if other != item]
        known = users[:, others]
        solution = np.linalg.solve(known.T @ known + 0.5 * np.eye(2), known.T @ users[:, item])
        weights[others, item] = solution
    found = score(make("ease", regularisation=0.5), [[1], [2], [3], [1, 3]])
    np.testing.assert_allclose(found, [*weights, weights[0] + weights[2]], rtol=1e-4, atol=1e-6)


def test_popularity_is_the_same_for_everyone() -> None:
    np.testing.assert_allclose(score(make("popularity"), [[1], [], [2, 3]]), np.full([3, 3], np.log(2)))


@pytest.mark.parametrize("name", NAMES)
def test_unknown_users_are_answered_by_their_history(name: str) -> None:
    cold = make(name).is_cold(tiny.make_context([0, 1, 0], [[1], [], []], 2)).numpy().tolist()
    assert cold == ([False, False, False] if name == "popularity" else [False, True, True])


@pytest.mark.parametrize("name", NAMES)
def test_a_baseline_is_fitted_and_judged_as_any_model(name: str, tmp_path: Path) -> None:
    runs.write_data(tmp_path)
    stages = {"retriever": {"name": name}, "ranker": {"name": "none"}, "algorithm": {"name": "closed_form"}}
    result = runs.run(tmp_path, tmp_path / "run", stages)
    assert [epoch["epoch"] for epoch in result.history] == [1]
    # Users go around a circle: what comes next is known to whoever looks at the order, or at who else was there.
    best = result.history[0]["val_two_stage_ndcg@10"]
    assert best == result.history[0]["val_retriever_ndcg@10"]
    assert best > (0.6 if name == "directed_counts" else 0.15)


@pytest.mark.parametrize("name", NAMES)
def test_a_saved_baseline_answers_alike(name: str, tmp_path: Path) -> None:
    retriever = make(name)
    module = tf.Module()
    module.retriever = retriever
    shapes = [tf.TensorSpec(shape, tf.int64) for shape in ([None], [None, 2], [None, None])]
    module.query = tf.function(lambda *parts: retriever.query(Context(*parts)), shapes, autograph=False)
    tf.saved_model.save(module, str(tmp_path))
    context = tiny.make_context([0, 1], [[1, 2], []], 2)
    loaded = tf.saved_model.load(str(tmp_path))
    np.testing.assert_array_equal(loaded.query(*context), retriever.query(context))
    assert retriever.query(context).shape[1] == retriever.all_candidates().shape[1]
