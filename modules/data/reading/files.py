"""Opening input files, local or remote, packed or plain; what packs them is told by their first bytes."""

import bz2
import contextlib
import gzip
import io
import lzma
import os
import zipfile
import zlib
from collections.abc import Callable, Iterator
from typing import IO, Any, BinaryIO

import pyarrow as pa
import tensorflow as tf

BUFFER_BYTES = 1 << 20

Patterns = str | list[str]
"""One path or glob, or several in the order their files are to be read in."""


class RawFile(io.RawIOBase):
    """Lets the standard library's and Arrow's readers work on a `tf.io.gfile.GFile`."""

    def __init__(self, path: str) -> None:
        self._file = tf.io.gfile.GFile(path, "rb")

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        if whence == io.SEEK_END:
            offset, whence = self._file.size() + offset, io.SEEK_SET
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


def matching(patterns: Patterns) -> list[str]:
    """Returns the files that paths or globs match, those of each sorted; folders are left out.

    A path that is a file is that file, whatever characters its name holds.
    """
    patterns = [patterns] if isinstance(patterns, str) else patterns
    return [path for pattern in patterns for path in _matching(pattern) if not tf.io.gfile.isdir(path)]


def _matching(pattern: str) -> list[str]:
    return [pattern] if tf.io.gfile.exists(pattern) else sorted(tf.io.gfile.glob(pattern))


def is_local(path: str) -> bool:
    """Returns whether other libraries can open a path as it is."""
    return "://" not in path


def open_raw(path: str) -> BinaryIO:
    """Returns a buffered, readable file, packed as it is."""
    raw: Any = RawFile(path)
    return io.BufferedReader(raw, BUFFER_BYTES)


def container(path: str) -> str | None:
    """Returns what packs a file, whatever its name says: a key of `_CONTAINERS`, or None."""
    with open_raw(path) as file:
        first = file.read(6)
    return next((name for name, (magic, _) in _CONTAINERS.items() if first.startswith(magic)), None)


@contextlib.contextmanager
def open_plain(path: str) -> Iterator[BinaryIO]:
    """Opens a file for reading; what is packed is unpacked on the way.

    Raises:
      ValueError: the file ends too early, is damaged, or packs more than one table.
    """
    packed = container(path)
    with open_raw(path) as raw:
        try:
            yield raw if packed is None else io.BufferedReader(_CONTAINERS[packed][1](raw, path), BUFFER_BYTES)
        except EOFError as error:
            raise ValueError(f"{path} ends too early: it is a cut-off {packed} file. Fetch it again.") from error
        except (zipfile.BadZipFile, zlib.error, lzma.LZMAError, gzip.BadGzipFile, OSError) as error:
            if packed is None:
                raise
            raise ValueError(f"{path} is a damaged or cut-off {packed} file: {error}. Fetch it again.") from error


def _member(raw: BinaryIO, path: str) -> IO[bytes]:
    archive = zipfile.ZipFile(raw)
    names = [info.filename for info in archive.infolist() if not _is_beside_the_point(info)]
    if len(names) != 1:
        raise ValueError(f"{path} must pack one table to be read as it is. Received: {names}; unpack it.")
    return archive.open(names[0])


def _is_beside_the_point(info: zipfile.ZipInfo) -> bool:
    return info.is_dir() or info.filename.startswith("__MACOSX/") or os.path.basename(info.filename).startswith(".")


_CONTAINERS: dict[str, tuple[bytes, Callable[[BinaryIO, str], Any]]] = {
    "gzip": (b"\x1f\x8b", lambda raw, _: gzip.GzipFile(fileobj=raw)),
    "zip": (b"PK\x03\x04", _member),
    "bzip2": (b"BZh", lambda raw, _: bz2.BZ2File(raw)),
    "xz": (b"\xfd7zXZ\x00", lambda raw, _: lzma.open(raw)),  # noqa: SIM115
    "zstd": (b"\x28\xb5\x2f\xfd", lambda raw, _: pa.CompressedInputStream(pa.PythonFile(raw, "r"), "zstd")),
}
"""What packs a file -> (its first bytes, what unpacks it)."""
