"""Counts against sums written out by hand and against a reference in plain Python."""

from collections import defaultdict

import numpy as np
import pytest

from modules.models.neighbours import directed
from modules.models.neighbours.base import Neighbours, Sequences
from modules.models.neighbours.directed import BACKWARD, GAP, GAP_DECAY, Directed
from tests.modules import tiny

ONES = np.ones(41, np.float32)
"""Items of which every one is a single user's: a weight is then the count."""


def random_users(seed: int, num_items: int) -> list[list[int]]:
    rng = np.random.default_rng(seed)
    return [rng.permutation(num_items + 1)[: rng.integers(0, num_items)].tolist() for _ in range(30)]


def counted_one_by_one(users: list[list[int]]) -> dict[tuple[int, int], float]:
    counts: dict[tuple[int, int], float] = defaultdict(float)
    for items in users:
        for p, first in enumerate(items):
            for q, second in enumerate(items):
                if first and second and first != second and 0 < abs(q - p) <= GAP:
                    counts[first, second] += GAP_DECAY ** (abs(q - p) - 1) * (1 if p < q else BACKWARD)
    return counts


def as_dictionary(found: Neighbours) -> dict[tuple[int, int], float]:
    rows, columns = np.nonzero(found.weights)
    return {
        (int(row), int(found.ids[row, column])): float(found.weights[row, column])
        for row, column in zip(rows, columns, strict=True)
    }


def test_three_short_sequences() -> None:
    found = tiny.count_neighbours([[1, 2, 3], [2, 1], [3]], np.array([0, 4, 1, 1], np.float32), most=2)
    # 1 -> 2: next to each other once along and once against; 1 -> 3: two apart; 2 -> 3: next to each other.
    np.testing.assert_array_equal(found.ids, [[0, 0], [2, 3], [1, 3], [1, 2]])
    np.testing.assert_allclose(found.weights, [[0, 0], [0.75, 0.4], [0.75, 1], [0.2, 0.5]], rtol=1e-6)


def test_a_basket_is_no_pair_and_the_gap_to_it_is_that_to_its_nearest_item() -> None:
    # One user: 1, then 2 and 3 together, then 4.
    basket = Sequences(np.array([1, 2, 3, 4]), np.zeros(4, int), np.array([0, 1, 1, 3]))
    found = as_dictionary(Directed.find([basket], ONES[:5], most=4))
    along = {(1, 2): 1, (1, 3): 1, (3, 4): 1, (2, 4): GAP_DECAY, (1, 4): GAP_DECAY**2}
    assert found == pytest.approx(along | {(j, i): BACKWARD * count for (i, j), count in along.items()})


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("few", [0, 1 << 20])
def test_any_parts_give_what_counting_one_by_one_gives(seed: int, few: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(directed, "_FEW_PAIRS", few)
    users = random_users(seed, num_items=40)
    expected = counted_one_by_one(users)
    for parts in ([users], [users[:7], users[7:8], users[8:]]):
        sequences = [tiny.as_sequences(part) for part in parts]
        assert as_dictionary(Directed.find(sequences, ONES, most=40)) == pytest.approx(expected, rel=1e-6)


def test_the_most_frequent_neighbours_are_kept_in_order_of_their_ids() -> None:
    users = random_users(5, num_items=12)
    everything, best = (tiny.count_neighbours(users, ONES[:13], most) for most in (12, 3))
    for item in range(1, 13):
        kept = everything.weights[item] > 0
        order = np.lexsort([everything.ids[item][kept], -everything.weights[item][kept]])[:3]
        np.testing.assert_array_equal(best.ids[item], np.sort(everything.ids[item][kept][order]))


def test_memory_is_bounded_by_forgetting_rare_pairs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(directed, "_FEW_PAIRS", 0)
    # 1 is followed by 2 in every part, and once by each of 3..30; with room for 8 * 1 the rare ones come and go.
    parts = [tiny.as_sequences([[1, 2], [1, 2], [1, other]]) for other in range(3, 31)]
    found = Directed.find(parts, ONES[:31], most=1)
    assert (found.ids[1, 0], found.weights[1, 0]) == (2, 56)


def test_nothing_has_no_neighbours() -> None:
    found = Directed.find([], ONES[:3], most=2)
    np.testing.assert_array_equal(found.ids, np.zeros([3, 2]))
    assert not found.weights.any()
