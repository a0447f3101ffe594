"""What follows what: how often each item came after each other one."""

import dataclasses
from collections.abc import Iterable

import numpy as np

from modules.models.neighbours.base import NeighbourKind, Neighbours, Sequences

GAP = 20
"""How far apart two items of a sequence may be to count as a pair."""
GAP_DECAY = 0.8
"""A pair g places apart counts GAP_DECAY^(g - 1)."""
BACKWARD = 0.5
"""What a pair counts against its direction, as a share of what it counts along it."""

_ROOM = 8
"""While counting, an item has room for this many times the neighbours it keeps,"""
_MOST_PAIRS = 1 << 25
"""unless all items together would have more: then for fewer, at least for those it keeps."""
_FEW_PAIRS = 1 << 20
"""Pairs are not added up before there are so many new ones: each time, all that is known is sorted."""


class Directed(NeighbourKind):
    """Counts which items come after which, nearer ones for more, and keeps the most frequent ones of each item.

        count(i, j) = sum over i at p and j at q of one sequence of  d^(q - p - 1) if p < q,  b d^(p - q - 1) if q < p
        weight(i, j) = count(i, j) / sqrt(n_i n_j)

    with |q - p| <= GAP, d = GAP_DECAY and b = BACKWARD. Items of one basket are no pair; to all others the gap is
    counted from the nearest item of the basket. Memory is bounded by the corpus: whenever items have on average more
    neighbours than there is room for, each drops its rarest beyond that. Where that has not happened, counts are exact.
    """

    @classmethod
    def find(cls, sequences: Iterable[Sequences], item_counts: np.ndarray, most: int) -> Neighbours:
        """See base class."""
        found = _count(sequences, len(item_counts), most)
        item, neighbour = np.divmod(found.keys, len(item_counts))
        counts = np.maximum(item_counts, 1)
        weights = found.counts / np.sqrt(counts[item] * counts[neighbour])
        column = np.arange(len(item)) - np.searchsorted(item, np.arange(len(item_counts)))[item]
        table = Neighbours(np.zeros([len(item_counts), most], np.int32), np.zeros([len(item_counts), most], np.float32))
        table.ids[item, column] = neighbour
        table.weights[item, column] = weights
        return table


@dataclasses.dataclass(frozen=True)
class _Pairs:
    """Decayed counts by pair: `keys` are first item * (N + 1) + second item."""

    keys: np.ndarray
    counts: np.ndarray


def _count(sequences: Iterable[Sequences], rows: int, most: int) -> _Pairs:
    found = _Pairs(np.zeros(0, np.int64), np.zeros(0, np.float64))
    room = max(most, min(_ROOM * most, _MOST_PAIRS // rows))
    waiting: list[_Pairs] = []
    for part in sequences:
        waiting.append(_pairs_of(part, rows))
        if sum(len(pairs.keys) for pairs in waiting) > max(_FEW_PAIRS, len(found.keys) // 2):
            found, waiting = _add_up([found, *waiting]), []
            if len(found.keys) > room * (rows - 1):
                found = _most_frequent(found, rows, room)
    return _most_frequent(_add_up([found, *waiting]), rows, most)


def _pairs_of(part: Sequences, rows: int) -> _Pairs:
    items, users, starts = part
    keys, counts = [np.zeros(0, np.int64)], [np.zeros(0)]
    for gap in range(1, min(GAP, len(items) - 1) + 1):
        later = np.flatnonzero(starts >= gap)
        earlier = starts[later] - gap
        first, second = items[earlier], items[later]
        pairs = (users[earlier] == users[later]) & (first > 0) & (second > 0) & (first != second)
        first, second = first[pairs], second[pairs]
        weight = GAP_DECAY ** (gap - 1)
        for one, other, count in ((first, second, weight), (second, first, BACKWARD * weight)):
            keys.append(one * rows + other)
            counts.append(np.full(len(one), count))
    return _Pairs(np.concatenate(keys), np.concatenate(counts))


def _add_up(parts: list[_Pairs]) -> _Pairs:
    keys, places = np.unique(np.concatenate([part.keys for part in parts]), return_inverse=True)
    return _Pairs(keys, np.bincount(places, np.concatenate([part.counts for part in parts]), len(keys)))


def _most_frequent(found: _Pairs, rows: int, most: int) -> _Pairs:
    item = found.keys // rows
    order = np.lexsort([found.keys, -found.counts, item])
    starts = np.searchsorted(item[order], np.arange(rows))
    place = np.arange(len(order)) - starts[item[order]]
    kept = np.sort(order[place < most])
    return _Pairs(found.keys[kept], found.counts[kept])
