"""Lines that are no rows of a table: why, and where they stand."""

import re
from typing import NamedTuple

from modules.data.reading import files
from modules.data.reading.recognition import Recognised

SAMPLE_CHARACTERS = 200
_BROKEN_QUOTING = "broken quoting"


class Reject(NamedTuple):
    """A line that could not be read as a row."""

    reason: str
    line: int
    text: str


def reason_of(kind: str, message: str, file: Recognised) -> str:
    """Returns the reason that rows are counted by, for an error of DuckDB's reader."""
    if kind in ("MISSING COLUMNS", "TOO MANY COLUMNS"):
        (found,) = re.findall(r"Found: (\d+)", message)
        return f"{found} cells where the table has {len(file.columns)} columns"
    if kind == "INVALID ENCODING":
        return f"not {file.encoding} text"
    if kind == "LINE SIZE OVER MAXIMUM":
        return "a row of more than 8 MB"
    return _BROKEN_QUOTING


def line_at(path: str, offset: int) -> int:
    """Returns the number, from 1 on, of the line that holds a byte of a file on this machine."""
    count, left = 1, offset
    with open(path, "rb") as file:
        while left and (block := file.read(min(left, files.BUFFER_BYTES))):
            count += block.count(b"\n")
            left -= len(block)
    return count
