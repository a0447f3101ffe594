"""A path with numbers to be filled in: TFX's `{SPAN}`, `{VERSION}`, and `{YYYY}`, `{MM}`, `{DD}`."""

import datetime
import os
import re
from typing import NamedTuple

_EPOCH = datetime.date(1970, 1, 1)
_DATE_DIGITS = {"YYYY": 4, "MM": 2, "DD": 2}
_PLACEHOLDER = re.compile(r"\{(?P<name>SPAN|VERSION|YYYY|MM|DD)(?::(?P<width>[^}]*))?\}")
_TOKEN = re.compile(
    _PLACEHOLDER.pattern + r"|(?P<star>\*)|(?P<any>\?)|\[(?P<not>!?)(?P<set>[^\]]+)\]|(?P<plain>.)", re.S
)


class Span(NamedTuple):
    """One version of one span of the data; sorts by number, then by version."""

    number: int
    """As it stands in the path; of a date, the days since 1970-01-01, as TFX counts them."""
    version: int | None
    """None where the path holds no `{VERSION}`."""
    path: str
    """`data.path` with the numbers of this span."""
    label: str
    """How to speak of it: "3", "3 (version 2)", "2026-01-31"."""


class SpanPath:
    """A path whose placeholders tell the spans of the data, and their versions, apart.

    `{SPAN}` and `{VERSION}` stand for one or more digits, `{SPAN:2}` and `{VERSION:2}` for exactly two. `{YYYY}`,
    `{MM}` and `{DD}` together take the place of `{SPAN}`. The rest may be a glob.

    Args:
      path: of a file, a folder, or a glob.

    Raises:
      ValueError: a placeholder is missing, stands there twice, or has a width that is none.
    """

    def __init__(self, path: str) -> None:
        self._path = path.rstrip("/")
        found = [match["name"] for match in _PLACEHOLDER.finditer(path)]
        dated = {name for name in found if name in _DATE_DIGITS}
        if len(set(found)) < len(found) or ("SPAN" in found) == bool(dated) or len(dated) not in (0, len(_DATE_DIGITS)):
            raise ValueError(
                "`path` must hold {SPAN} once, or each of {YYYY}, {MM} and {DD} once, and {VERSION} at most once. "
                f"Received: {path!r}."
            )
        for match in _PLACEHOLDER.finditer(path):
            if match["width"] is not None and (
                match["name"] in dated or not re.fullmatch("[1-9][0-9]?", match["width"])
            ):
                raise ValueError(
                    "`path` may give {SPAN} and {VERSION} a width, a number of digits as in {SPAN:3}. "
                    f"Received: {match[0]!r}."
                )
        self._regex = re.compile("".join(_regex_of(token) for token in _TOKEN.finditer(self._path)))

    @staticmethod
    def has_placeholders(path: str | None) -> bool:
        """Returns whether a path holds any placeholder, of whatever form."""
        return bool(path and _PLACEHOLDER.search(path))

    @property
    def glob(self) -> str:
        """A glob that matches the files or folders of every span."""
        return _PLACEHOLDER.sub("*", self._path)

    @property
    def base(self) -> str:
        """The folder above the first placeholder or wildcard; it is the same for every span."""
        fixed = next(token.start() for token in _TOKEN.finditer(self._path) if token["plain"] is None)
        folder = os.path.dirname(self._path[:fixed])
        return folder or (os.sep if self._path.startswith(os.sep) else os.curdir)

    def parse(self, path: str) -> Span | None:
        """Returns the span a file or folder belongs to, or None where its name is not of this form."""
        match = self._regex.fullmatch(path.rstrip("/"))
        if match is None:
            return None
        digits = match.groupdict()
        version = int(digits["VERSION"]) if "VERSION" in digits else None
        try:
            number, name = _number_and_name(digits)
        except ValueError:
            return None
        label = name if version is None else f"{name} (version {version})"
        filled = _PLACEHOLDER.sub(lambda placeholder: digits[placeholder["name"]], self._path)
        return Span(number, version, filled, label)

    def folder(self, span: Span) -> str:
        """Returns the path of a span up to its last part that holds a placeholder."""
        depth = max(n for n, part in enumerate(self._path.split("/")) if _PLACEHOLDER.search(part))
        return "/".join(span.path.split("/")[: depth + 1])


def _number_and_name(digits: dict[str, str]) -> tuple[int, str]:
    if "SPAN" in digits:
        return int(digits["SPAN"]), str(int(digits["SPAN"]))
    day = datetime.date(*(int(digits[part]) for part in _DATE_DIGITS))
    return (day - _EPOCH).days, day.isoformat()


def _regex_of(token: re.Match[str]) -> str:
    if name := token["name"]:
        width = token["width"] or _DATE_DIGITS.get(name)
        return rf"(?P<{name}>\d{{{width}}})" if width else rf"(?P<{name}>\d+)"
    if token["star"]:
        return "[^/]*"
    if token["any"]:
        return "[^/]"
    if token["set"]:
        return f"[{'^' if token['not'] else ''}{token['set']}]"
    return re.escape(token["plain"])
