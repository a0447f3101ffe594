"""Grouping by key in bounded memory on any runner: through files, from which shards of bounded size are cut.

A worker collects lines by a hash of their key, its slot, and from time to time writes what it has to a file, slot after
slot. When all have done so, adjacent slots are put together to shards of at most `SHARD_BYTES`, as the lines of all
files allow; a shard is grouped in memory by one worker. So what a worker holds depends on neither the number of rows
nor the runner: Beam's own GroupByKey leaves that to the runner, and the in-memory runner keeps everything.
"""

import collections
import json
import zlib
from collections.abc import Iterator
from typing import Any

import apache_beam as beam
import tensorflow as tf
from apache_beam.transforms.window import GlobalWindows

from modules.data.grouping.shards import new_path

SLOTS = 1024
"""Parts that a shard is made of. What has more than SLOTS times SHARD_BYTES has larger shards."""
SPILL_BYTES = 16 << 20
"""Lines that a worker collects before it writes them."""
SHARD_BYTES = 8 << 20
"""Lines that are grouped together: some 150,000 interactions."""
SPILLED_KEYS = 100_000
"""Keys whose values a worker combines before it spills them: enough for the popular ones to be met again and again."""

Spill = tuple[str, list[int]]
"""(path, where in it each slot's lines begin and the last one's end: [SLOTS + 1])."""
Segment = tuple[str, int, int]
"""(path, first byte, last byte + 1)."""
Shard = dict[str, list[Segment]]
"""Segments of all the lines of some keys, by what kind of lines they are."""


class SpillWriter:
    """Collects (key, value) pairs by slot, and writes them to files.

    Args:
      folder: every worker must reach it.
      name: of the data.
    """

    def __init__(self, folder: str, name: str) -> None:
        self._folder = folder
        self._name = name
        self._slots: dict[int, bytearray] = collections.defaultdict(bytearray)
        self._size = 0

    def add(self, key: str, value: Any) -> Iterator[Spill]:
        """Takes a pair, any value that JSON can hold; yields a file where it is time to write one."""
        line = json.dumps([key, value]).encode() + b"\n"
        self._slots[zlib.crc32(key.encode()) % SLOTS] += line
        self._size += len(line)
        if self._size >= SPILL_BYTES:
            yield from self.rest()

    def rest(self) -> Iterator[Spill]:
        """Yields a file of what has been collected, where there is anything."""
        if not self._size:
            return
        path, offsets = new_path(self._folder, self._name), [0]
        with tf.io.gfile.GFile(path, "wb") as file:
            for slot in range(SLOTS):
                part = self._slots.pop(slot, b"")
                file.write(bytes(part))
                offsets.append(offsets[-1] + len(part))
        self._size = 0
        yield path, offsets


class CombinedSpills:
    """Values by key that are combined as far as memory allows; who reads the shards combines the rest.

    Args:
      folder: every worker must reach it.
      name: of the data.

    Attributes:
      values: by key, to be changed by the owner.
    """

    def __init__(self, folder: str, name: str) -> None:
        self.values: dict[str, Any] = {}
        self._writer = SpillWriter(folder, name)

    def excess(self) -> Iterator[Spill]:
        """Yields files where more than `SPILLED_KEYS` keys were held."""
        if len(self.values) > SPILLED_KEYS:
            yield from self._move()

    def rest(self) -> Iterator[Spill]:
        """Yields files of all that is left."""
        yield from self._move()
        yield from self._writer.rest()

    def _move(self) -> Iterator[Spill]:
        for key, value in self.values.items():
            yield from self._writer.add(key, value)
        self.values.clear()


class SpillRows(beam.DoFn):
    """Emits `Spill`s of (key, value) pairs."""

    def __init__(self, folder: str, name: str) -> None:
        super().__init__()
        self._folder = folder
        self._name = name

    def start_bundle(self) -> None:
        self._writer = SpillWriter(self._folder, self._name)

    def process(self, row: tuple[str, Any]) -> Iterator[Spill]:
        yield from self._writer.add(*row)

    def finish_bundle(self) -> Iterator[Any]:
        yield from map(GlobalWindows.windowed_value, self._writer.rest())


class SpillSmallest(beam.DoFn):
    """Emits `Spill`s of (key, value) pairs that hold the smallest value of each key, and others that are larger."""

    def __init__(self, folder: str, name: str) -> None:
        super().__init__()
        self._folder = folder
        self._name = name

    def start_bundle(self) -> None:
        self._spills = CombinedSpills(self._folder, self._name)

    def process(self, row: tuple[str, Any]) -> Iterator[Spill]:
        key, value = row
        values = self._spills.values
        values[key] = min(value, values.get(key, value))
        yield from self._spills.excess()

    def finish_bundle(self) -> Iterator[Any]:
        yield from map(GlobalWindows.windowed_value, self._spills.rest())


def cut_into_shards(label: str, spills: dict[str, beam.PCollection]) -> beam.PCollection:
    """Returns the `Shard`s of some `Spill`s, spread over the workers.

    Args:
      label: of the steps.
      spills: by what kind of lines they hold.
    """
    tagged = tuple(of_kind | f"{label}/Tag[{kind}]" >> beam.Map(_tagged, kind) for kind, of_kind in spills.items())
    return (
        tagged
        | f"{label}/Kinds" >> beam.Flatten()
        | f"{label}/Together" >> beam.combiners.ToList()
        | f"{label}/Cut" >> beam.FlatMap(shards_of)
        | f"{label}/Spread" >> beam.Reshuffle()
    )


def _tagged(spill: Spill, kind: str) -> tuple[str, Spill]:
    return kind, spill


def shards_of(spills: list[tuple[str, Spill]]) -> Iterator[Shard]:
    """Yields shards of as many slots as fit into `SHARD_BYTES`, and of one slot at least; empty ones are left out.

    Args:
      spills: (kind of its lines, spill).
    """
    sizes = [sum(spill[1][slot + 1] - spill[1][slot] for _, spill in spills) for slot in range(SLOTS)]
    first, size = 0, 0
    for slot in range(SLOTS + 1):
        if slot == SLOTS or (size and size + sizes[slot] > SHARD_BYTES):
            if size:
                yield _shard(spills, first, slot)
            first, size = slot, 0
        if slot < SLOTS:
            size += sizes[slot]


def _shard(spills: list[tuple[str, Spill]], first: int, stop: int) -> Shard:
    shard: Shard = collections.defaultdict(list)
    for kind, (path, offsets) in spills:
        if offsets[stop] > offsets[first]:
            shard[kind].append((path, offsets[first], offsets[stop]))
    return dict(shard)


def as_spills(files: list[list]) -> list[Spill]:
    """Returns spills that have been through JSON as they were."""
    return [(path, offsets) for path, offsets in files]


def read_segments(shard: Shard, kind: str) -> Iterator[tuple[str, Any]]:
    """Yields the (key, value) pairs of a kind; a tuple within a value comes back as a list."""
    for path, start, stop in shard.get(kind, []):
        with tf.io.gfile.GFile(path, "rb") as file:
            file.seek(start)
            lines = file.read(stop - start).splitlines()
        yield from map(json.loads, lines)
