"""Lines to rows; what cannot be read is set aside, counted by reason, and sampled."""

import os
from collections.abc import Iterator
from typing import Any, NamedTuple

import apache_beam as beam
from apache_beam.pvalue import TaggedOutput

from modules.data.facts import FACTS, SAMPLES, CountingDoFn
from modules.data.reading import files
from modules.data.reading.rows import BadRow, Interaction, Layout
from modules.data.sources.base import Source, Table, header_of

_SAMPLE_CHARACTERS = 200
# Room for files of 1 TiB in a line's place among all lines; see `place`.
_OFFSET_BITS = 40


class Line(NamedTuple):
    """One line, with its file's number and path and its offset there."""

    file: int
    path: str
    offset: int
    text: bytes


def place(file: int, offset: int) -> int:
    """Returns a number that orders lines by file, then by place in the file."""
    return (file << _OFFSET_BITS) + offset


class ReadLines(beam.PTransform):
    """Reads the files a pattern matches, range by range, into `Line`s, header lines included.

    Args:
      pattern: of the files, or several.
      layout: how they are written.
    """

    def __init__(self, pattern: files.Patterns, layout: Layout) -> None:
        super().__init__()
        self._pattern = pattern
        self._layout = layout

    def expand(self, pipeline: beam.Pipeline) -> beam.PCollection:
        parts = self._layout.ranges(files.matching(self._pattern))
        return (
            pipeline
            | "Ranges" >> beam.Create(parts)
            | "Spread" >> beam.Reshuffle()
            | "Lines" >> beam.FlatMap(lines_of, self._layout)
        )


def lines_of(part: files.Range, layout: Layout) -> Iterator[Line]:
    """Yields the lines of a range, header line included."""
    for offset, text in layout.lines(part):
        yield Line(part.file, part.path, offset, text)


class ParseTable(CountingDoFn):
    """Turns `Line`s into rows; subclasses say what a row is.

    Emits rows; what cannot be read is set aside, and leaves only facts: how many rows there were of
    each reason, and the first few of them.
    """

    def __init__(self, name: str, layout: Layout) -> None:
        super().__init__()
        self._name = name
        self._layout = layout
        self._headers: dict[str, tuple[str, ...]] = {}

    def process(self, line: Line) -> Iterator[Any]:
        header = self._headers.get(line.path)
        if header is None:
            header = self._headers[line.path] = header_of(line.path, self._layout)
        if line.offset == 0 and self._layout.header is None:
            return
        self.counts[f"{self._name}/read"] += 1
        self.counts[f"{self._name}/read/{line.path}"] += 1
        try:
            yield from self.rows(self._layout.cells(line.text, header), line)
        except BadRow as error:
            yield from self._set_aside(line, str(error))
        except KeyError as error:
            # Only a file whose header differs from the one that was checked gets here.
            yield from self._set_aside(line, f"no column {error} in the file's header")

    def rows(self, cells: dict[str, str], line: Line) -> Iterator[Any]:
        raise NotImplementedError

    def _set_aside(self, line: Line, reason: str) -> Iterator[TaggedOutput]:
        self.counts[f"{self._name}/bad"] += 1
        self.counts[f"reason/{self._name}/{reason}"] += 1
        if self.counts[f"reason/{self._name}/{reason}"] <= SAMPLES:
            text = line.text[:_SAMPLE_CHARACTERS].decode(self._layout.encoding, "replace")
            sample = [os.path.basename(line.path), line.offset, text]
            yield TaggedOutput(FACTS, (f"sample/{self._name}/{reason}", [sample]))


class ParseInteractions(ParseTable):
    """Emits (user, (time, item)) of the rows rated high enough.

    `time` is the timestamp; where there is none, the place of the row in the files under `data.order: file`, else 0.
    Under the tags "items" and "users", (id, ((empty cells, time), cells)) of side features that
    stand in the interactions' rows.
    """

    def __init__(self, source: Source, items: bool, users: bool) -> None:
        super().__init__("interactions", source.layout)
        self._source = source
        self._items = items
        self._users = users

    def rows(self, cells: dict[str, str], line: Line) -> Iterator[Any]:
        row = self._source.interaction(cells, items=self._items, users=self._users)
        if row is None:
            self.counts["interactions/ignored"] += 1
            return
        time = self._place_or_none(line) if row.timestamp is None else row.timestamp
        if self._items:
            yield TaggedOutput("items", side_row(row.item, time, row.item_side))
        if self._users:
            yield TaggedOutput("users", side_row(row.user, time, row.user_side))
        threshold = self._source.data.min_rating
        if threshold is not None and row.rating is not None and row.rating < threshold:
            self.counts["interactions/low"] += 1
        else:
            yield row.user, (time, row.item)

    def _place_or_none(self, line: Line) -> float:
        return place(line.file, line.offset) if self._source.data.order == "file" else 0.0


class ParseRows(ParseTable):
    """Emits the `Interaction`s themselves, however they are rated."""

    def __init__(self, source: Source, items: bool, users: bool) -> None:
        super().__init__("interactions", source.layout)
        self._source = source
        self._items = items
        self._users = users

    def rows(self, cells: dict[str, str], line: Line) -> Iterator[Interaction]:
        row = self._source.interaction(cells, items=self._items, users=self._users)
        if row is None:
            self.counts["interactions/ignored"] += 1
        else:
            yield row


class ParseItems(ParseTable):
    """Emits (item, ((empty cells, place), cells)) of a separate table of items."""

    def __init__(self, source: Source, table: Table) -> None:
        super().__init__("items", table.layout)
        self._source = source
        self._key = table.key

    def rows(self, cells: dict[str, str], line: Line) -> Iterator[Any]:
        side = self._source.item_side(cells)
        yield side_row(_key(cells, self._key, "item"), place(line.file, line.offset), side)


class ParseUsers(ParseTable):
    """Emits (user, ((empty cells, place), cells)) of a separate table of users."""

    def __init__(self, source: Source, table: Table) -> None:
        super().__init__("users", table.layout)
        self._source = source
        self._key = table.key

    def rows(self, cells: dict[str, str], line: Line) -> Iterator[Any]:
        side = self._source.user_side(cells)
        yield side_row(_key(cells, self._key, "user"), place(line.file, line.offset), side)


def _key(cells: dict[str, str], column: str, what: str) -> str:
    if not cells[column]:
        raise BadRow(f"no {what} id")
    return cells[column]


def side_row(key: str, time: float, cells: tuple[str, ...]) -> tuple[str, tuple[int, float, tuple[str, ...]]]:
    """Returns a side row whose smallest value per key is the fullest, then the earliest one."""
    return key, (cells.count(""), time, cells)
