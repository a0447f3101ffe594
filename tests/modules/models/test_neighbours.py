"""Counts against sums written out by hand and against a reference in plain Python."""

from collections import defaultdict

import numpy as np
import pytest

from modules.models.neighbours import BACKWARD, GAP, GAP_DECAY, Sequences, count_directed, count_together

USERS = [[1, 2, 3], [2, 1], [3]]


def as_sequences(users: list[list[int]]) -> Sequences:
    return np.array(sum(users, []), np.int64), np.repeat(np.arange(len(users)), [len(items) for items in users])


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


def as_dictionary(ids: np.ndarray, counts: np.ndarray) -> dict[tuple[int, int], float]:
    rows, columns = np.nonzero(counts)
    return {
        (int(row), int(ids[row, column])): float(counts[row, column]) for row, column in zip(rows, columns, strict=True)
    }


def test_three_short_sequences() -> None:
    found = count_directed([as_sequences(USERS)], num_items=3, most=2)
    # 1 -> 2: next to each other once along and once against; 1 -> 3: two apart; 2 -> 3: next to each other.
    np.testing.assert_array_equal(found.ids, [[4, 4], [2, 3], [1, 3], [1, 2]])
    np.testing.assert_allclose(found.counts, [[0, 0], [1.5, 0.8], [1.5, 1], [0.4, 0.5]], rtol=1e-6)


@pytest.mark.parametrize("seed", range(3))
def test_any_parts_give_what_counting_one_by_one_gives(seed: int) -> None:
    users = random_users(seed, num_items=40)
    expected = counted_one_by_one(users)
    for parts in ([users], [users[:7], users[7:8], users[8:]]):
        found = count_directed([as_sequences(part) for part in parts], num_items=40, most=40)
        counts = as_dictionary(found.ids, found.counts)
        assert counts.keys() == expected.keys()
        for pair, count in expected.items():
            assert counts[pair] == pytest.approx(count, rel=1e-6)


def test_the_best_neighbours_are_kept_in_order_of_their_ids() -> None:
    users = random_users(5, num_items=12)
    everything, best = (count_directed([as_sequences(users)], 12, most) for most in (12, 3))
    for item in range(1, 13):
        kept = everything.counts[item] > 0
        order = np.lexsort([everything.ids[item][kept], -everything.counts[item][kept]])[:3]
        np.testing.assert_array_equal(best.ids[item], np.sort(everything.ids[item][kept][order]))


def test_memory_is_bounded_by_forgetting_rare_pairs() -> None:
    # 1 is followed by 2 in every part, and once by each of 3..30; with room for 8 * 1 the rare ones come and go.
    parts = [as_sequences([[1, 2], [1, 2], [1, other]]) for other in range(3, 31)]
    found = count_directed(parts, num_items=30, most=1)
    assert (found.ids[1, 0], found.counts[1, 0]) == (2, 56)


def test_nothing_has_no_neighbours() -> None:
    found = count_directed([], num_items=2, most=2)
    np.testing.assert_array_equal(found.ids, np.full([3, 2], 3))
    assert not found.counts.any()


def test_users_who_have_both() -> None:
    parts = [as_sequences(USERS[:2]), as_sequences([[3], [3, 0, 1, 3]])]
    # Items 1 and 2 are with both first users, 3 with the first, the third and the fourth, who also has 1.
    expected = [[0, 0, 0, 0], [0, 3, 2, 2], [0, 2, 2, 1], [0, 2, 1, 3]]
    np.testing.assert_array_equal(count_together(parts, 3), expected)
