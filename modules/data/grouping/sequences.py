"""Rows to one time-ordered list of distinct items a user."""

import collections
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from modules.data.grouping.counting import ItemCountingDoFn
from modules.data.grouping.order import tie_break
from modules.data.grouping.shards import read_shard, write_shard
from modules.data.grouping.spills import Shard, read_segments

ROWS, CELLS = "rows", "cells"
"""Kinds of lines that `GroupByUser` reads: (user, (time, item)), and (user, a row of side features)."""
SEQUENCES = "sequences"

Event = tuple[float, str]
"""(time, item)."""


class Sequence(NamedTuple):
    """What one user did: the events in order, and the raw cells of the user's side features; none where unknown."""

    user: str
    events: list[Event]
    cells: list[str]


def read_sequences(path: str) -> Iterator[Sequence]:
    """Yields the sequences of a shard."""
    for line in read_shard(path):
        yield Sequence(*line)


def first_of_each_item(user: str, events: Iterable[Event], seed: int) -> list[Event]:
    """Returns a user's events in order, of each item only the earliest; see `tie_break` on equal times."""
    seen: set[str] = set()
    kept = []
    for time, item in sorted(events, key=lambda event: (event[0], tie_break(user, event[1], seed))):
        if item not in seen:
            seen.add(item)
            kept.append((time, item))
    return kept


class GroupByUser(ItemCountingDoFn):
    """Turns a `Shard` of rows into the path of a shard of `Sequence`s; emits facts and the counts of items beside.

    Args:
      folder: where the files are written.
      seed: of the order of equal times.
    """

    def __init__(self, folder: str, seed: int) -> None:
        super().__init__(folder)
        self._seed = seed

    def process(self, shard: Shard) -> Iterator[Any]:
        yield from write_shard(self._folder, SEQUENCES, self._sequences(shard))
        yield from self.excess()

    def _sequences(self, shard: Shard) -> Iterator[Sequence]:
        rows: dict[str, list[Any]] = collections.defaultdict(list)
        for user, event in read_segments(shard, ROWS):
            rows[user].append(event)
        cells: dict[str, list] = {}
        for user, row in read_segments(shard, CELLS):
            cells[user] = min(row, cells.get(user, row))
        for user, events in rows.items():
            kept = first_of_each_item(user, events, self._seed)
            self.counts["sequences/duplicates"] += len(events) - len(kept)
            self.counts["sequences/users"] += 1
            self.counts["sequences/interactions"] += len(kept)
            self.count(item for _, item in kept)
            yield Sequence(user, kept, cells[user][-1] if user in cells else [])
