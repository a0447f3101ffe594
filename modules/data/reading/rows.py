"""One line of a table: its cells, its numbers, its time, and what is wrong with it."""

import csv
import dataclasses
import datetime
import math
import re
from collections.abc import Iterator
from typing import NamedTuple

from modules.data.reading import files

_LATEST_SECONDS = 1e11
_LATEST_MILLISECONDS = 1e14
_ISO = re.compile(
    r"(?P<date>\d{4}-\d{2}-\d{2})"
    r"(?:[T ](?P<time>\d{2}:\d{2}(?::\d{2})?)(?:[.,](?P<fraction>\d+))?)?"
    r"\s*(?P<zone>Z|UTC|[+-]\d{2}(?::?\d{2})?)?",
    re.IGNORECASE,
)


class BadRow(ValueError):
    """A row that cannot be used; its message is the reason rows are counted by."""


class Interaction(NamedTuple):
    """What one row of the interactions says.

    `item_side` and `user_side` are raw cells, (title, *item features) and (*user features); empty
    where the source keeps them in a table of their own.
    """

    user: str
    item: str
    rating: float | None
    timestamp: float | None
    item_side: tuple[str, ...] = ()
    user_side: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Layout:
    """How the lines of a table are written.

    Attributes:
      delimiter: field separator; one character follows CSV quoting, a longer one is split plainly.
      header: column names, or None where the first line of each file holds them.
      encoding: of the text.
      quoted: False where a quote character means nothing.
    """

    delimiter: str = ","
    header: tuple[str, ...] | None = None
    encoding: str = "utf-8"
    quoted: bool = True

    @property
    def separation(self) -> str:
        """What to say of the columns' separator where a column is missed."""
        return f", separated by {self.delimiter!r} (`data.delimiter`)"

    def ranges(self, paths: list[str]) -> list[files.Range]:
        """Cuts the files into ranges that can be read independently."""
        return files.ranges(paths)

    def lines(self, part: files.Range) -> Iterator[tuple[int, bytes]]:
        """Yields (place in the file, line) of a range."""
        return files.read_lines(part)

    def first_line(self, path: str) -> bytes:
        """Returns the first line of a file; empty for an empty one."""
        return files.first_line(path)

    def fields(self, line: bytes) -> list[str]:
        """Returns the line's cells, exactly as written; raises BadRow."""
        try:
            text = line.decode(self.encoding)
        except UnicodeDecodeError as error:
            raise BadRow(f"not {self.encoding} text") from error
        if len(self.delimiter) > 1 or not self.quoted:
            return text.split(self.delimiter)
        try:
            return next(csv.reader([text], delimiter=self.delimiter, strict=True))
        except (csv.Error, StopIteration) as error:
            raise BadRow("broken quoting") from error

    def cells(self, line: bytes, header: tuple[str, ...]) -> dict[str, str]:
        """Returns the line's cells by column; raises BadRow, also for too few or many."""
        fields = self.fields(line)
        if len(fields) != len(header):
            raise BadRow(f"{len(fields)} cells where the table has {len(header)} columns")
        return dict(zip(header, fields, strict=True))


def identifier(text: str, what: str) -> str:
    """Returns an id unchanged; raises BadRow where it is empty or spans lines."""
    if not text:
        raise BadRow(f"no {what} id")
    if "\n" in text or "\r" in text:
        # Vocabularies are text files of one id a line.
        raise BadRow(f"line break in the {what} id")
    return text


def number(text: str) -> float | None:
    """Returns the finite number a cell holds, or None."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) and "_" not in text else None


def rating(text: str) -> float:
    """Returns the rating in a cell; raises BadRow."""
    value = number(text)
    if value is None:
        raise BadRow("unreadable rating")
    return value


def timestamp(text: str) -> float:
    """Returns unix seconds of a cell with unix seconds or milliseconds, or ISO 8601; raises BadRow.

    A number from 1e11 on (the year 5138 in seconds, 1973 in milliseconds) is in milliseconds. A
    time without a zone is taken as UTC.
    """
    value = number(text)
    if value is None:
        return _iso_seconds(text)
    if abs(value) < _LATEST_SECONDS:
        return value
    if abs(value) < _LATEST_MILLISECONDS:
        return value / 1000
    raise BadRow("unreadable timestamp")


def _iso_seconds(text: str) -> float:
    match = _ISO.fullmatch(text.strip())
    if match is None:
        raise BadRow("unreadable timestamp")
    zone = match["zone"]
    if zone is None or zone.upper() in ("Z", "UTC"):
        zone = "+00:00"
    elif len(zone) == 3:
        zone += ":00"
    elif ":" not in zone:
        zone = f"{zone[:3]}:{zone[3:]}"
    try:
        moment = datetime.datetime.fromisoformat(f"{match['date']}T{match['time'] or '00:00'}{zone}")
    except ValueError as error:
        raise BadRow("unreadable timestamp") from error
    return moment.timestamp() + float(f"0.{match['fraction'] or 0}")
