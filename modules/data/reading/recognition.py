"""What the first rows of a file tell of how it is written."""

import csv
import dataclasses
import io
import json
from collections.abc import Iterator, Sequence
from typing import Literal

import pyarrow.parquet as pq

from modules.data.reading import files
from modules.data.reading.table_format import TableFormat
from modules.data.reading.text import encoding_of

SAMPLE_BYTES = 256 << 10
_DELIMITERS = (",", "\t", ";", "|", "::")
_ROWS = 200
_PARQUET = b"PAR1"


@dataclasses.dataclass(frozen=True)
class Recognised:
    """How a file is written, as far as its first rows tell.

    Attributes:
      path: of the file.
      container: what packs it, or None.
      format: "csv", "jsonl", "parquet", "sequences" or "tfrecord".
      encoding: of its text.
      columns: their names, without blanks around where each stands after a blank.
      delimiter: of text.
      quote: of text, "" where quotes mean nothing.
      skip: lines down to the header's, the header's with them.
      width: cells of a row; one more than `columns` where rows end in a delimiter that the header lacks.
      spaced: whether a blank follows each delimiter.
      rows: cells of the first rows, for a person to look at.
    """

    path: str
    container: str | None
    format: Literal["csv", "jsonl", "parquet", "sequences", "tfrecord"]
    encoding: str
    columns: tuple[str, ...]
    delimiter: str = ","
    quote: str = '"'
    skip: int = 0
    width: int = 0
    spaced: bool = False
    rows: tuple[tuple[str, ...], ...] = ()

    @property
    def separation(self) -> str:
        """What to say of the columns' separator where a column is missed."""
        return f", separated by {self.delimiter!r} (`data.delimiter`)" if self.format == "csv" else ""


def recognise(path: str, form: TableFormat, wanted: Sequence[str] = (), sequences: bool = False) -> Recognised | None:
    """Returns how a file is written, or None where it is empty.

    Args:
      path: of the file.
      form: what is known beforehand.
      wanted: columns that are asked for, which tell the delimiter and the header's line.
      sequences: whether each line is a user and their items.

    Raises:
      ValueError: the file is cut off, damaged, or not what `form` says.
    """
    packed = files.container(path)
    with files.open_plain(path) as file:
        start = file.read(SAMPLE_BYTES)
    if not start:
        return None
    if form.format == "parquet" or (form.format == "auto" and start.startswith(_PARQUET)):
        return _parquet(path, packed, start)
    encoding = form.encoding or encoding_of(start)
    lines = _lines(start, encoding)
    if not any(line.strip() for line in lines):
        return None
    if sequences:
        return Recognised(path, packed, "sequences", encoding, ("user_id", "item_id", "position"), form.delimiter or "")
    if form.format == "jsonl" or (form.format == "auto" and _first(lines).startswith(("{", "["))):
        return Recognised(path, packed, "jsonl", encoding, _keys(path, lines))
    return _csv(Recognised(path, packed, "csv", encoding, ()), lines, form, wanted)


def _parquet(path: str, packed: str | None, start: bytes) -> Recognised:
    if not start.startswith(_PARQUET):
        raise ValueError(f"{path} must be a Parquet file, as `data.format` says. Its first bytes are {start[:20]!r}.")
    if packed is not None:
        # Its columns stand at the end, which is not to be reached without unpacking all of it.
        raise ValueError(
            f"{path} must not be packed once more, as Parquet is by itself. Received: {packed}; unpack it."
        )
    try:
        with files.open_raw(path) as raw:
            schema = pq.read_schema(raw)
    except (OSError, ValueError) as error:
        raise ValueError(f"{path} is a damaged or cut-off Parquet file: {error}. Fetch it again.") from error
    return Recognised(path, packed, "parquet", "utf-8", tuple(schema.names))


def _lines(start: bytes, encoding: str) -> list[str]:
    lines = start.decode(encoding, "replace").removeprefix("\ufeff").replace("\r\n", "\n").split("\n")
    if len(lines) == 1:
        lines = lines[0].split("\r")
    # The last line of a sample may be cut.
    return lines[:-1] if len(start) == SAMPLE_BYTES and len(lines) > 1 else lines


def _first(lines: list[str]) -> str:
    return next(line for line in lines if line.strip()).lstrip()


def _keys(path: str, lines: list[str]) -> tuple[str, ...]:
    keys: dict[str, None] = {}
    for line in filter(str.strip, lines[:_ROWS]):
        try:
            row = json.loads(line)
        except ValueError:
            continue
        if isinstance(row, dict):
            keys.update(dict.fromkeys(_paths(row)))
    if not keys:
        raise ValueError(f"{path} must hold one JSON object a line. Its first line is {_first(lines)[:100]!r}.")
    return tuple(keys)


def _paths(row: dict) -> Iterator[str]:
    for key, value in row.items():
        yield key
        if isinstance(value, dict):
            yield from (f"{key}.{inner}" for inner in _paths(value))


def _csv(file: Recognised, lines: list[str], form: TableFormat, wanted: Sequence[str]) -> Recognised:
    delimiters = (form.delimiter,) if form.delimiter else _DELIMITERS
    quotes = ('"', "") if form.quote is None else (form.quote,)
    candidates = [
        _Reading(lines, delimiter, quote, form, wanted)
        for delimiter in delimiters
        for quote in (quotes if len(delimiter) == 1 else ("",))
    ]
    best = max(candidates, key=lambda reading: reading.fit)
    header = tuple(form.header) if form.header is not None else best.header
    if not header:
        raise ValueError(f"The header line of {file.path} cannot be read: broken quoting.")
    spaced = all(cell[:1] == " " and cell.strip() for cell in header[1:]) and len(header) > 1
    if form.header is not None:
        spaced = bool(best.rows) and all(cell[:1] == " " for row in best.rows for cell in row[1:] if cell)
        spaced = spaced and any(len(row) > 1 for row in best.rows)
    columns = tuple(name.strip() for name in header) if spaced else header
    return dataclasses.replace(
        file,
        columns=columns,
        delimiter=best.delimiter,
        quote=best.quote,
        skip=best.skip,
        width=len(columns) + best.trails(len(columns)),
        spaced=spaced,
        rows=tuple(tuple(row) for row in best.rows[:_ROWS]),
    )


class _Reading:
    """The first lines read by one delimiter and one quote; `fit` says how well that goes."""

    def __init__(self, lines: list[str], delimiter: str, quote: str, form: TableFormat, wanted: Sequence[str]) -> None:
        self.delimiter, self.quote = delimiter, quote
        self._form = form
        before = 0 if form.header is not None else self._lines_before_header(lines, wanted)
        body = lines[before : before + _ROWS]
        text = "\n".join(line for line in body if line and not (form.comment and line.startswith(form.comment)))
        self.broken = False
        rows = list(self._cells(text))
        self.header = tuple(rows[0]) if rows and form.header is None else ()
        self.skip = 0 if form.header is not None else before + 1 + "".join(self.header).count("\n")
        self.rows = rows if form.header is not None else rows[1:]
        width = len(form.header or self.header)
        fitting = sum(len(row) == width or (len(row) == width + 1 and not row[-1].strip()) for row in self.rows) / max(
            1, len(self.rows)
        )
        found = sum(name in {cell.strip() for cell in self.header} for name in wanted)
        # What finds the columns that are asked for is right; else what splits all rows alike, the commonest first.
        self.fit = (found, width > 1 and fitting, not self.broken, len(self.rows[0]) if self.rows else width)

    def trails(self, width: int) -> int:
        """Returns 1 where each row ends in an empty cell more than the header has."""
        return int(bool(self.rows) and all(len(row) == width + 1 and not row[-1].strip() for row in self.rows))

    def _lines_before_header(self, lines: list[str], wanted: Sequence[str]) -> int:
        for number, line in enumerate(lines):
            cells = {cell.strip() for cell in next(self._cells(line), [])}
            comment = line.startswith(self._form.comment or "#") and not cells & set(wanted)
            if line.strip() and not comment:
                return number
        return 0

    def _cells(self, text: str) -> Iterator[list[str]]:
        if not self.quote:
            yield from (line.split(self.delimiter) for line in text.split("\n") if line)
            return
        escape = self._form.escape
        doubled = escape is None or escape == self.quote
        reader = csv.reader(
            io.StringIO(text, newline=""),
            delimiter=self.delimiter,
            quotechar=self.quote,
            doublequote=doubled,
            escapechar=None if doubled else escape,
            strict=True,
        )
        try:
            yield from reader
        except csv.Error:
            self.broken = True
