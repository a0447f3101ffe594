"""Counting the items of many lists in bounded memory."""

import collections
from collections.abc import Iterable, Iterator
from typing import Any

from apache_beam.pvalue import TaggedOutput
from apache_beam.transforms.window import GlobalWindows

from modules.data.facts import CountingDoFn
from modules.data.grouping.spills import CombinedSpills, Shard, read_segments

COUNTS = "counts"
"""The tag of spilled counts, and the kind of their lines."""


class ItemCountingDoFn(CountingDoFn):
    """A DoFn that counts items with `count` and emits the counts as `Spill`s under the tag COUNTS.

    Args:
      folder: of the spills.
    """

    def __init__(self, folder: str) -> None:
        super().__init__()
        self._folder = folder

    def start_bundle(self) -> None:
        super().start_bundle()
        self._items = CombinedSpills(self._folder, COUNTS)

    def count(self, items: Iterable[str], by: int = 1) -> None:
        """Adds `by`, which may be 0, to the count of each item."""
        counts = self._items.values
        for item in items:
            counts[item] = counts.get(item, 0) + by

    def excess(self) -> Iterator[TaggedOutput]:
        """Yields what has to be emitted before more is counted."""
        for spill in self._items.excess():
            yield TaggedOutput(COUNTS, spill)

    def finish_bundle(self) -> Iterator[Any]:
        yield from super().finish_bundle()
        for spill in self._items.rest():
            yield TaggedOutput(COUNTS, GlobalWindows.windowed_value(spill))


def counts_in(shard: Shard) -> dict[str, int]:
    """Returns the count of each item of a shard."""
    counts: collections.Counter[str] = collections.Counter()
    for item, count in read_segments(shard, COUNTS):
        counts[item] += count
    return counts
