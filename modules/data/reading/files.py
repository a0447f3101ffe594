"""Opening input files, plain or gzip, local or remote, whole or by byte range."""

import dataclasses
import gzip
import io
from collections.abc import Iterator
from typing import Any, BinaryIO

import tensorflow as tf

RANGE_BYTES = 64 << 20
_BUFFER_BYTES = 1 << 20


class _RawFile(io.RawIOBase):
    """Lets the standard library's buffering and gzip work on a `tf.io.gfile.GFile`."""

    def __init__(self, path: str) -> None:
        self._file = tf.io.gfile.GFile(path, "rb")

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._file.seek(offset, whence)
        return self._file.tell()

    def tell(self) -> int:
        return self._file.tell()

    def readinto(self, buffer: Any) -> int:
        block = self._file.read(len(buffer))
        buffer[: len(block)] = block
        return len(block)

    def close(self) -> None:
        if not self.closed:
            self._file.close()
        super().close()


def is_gzip(path: str) -> bool:
    """Returns whether the file's name says that it is gzip-compressed."""
    return path.endswith(".gz")


def open_binary(path: str) -> BinaryIO:
    """Returns a buffered, readable file; `.gz` is decompressed on the way."""
    raw = io.BufferedReader(_RawFile(path), _BUFFER_BYTES)
    if is_gzip(path):
        return io.BufferedReader(gzip.GzipFile(fileobj=raw), _BUFFER_BYTES)
    return raw


Patterns = str | list[str]
"""One path or glob, or several in the order their files are to be read in."""


def matching(patterns: Patterns) -> list[str]:
    """Returns the files that paths or globs match, those of each sorted; folders are left out."""
    patterns = [patterns] if isinstance(patterns, str) else patterns
    return [path for pattern in patterns for path in sorted(tf.io.gfile.glob(pattern)) if not tf.io.gfile.isdir(path)]


def first_line(path: str) -> bytes:
    """Returns the first line without its end or a byte order mark; empty for an empty file."""
    with open_binary(path) as file:
        return _bare(file.readline(), 0)


@dataclasses.dataclass(frozen=True)
class Range:
    """The part of one file that one worker reads: the lines that begin in [start, stop).

    `stop` is None where the file cannot be entered in the middle (gzip). `file` numbers the file
    in the sorted list of all, so that (file, offset) orders lines as a person reading them would.
    """

    file: int
    path: str
    start: int
    stop: int | None


def ranges(paths: list[str], size: int = RANGE_BYTES) -> list[Range]:
    """Cuts the files into ranges of at most `size` bytes that can be read independently."""
    parts = []
    for number, path in enumerate(paths):
        if is_gzip(path):
            parts.append(Range(number, path, 0, None))
            continue
        length = tf.io.gfile.stat(path).length
        for start in range(0, length, size):
            parts.append(Range(number, path, start, min(start + size, length)))
    return parts


def read_lines(part: Range) -> Iterator[tuple[int, bytes]]:
    """Yields (offset, line) of a range; blank lines are left out, line ends are taken off.

    Only a line feed, or a carriage return before it, ends a line: other characters that Unicode
    calls line breaks may stand in an id or a title.
    """
    with open_binary(part.path) as file:
        offset = part.start
        if part.start:
            # The line that begins before this range belongs to the one before; starting one byte
            # early keeps a line that begins exactly here.
            file.seek(part.start - 1)
            offset += len(file.readline()) - 1
        for line in file:
            if part.stop is not None and offset >= part.stop:
                return
            bare = _bare(line, offset)
            if bare:
                yield offset, bare
            offset += len(line)


def _bare(line: bytes, offset: int) -> bytes:
    line = line.removesuffix(b"\n").removesuffix(b"\r")
    return line.removeprefix(b"\xef\xbb\xbf") if offset == 0 else line
