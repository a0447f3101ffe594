"""Features and candidates against sums over pairs one by one."""

import numpy as np
import pytest
import tensorflow as tf

from modules.models import evidence
from modules.models.evidence import DECAYS, SCALE, Evidence
from modules.models.neighbours.base import Neighbours
from tests.modules import tiny

ITEMS = 20
COUNTS = tiny.make_corpus(ITEMS).item_counts
HISTORIES = [[1, 2, 3, 4, 5], [6, 7], []]
HISTORY = tf.constant([[1, 2, 3, 4, 5, 0], [0, 6, 0, 7, 0, 0], [0] * 6], tf.int64)
CANDIDATES = [[4, 9, 1, 20], [1, 0, 8, 2], [3, 5, 8, 11]]


def make_tables() -> dict[str, Neighbours]:
    rng = np.random.default_rng(2)
    users = [[(rng.permutation(ITEMS)[:9] + 1).tolist() for _ in range(12)] for _ in range(2)]
    return {name: tiny.count_neighbours(users[i], COUNTS, most=6) for i, name in enumerate(("one", "other"))}


def features_one_by_one(row: int, candidate: int) -> list[float]:
    features = []
    for table in make_tables().values():
        weights = [dict(zip(table.ids[item], table.weights[item], strict=True)) for item in HISTORIES[row]]
        for decay in DECAYS:
            total = sum(decay**age * pairs.get(candidate, 0) for age, pairs in enumerate(reversed(weights)))
            features.append(np.log(1 + total / SCALE))
    return [*features, np.log(max(COUNTS[candidate], 0.5))]


def make_evidence() -> Evidence:
    return Evidence(make_tables(), COUNTS)


@pytest.fixture(autouse=True, params=["dense", "sparse"])
def sums(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both ways to add up."""
    if request.param == "sparse":
        monkeypatch.setattr(evidence, "_MOST_SUMS", 0)


def test_only_the_latest_items_are_evidence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evidence, "MOST_KNOWN", 2)
    candidates = tf.constant([[9, 11, 20]], tf.int64)
    cut, short = (make_evidence().features(tf.constant([items], tf.int64), candidates) for items in ([1, 2, 3], [2, 3]))
    np.testing.assert_array_equal(cut, short)


def test_features_are_sums_over_the_pairs() -> None:
    found = make_evidence().features(HISTORY, tf.constant(CANDIDATES, tf.int64)).numpy()
    for row, candidates in enumerate(CANDIDATES):
        for column, candidate in enumerate(candidates):
            if candidate:
                np.testing.assert_allclose(found[row, column], features_one_by_one(row, candidate), rtol=1e-5)
    assert np.count_nonzero(found[:2, :, :-1]) > 10


@pytest.mark.parametrize("k", [3, 40])
def test_the_best_are_those_of_a_search_over_all_items(k: int) -> None:
    weights = np.array([0.5, 1, 0.2, 0.7, -0.1, 0.4, -0.3], np.float32)
    exclude = [[1, 2, 3, 4, 5, 9, 0], [6, 7, 0, 0, 0, 0, 0], [0] * 7]
    found = make_evidence().best(HISTORY, tf.constant(exclude, tf.int64), tf.constant(weights), k).numpy()
    assert found.shape == (3, k)
    for row in range(3):
        values = {
            item: np.dot(features_one_by_one(row, item), weights)
            for item in range(1, ITEMS + 1)
            if item not in exclude[row] and any(features_one_by_one(row, item)[:-1])
        }
        best = sorted(values, key=lambda item: -values[item])[:k]
        assert [item for item in found[row] if item] == best


def test_no_candidates_have_no_features() -> None:
    found = make_evidence()
    assert found.features(HISTORY, tf.zeros([3, 0], tf.int64)).shape == (3, 0, found.size)


def test_neighbours_are_the_first_tables() -> None:
    ids, weights = make_evidence().neighbours(tf.constant([[3, 0]], tf.int64))
    table = make_tables()["one"]
    np.testing.assert_array_equal(ids[0], table.ids[[3, 0]])
    np.testing.assert_array_equal(weights[0], table.weights[[3, 0]])
