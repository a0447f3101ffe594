"""Rows of cells to what they say; what cannot be used is set aside, counted by reason, and sampled."""

import itertools
import math
import os
from collections.abc import Iterator
from typing import Any, NamedTuple

import apache_beam as beam
import pyarrow as pa
import pyarrow.parquet as pq
from apache_beam.pvalue import TaggedOutput

from modules.data.facts import FACTS, SAMPLES, CountingDoFn
from modules.data.reading import files
from modules.data.reading.conversion import COUNTS, ROW, Part
from modules.data.reading.rejects import SAMPLE_CHARACTERS
from modules.data.reading.rows import BadRow, Interaction, identifier
from modules.data.sources.base import Source

# Room for files of 2^40 rows in a row's place among all rows; see `place`.
_ROW_BITS = 40


class Row(NamedTuple):
    """Cells by column, with the number of their file and of their row in it, from 0 on; and whether it is to count."""

    file: int
    row: int
    cells: dict[str, str]
    counts: bool = True


def place(file: int, row: int) -> int:
    """Returns a number that orders rows by file, then by place in the file."""
    return (file << _ROW_BITS) + row


class EachPart(beam.PTransform):
    """Emits the row groups of a table, spread over the workers."""

    def __init__(self, parts: list[Part]) -> None:
        super().__init__()
        self._parts = parts

    def expand(self, pipeline: beam.Pipeline) -> beam.PCollection:
        return pipeline | "Parts" >> beam.Create(self._parts) | "Spread" >> beam.Reshuffle()


def rows_of(part: Part) -> Iterator[Row]:
    """Yields the rows of a row group; the memory it takes is that of a row group."""
    with files.open_raw(part.parquet) as raw:
        wanted = [*dict.fromkeys(part.columns.values()), *([ROW] if part.converted else [])]
        table = pq.ParquetFile(pa.PythonFile(raw, "r")).read_row_group(part.group, columns=wanted)
    names = [name for name in part.columns if name != COUNTS]
    columns = [_texts(table[part.columns[name]]) for name in names]
    numbers = table[ROW].to_pylist() if part.converted else range(part.first, part.first + table.num_rows)
    counts = table[COUNTS].to_pylist() if COUNTS in part.columns else itertools.repeat(True)
    for number, count, *cells in zip(numbers, counts, *columns, strict=False):
        yield Row(part.file, number, dict(zip(names, cells, strict=True)), count)


def _texts(column: pa.ChunkedArray) -> list[str]:
    if pa.types.is_string(column.type):
        return [cell or "" for cell in column.to_pylist()]
    if pa.types.is_nested(column.type):
        return ["|".join(map(str, cell)) if cell is not None else "" for cell in column.to_pylist()]
    return [cell or "" for cell in column.cast(pa.string()).to_pylist()]


class ParseTable(CountingDoFn):
    """Turns row groups into rows; subclasses say what a row is.

    Emits rows; what cannot be used is set aside, and leaves only facts: how many rows there were of
    each reason, and the first few of them.
    """

    def __init__(self, name: str) -> None:
        super().__init__()
        self._name = name

    def process(self, part: Part) -> Iterator[Any]:
        read = 0
        for row in rows_of(part):
            read += 1
            if not row.counts:
                self.counts[f"{self._name}/ignored"] += 1
                continue
            try:
                yield from self.rows(row)
            except BadRow as error:
                yield from self._set_aside(part, row, str(error))
        self.counts[f"{self._name}/read"] += read
        self.counts[f"{self._name}/read/{part.path}"] += read

    def rows(self, row: Row) -> Iterator[Any]:
        raise NotImplementedError

    def _set_aside(self, part: Part, row: Row, reason: str) -> Iterator[TaggedOutput]:
        self.counts[f"{self._name}/bad"] += 1
        self.counts[f"reason/{self._name}/{reason}"] += 1
        if self.counts[f"reason/{self._name}/{reason}"] <= SAMPLES:
            text = ",".join(row.cells.values())[:SAMPLE_CHARACTERS]
            sample = [os.path.basename(part.path), part.lines + row.row + 1, text]
            yield TaggedOutput(FACTS, (f"sample/{self._name}/{reason}", [sample]))


class ParseInteractions(ParseTable):
    """Emits (user, (time, item, liked)) of the rows rated high enough; of `data.keep: last` also of the others.

    `time` is the timestamp; where there is none, the place of the row in the files under `data.order: file`, else 0.
    Under the tags "items" and "users", (id, ((empty cells, time), cells)) of side features that
    stand in the interactions' rows.
    """

    def __init__(self, source: Source, items: bool, users: bool) -> None:
        super().__init__("interactions")
        self._source = source
        self._items = items
        self._users = users

    def process(self, part: Part) -> Iterator[Any]:
        self._first, self._last = math.inf, -math.inf
        yield from super().process(part)
        if self._first <= self._last:
            yield TaggedOutput(FACTS, ("first/interactions", self._first))
            yield TaggedOutput(FACTS, ("last/interactions", self._last))

    def rows(self, row: Row) -> Iterator[Any]:
        found = self._source.interaction(row.cells, items=self._items, users=self._users)
        if found is None:
            self.counts["interactions/ignored"] += 1
            return
        time = found.timestamp
        if time is None:
            time = self._place_or_none(row)
        else:
            self._first, self._last = min(self._first, time), max(self._last, time)
        if self._items:
            yield TaggedOutput("items", side_row(found.item, time, found.item_side))
        if self._users:
            yield TaggedOutput("users", side_row(found.user, time, found.user_side))
        threshold = self._source.data.min_rating
        liked = threshold is None or found.rating is None or found.rating >= threshold
        self.counts["interactions/low"] += not liked
        if liked or self._source.data.keep == "last":
            yield found.user, (time, found.item, liked)

    def _place_or_none(self, row: Row) -> float:
        return place(row.file, row.row) if self._source.data.order == "file" else 0.0


class ParseRows(ParseTable):
    """Emits the `Interaction`s themselves, however they are rated."""

    def __init__(self, source: Source, items: bool, users: bool) -> None:
        super().__init__("interactions")
        self._source = source
        self._items = items
        self._users = users

    def rows(self, row: Row) -> Iterator[Interaction]:
        found = self._source.interaction(row.cells, items=self._items, users=self._users)
        if found is None:
            self.counts["interactions/ignored"] += 1
        else:
            yield found


class ParseSide(ParseTable):
    """Emits (id, ((empty cells, place), cells)) of a separate table of items or users."""

    def __init__(self, source: Source, kind: str) -> None:
        super().__init__(kind)
        self._side = source.item_side if kind == "items" else source.user_side

    def rows(self, row: Row) -> Iterator[Any]:
        # The key is the first column that is read of the table.
        key = identifier(next(iter(row.cells.values())), self._name.removesuffix("s"))
        yield side_row(key, place(row.file, row.row), self._side(row.cells))


def side_row(key: str, time: float, cells: tuple[str, ...]) -> tuple[str, tuple[int, float, tuple[str, ...]]]:
    """Returns a side row whose smallest value per key is the fullest, then the earliest one."""
    return key, (cells.count(""), time, cells)
