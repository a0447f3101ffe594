"""Counting by key where one element holds many keys."""

import collections
from collections.abc import Callable, Iterator
from typing import Any

import apache_beam as beam
from apache_beam.transforms.window import GlobalWindows

Counter = collections.Counter[str]

# Enough for the popular keys to be met again and again, little enough for any worker.
_MAX_KEYS = 100_000


class _PartialCounts(beam.DoFn):
    def __init__(self, add: Callable[[Counter, Any], None], max_keys: int) -> None:
        super().__init__()
        self._add = add
        self._max_keys = max_keys

    def start_bundle(self) -> None:
        self._counts: Counter = collections.Counter()

    def process(self, element: Any) -> Iterator[tuple[str, int]]:
        self._add(self._counts, element)
        if len(self._counts) > self._max_keys:
            yield from self._counts.items()
            self._counts.clear()

    def finish_bundle(self) -> Iterator[Any]:
        for count in self._counts.items():
            yield GlobalWindows.windowed_value(count)


class CountKeys(beam.PTransform):
    """Returns (key, number) pairs.

    Beam's own combiner lifting would do the same, but only after each occurrence of each key has
    been an element of its own; this is several times faster on lists of items.

    Args:
      add: adds the keys of one element to a counter; a key may be given 0.
      max_keys: held at once by a worker.
    """

    def __init__(self, add: Callable[[Counter, Any], None], max_keys: int = _MAX_KEYS) -> None:
        super().__init__()
        self._add = add
        self._max_keys = max_keys

    def expand(self, elements: beam.PCollection) -> beam.PCollection:
        partial = elements | "Partial" >> beam.ParDo(_PartialCounts(self._add, self._max_keys))
        return partial | "Total" >> beam.CombinePerKey(sum)
