"""Weights against least squares solved item by item."""

import numpy as np

from modules.models.neighbours.ease import REGULARISATION, EaseWeights, count_together, ease_weights
from tests.modules import tiny

USERS = [[1, 2, 3], [2, 1]]


def random_users(num_items: int) -> list[list[int]]:
    rng = np.random.default_rng(1)
    return [(1 + rng.permutation(num_items)[: rng.integers(1, num_items)]).tolist() for _ in range(40)]


def test_users_who_have_both() -> None:
    parts = [tiny.as_sequences(USERS), tiny.as_sequences([[3], [3, 0, 1, 3]])]
    # Items 1 and 2 are with both first users, 3 with the first, the third and the fourth, who also has 1.
    expected = [[0, 0, 0, 0], [0, 3, 2, 2], [0, 2, 2, 1], [0, 2, 1, 3]]
    np.testing.assert_array_equal(count_together(parts, 3), expected)


def test_each_column_is_a_ridge_regression_on_all_other_items() -> None:
    users, num_items, regularisation = random_users(9), 9, 2.5
    matrix = np.array([[item in user for item in range(1, num_items + 1)] for user in users], float)
    weights = ease_weights(count_together([tiny.as_sequences(users)], num_items), regularisation)
    assert not np.diag(weights).any()
    for item in range(num_items):
        others = np.arange(num_items) != item
        known = matrix[:, others]
        expected = np.linalg.solve(known.T @ known + regularisation * np.eye(num_items - 1), known.T @ matrix[:, item])
        np.testing.assert_allclose(weights[1:, 1:][others, item], expected, atol=1e-5)


def test_the_table_holds_the_largest_positive_weights_of_each_row() -> None:
    users, num_items, most = random_users(9), 9, 3
    weights = ease_weights(count_together([tiny.as_sequences(users)], num_items), REGULARISATION)
    found = EaseWeights.find([tiny.as_sequences(users)], np.ones(num_items + 1, np.float32), most)
    for item in range(1, num_items + 1):
        best = [other for other in np.argsort(-weights[item], kind="stable") if other and weights[item, other] > 0][:3]
        assert [other for other in found.ids[item] if other] == best
        np.testing.assert_allclose(found.weights[item][: len(best)], weights[item, best], rtol=1e-6)
    assert not found.ids[0].any()
