"""Rows to one time-ordered list of distinct items a user."""

import collections
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from modules.data.config import DataConfig
from modules.data.grouping.counting import ItemCountingDoFn
from modules.data.grouping.order import tie_break
from modules.data.grouping.shards import read_shard, write_shard
from modules.data.grouping.spills import Shard, read_segments

ROWS, CELLS = "rows", "cells"
"""Kinds of lines that `GroupByUser` reads: (user, `Rated`), and (user, a row of side features)."""
SEQUENCES = "sequences"

Event = tuple[float, str]
"""(time, item)."""
Rated = tuple[float, str, bool]
"""(time, item, whether it is rated high enough)."""


class Sequence(NamedTuple):
    """What one user did: the events in order, and the raw cells of the user's side features; none where unknown."""

    user: str
    events: list[Event]
    cells: list[str]


def read_sequences(path: str) -> Iterator[Sequence]:
    """Yields the sequences of a shard."""
    for line in read_shard(path):
        yield Sequence(*line)


def one_of_each_item(user: str, rows: Iterable[Rated], data: DataConfig) -> list[Event]:
    """Returns a user's events in order, of each item the one that `data.keep` says; see `tie_break` on equal times."""
    kept: dict[str, Rated] = {}
    # Of one item and time the low rating comes last, whatever the order of the files.
    for time, item, liked in sorted(rows, key=lambda row: (row[0], tie_break(user, row[1], data.seed), not row[2])):
        if data.keep == "last":
            kept.pop(item, None)
            kept[item] = time, item, liked
        elif liked:
            kept.setdefault(item, (time, item, liked))
    return [(time, item) for time, item, liked in kept.values() if liked]


class GroupByUser(ItemCountingDoFn):
    """Turns a `Shard` of rows into the path of a shard of `Sequence`s; emits facts and the counts of items beside.

    Args:
      folder: where the files are written.
      data: the settings.
    """

    def __init__(self, folder: str, data: DataConfig) -> None:
        super().__init__(folder)
        self._data = data

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
            kept = one_of_each_item(user, events, self._data)
            self.counts["sequences/duplicates"] += sum(liked for _, _, liked in events) - len(kept)
            if not kept:
                continue
            most = self._data.max_user_interactions or len(kept)
            self.counts["sequences/capped_users"] += len(kept) > most
            kept = kept[-most:]
            self.counts["sequences/users"] += 1
            self.counts["sequences/interactions"] += len(kept)
            self.count(item for _, item in kept)
            yield Sequence(user, kept, cells[user][-1] if user in cells else [])
