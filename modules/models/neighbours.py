"""What follows what in the training sequences: for each item its best neighbours and how often they came after it."""

import dataclasses
from collections.abc import Iterable

import numpy as np
from scipy import sparse

Sequences = tuple[np.ndarray, np.ndarray]
"""Some users' items, oldest first, user after user, integer `[n]`, 0 an unknown one; and the user of each `[n]`."""

GAP = 20
"""How far apart two items of a sequence may be to count as a pair."""
GAP_DECAY = 0.8
"""A pair g places apart counts GAP_DECAY^(g - 1)."""
BACKWARD = 0.5
"""What a pair counts against its direction, as a share of what it counts along it."""

_ROOM = 8
"""While counting, an item has room for this many times the neighbours it keeps."""


@dataclasses.dataclass(frozen=True)
class Neighbours:
    """The items most often met after each item. Ids are 1..N.

    Attributes:
      ids: int64 `[N + 1, M]`, ascending in each row; N + 1 fills up the rows. Row 0 has none.
      counts: float32 `[N + 1, M]`, the decayed counts; 0 where `ids` is filled up.
    """

    ids: np.ndarray
    counts: np.ndarray


@dataclasses.dataclass(frozen=True)
class _Pairs:
    """Decayed counts by pair: `keys`, ascending, are first item * (N + 1) + second item."""

    keys: np.ndarray
    counts: np.ndarray


def count_together(sequences: Iterable[Sequences], num_items: int) -> np.ndarray:
    """Returns float32 `[N + 1, N + 1]`, how many users have both items, or on the diagonal one; 0 is none."""
    together = np.zeros([num_items + 1, num_items + 1], np.float32)
    for items, users in sequences:
        pairs = np.unique(np.stack([users, items])[:, items > 0], axis=1)
        table = sparse.csr_matrix(
            (np.ones(pairs.shape[1], np.float32), pairs), [int(users.max(initial=0)) + 1, num_items + 1]
        )
        both = (table.T @ table).tocoo()
        together[both.row, both.col] += both.data
    return together


def count_directed(sequences: Iterable[Sequences], num_items: int, most: int) -> Neighbours:
    """Counts which items come after which, nearer ones for more, and keeps the best of each item.

        count(i, j) = sum over i at p and j at q of one sequence of  d^(q - p - 1) if p < q,  b d^(p - q - 1) if q < p

    with |q - p| <= GAP, d = GAP_DECAY and b = BACKWARD. Time is linear in the interactions. Memory is bounded: whenever
    items have on average more than eight times `most` neighbours, each drops its rarest beyond that. Where that has not
    happened, counts are exact.

    Args:
      sequences: the training split in parts.
      num_items: N.
      most: M, how many neighbours an item keeps; of equals those of lower ids.
    """
    found = _Pairs(np.zeros(0, np.int64), np.zeros(0, np.float64))
    room = _ROOM * most
    for items, users in sequences:
        found = _add_up(found, *_pairs_of(items, users, num_items + 1))
        if len(found.keys) > room * num_items:
            found = _best_of_each(found, num_items + 1, room)
    return _table(_best_of_each(found, num_items + 1, most), num_items, most)


def _pairs_of(items: np.ndarray, users: np.ndarray, rows: int) -> tuple[np.ndarray, np.ndarray]:
    keys, counts = [], []
    for gap in range(1, min(GAP, len(items) - 1) + 1):
        earlier, later = items[:-gap], items[gap:]
        pairs = (users[:-gap] == users[gap:]) & (earlier > 0) & (later > 0) & (earlier != later)
        earlier, later = earlier[pairs], later[pairs]
        weight = GAP_DECAY ** (gap - 1)
        for first, second, count in ((earlier, later, weight), (later, earlier, BACKWARD * weight)):
            keys.append(first * rows + second)
            counts.append(np.full(len(first), count))
    if not keys:
        return np.zeros(0, np.int64), np.zeros(0, np.float64)
    return np.concatenate(keys), np.concatenate(counts)


def _add_up(found: _Pairs, keys: np.ndarray, counts: np.ndarray) -> _Pairs:
    keys, places = np.unique(np.concatenate([found.keys, keys]), return_inverse=True)
    return _Pairs(keys, np.bincount(places, np.concatenate([found.counts, counts]), len(keys)))


def _best_of_each(found: _Pairs, rows: int, most: int) -> _Pairs:
    item = found.keys // rows
    order = np.lexsort([found.keys, -found.counts, item])
    starts = np.searchsorted(item[order], np.arange(rows))
    place = np.arange(len(order)) - starts[item[order]]
    kept = np.sort(order[place < most])
    return _Pairs(found.keys[kept], found.counts[kept])


def _table(found: _Pairs, num_items: int, most: int) -> Neighbours:
    rows = num_items + 1
    item, neighbour = np.divmod(found.keys, rows)
    column = np.arange(len(item)) - np.searchsorted(item, np.arange(rows))[item]
    ids = np.full([rows, most], rows, np.int64)
    counts = np.zeros([rows, most], np.float32)
    ids[item, column] = neighbour
    counts[item, column] = found.counts
    return Neighbours(ids, counts)
