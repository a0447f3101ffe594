"""The k-core: users and items with at least k interactions among themselves, and nobody else.

A round drops the rare items, then the users left with too little. Rounds repeat until one drops
nothing; the result does not depend on the order, since the k-core is unique.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import apache_beam as beam

from modules.data.facts import FACTS, CountingDoFn
from modules.data.grouping.counting import COUNTS, ItemCountingDoFn, counts_in
from modules.data.grouping.sequences import SEQUENCES, Sequence, read_sequences
from modules.data.grouping.shards import read_shard, write_shard
from modules.data.grouping.spills import Shard, cut_into_shards


class Counted(NamedTuple):
    """Sequences and how often each item occurs in them.

    Attributes:
      sequences: paths of shards of `Sequence`s.
      counts: `Spill`s of items' counts.
    """

    sequences: beam.PCollection
    counts: beam.PCollection


def core_round(
    before: Counted, number: int, min_user: int, min_item: int, folder: str
) -> tuple[Counted, list[beam.PCollection]]:
    """Returns what one round leaves, and facts on what it dropped.

    A worker holds in memory the set of rare items, and the items of a shard.

    Args:
      before: what to filter.
      number: of the round, from 1; facts are named "kcore/<number>/users|items|interactions".
      min_user: a user with fewer items is dropped.
      min_item: an item with fewer users is dropped.
      folder: temporary; every worker must be able to read and write there.
    """
    label = f"Round{number}"
    shards = cut_into_shards(f"{label}/Counts", {COUNTS: before.counts})
    rare = shards | f"{label}/Rare" >> beam.ParDo(_Rare(number, min_item, folder)).with_outputs(FACTS, main="rare")
    kept = before.sequences | f"{label}/Drop" >> beam.ParDo(
        _Drop(number, min_user, folder), beam.pvalue.AsList(rare.rare)
    ).with_outputs(FACTS, COUNTS, main="kept")
    return Counted(kept.kept, kept[COUNTS]), [rare[FACTS], kept[FACTS]]


class _Rare(CountingDoFn):
    """Writes the rare items of a `Shard` of counts, and emits the path."""

    def __init__(self, number: int, min_item: int, folder: str) -> None:
        super().__init__()
        self._name = f"kcore/{number}/items"
        self._min_item = min_item
        self._folder = folder

    def process(self, shard: Shard) -> Iterator[str]:
        rare = [item for item, count in counts_in(shard).items() if count < self._min_item]
        self.counts[self._name] += len(rare)
        yield from write_shard(self._folder, "rare", rare)


class _Drop(ItemCountingDoFn):
    """Writes what is left of a shard of `Sequence`s, and emits the path."""

    def __init__(self, number: int, min_user: int, folder: str) -> None:
        super().__init__(folder)
        self._number = number
        self._name = f"kcore/{number}"
        self._min_user = min_user
        self._rare: set[str] = set()
        self._rare_paths: list[str] = []

    def process(self, path: str, rare_paths: list[str]) -> Iterator[Any]:
        if not rare_paths and self._number > 1:
            # Every user has been looked at in the round before: the core is reached.
            yield path
            return
        if rare_paths != self._rare_paths:
            self._rare = {item for rare_path in rare_paths for item in read_shard(rare_path)}
            self._rare_paths = rare_paths
        yield from write_shard(self._folder, SEQUENCES, self._kept(path))
        yield from self.excess()

    def _kept(self, path: str) -> Iterator[Sequence]:
        for user, events, cells in read_sequences(path):
            kept = [event for event in events if event[1] not in self._rare] if self._rare else events
            if len(kept) < self._min_user:
                self.counts[f"{self._name}/users"] += 1
                kept = []
            self.counts[f"{self._name}/interactions"] += len(events) - len(kept)
            if kept:
                self.count(item for _, item in kept)
                yield Sequence(user, kept, cells)
