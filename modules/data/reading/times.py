"""Cells to unix seconds."""

import datetime
import functools
import re
from collections.abc import Callable
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from modules.data.reading.rows import BadRow, number

_SIZES = ((1e11, 1.0), (1e14, 1e3), (1e17, 1e6), (1e20, 1e9))
"""Below which number -> how many of its units a second has; 1e11 is the year 5138 in seconds, 1973 in milliseconds."""
_BLANKS = frozenset(["nan", "nat", "none", "null", "\\n", "<na>"])
_EXCEL_EPOCH = 25569
_DAY = 86400.0
_ISO = re.compile(
    r"(?P<date>\d{4}[-/]\d{1,2}[-/]\d{1,2})"
    r"(?:[T ]+(?P<time>\d{1,2}:\d{2}(?::\d{2})?)(?:[.,](?P<fraction>\d+))?(?:\s*(?P<half>AM|PM)\b)?)?"
    r"\s*(?P<zone>Z|UTC|GMT|[+-]\d{2}(?::?\d{2})?|[A-Z][a-z]+(?:/\w+)+)?",
    re.IGNORECASE,
)
_GUESSES = (
    *("%d-%m-%Y %H:%M", "%m/%d/%Y %H:%M", "%d/%m/%Y %H:%M", "%d.%m.%Y %H:%M", "%m-%d-%Y %H:%M"),
    *("%d-%m-%Y %H:%M:%S", "%m/%d/%Y %H:%M:%S", "%d/%m/%Y %H:%M:%S", "%d.%m.%Y %H:%M:%S", "%m-%d-%Y %H:%M:%S"),
    *("%m/%d/%Y %I:%M %p", "%m/%d/%Y %I:%M:%S %p", "%a, %d %b %Y %H:%M:%S %Z", "%a %b %d %H:%M:%S %Y"),
    *("%d-%m-%Y", "%m/%d/%Y", "%d/%m/%Y", "%d.%m.%Y", "%m-%d-%Y", "%d %b %Y", "%b %d, %Y", "%m %d, %Y", "%Y%m%d"),
)


def seconds(text: str, formats: tuple[str, ...] = ()) -> float:
    """Returns unix seconds of a cell; a time without a zone is taken as UTC.

    Args:
      text: of the cell.
      formats: as `data.timestamp_format` has them; without any, numbers since 1970 by their size, and ISO 8601.

    Raises:
      BadRow: it is none.
    """
    for known in formats or ("unix", "iso"):
        try:
            return _reader(known)(text)
        except (ValueError, OverflowError):
            continue
    if not text.strip(" 0-:T") or text.strip().lower() in _BLANKS:
        raise BadRow("no timestamp")
    raise BadRow("unreadable timestamp")


def fitting(texts: list[str]) -> list[str]:
    """Returns the patterns that common programs write and that read all of some cells."""
    return [pattern for pattern in _GUESSES if texts and all(_reads(pattern, text) for text in texts)]


def _reads(pattern: str, text: str) -> bool:
    try:
        _pattern(pattern, text)
    except ValueError:
        return False
    return True


@functools.lru_cache
def _reader(name: str) -> Callable[[str], float]:
    known = {"unix": _unix, "iso": _iso, "excel": _excel, "order": _order}
    return known[name] if name in known else functools.partial(_pattern, name)


def _order(text: str) -> float:
    value = number(text)
    if value is None:
        raise ValueError(text)
    return value


def _unix(text: str) -> float:
    value = _order(text)
    for limit, units in _SIZES:
        if abs(value) < limit:
            return value / units
    raise ValueError(text)


def _excel(text: str) -> float:
    return (_order(text) - _EXCEL_EPOCH) * _DAY


def _pattern(pattern: str, text: str) -> float:
    moment = datetime.datetime.strptime(text.strip(), pattern)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=datetime.timezone.utc)
    return moment.timestamp()


def _iso(text: str) -> float:
    match = _ISO.fullmatch(text.strip())
    if match is None:
        raise ValueError(text)
    year, month, day = map(int, re.split("[-/]", match["date"]))
    hour, minute, second = ([int(part) for part in (match["time"] or "0:0").split(":")] + [0])[:3]
    if match["half"]:
        if not 1 <= hour <= 12:
            raise ValueError(text)
        hour = hour % 12 + 12 * (match["half"].upper() == "PM")
    moment = datetime.datetime(year, month, day, hour, minute, second, tzinfo=_zone(match["zone"]))
    return moment.timestamp() + float(f"0.{match['fraction'] or 0}")


@functools.lru_cache
def _zone(text: str | None) -> datetime.tzinfo:
    if text is None or text.upper() in ("Z", "UTC", "GMT"):
        return datetime.timezone.utc
    if "/" in text:
        try:
            return ZoneInfo(text)
        except ZoneInfoNotFoundError as error:
            raise ValueError(text) from error
    digits = text[1:].replace(":", "").ljust(4, "0")
    offset = datetime.timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))
    return datetime.timezone(-offset if text[0] == "-" else offset)
