"""A file's text as UTF-8 on this machine, where DuckDB reads it."""

import codecs
import os
import shutil
import uuid
from typing import NamedTuple

from modules.data.reading import files

_BOMS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
_ZEROS_OF_UTF16 = 0.2
"""Share of zero bytes at odd, or at even places: text in Latin letters has nearly half."""


class Text(NamedTuple):
    """Where the text lies; `damaged` where some bytes were none and were replaced by U+FFFD."""

    path: str
    damaged: bool


def encoding_of(start: bytes) -> str:
    """Returns the encoding that a file's first bytes tell, UTF-8 where they tell none."""
    for mark, encoding in _BOMS:
        if start.startswith(mark):
            return encoding
    zeros = [start[place::2].count(0) / max(1, len(start)) for place in (0, 1)]
    if max(zeros) > _ZEROS_OF_UTF16:
        return "utf-16-be" if zeros[0] > zeros[1] else "utf-16-le"
    return "utf-8"


def plain_text(path: str, encoding: str, folder: str) -> Text:
    """Returns the text of a file: the file itself where it is plain, local, UTF-8 text with line ends of one kind.

    Args:
      path: of the file, packed or plain.
      encoding: of its text.
      folder: on this machine, where anything else is written to.

    Raises:
      ValueError: the file ends too early or is damaged.
    """
    is_utf8 = codecs.lookup(encoding).name in ("utf-8", "utf-8-sig")
    if is_utf8 and files.is_local(path) and files.container(path) is None and not _is_faulty(path):
        return Text(path, False)
    copy = local_path(folder)
    with files.open_plain(path) as file, open(copy, "wb") as written:
        decoder = _Decoder(encoding)
        while block := file.read(files.BUFFER_BYTES):
            written.write(decoder.decode(block).encode())
        written.write(decoder.decode(b"", final=True).encode())
    return Text(copy, decoder.damaged)


class _Decoder:
    """Decodes blocks, and makes all line ends of two characters line feeds."""

    def __init__(self, encoding: str) -> None:
        self._strict = codecs.getincrementaldecoder(encoding)("strict")
        self._lenient = codecs.getincrementaldecoder(encoding)("replace")
        self._held = ""
        self.damaged = False

    def decode(self, block: bytes, final: bool = False) -> str:
        text = self._held + self._lenient.decode(block, final)
        if not self.damaged:
            try:
                self._strict.decode(block, final)
            except UnicodeDecodeError:
                self.damaged = True
        self._held = "\r" if text.endswith("\r") and not final else ""
        return text.removesuffix(self._held).replace("\r\n", "\n")


def local_copy(path: str, folder: str) -> str:
    """Returns the path of an unpacked file on this machine, the file itself where it is one."""
    if files.is_local(path) and files.container(path) is None:
        return path
    copy = local_path(folder)
    with files.open_plain(path) as file, open(copy, "wb") as written:
        shutil.copyfileobj(file, written, files.BUFFER_BYTES)
    return copy


def local_path(folder: str) -> str:
    """Returns the path of a new file in a folder on this machine."""
    return os.path.join(folder, f"unpacked-{uuid.uuid4().hex}")


def _is_faulty(path: str) -> bool:
    """Returns whether some bytes are no UTF-8, or lines end in more than one way."""
    decoder = codecs.getincrementaldecoder("utf-8")("strict")
    feeds, pairs, last = 0, 0, b""
    with files.open_plain(path) as file:
        while block := file.read(files.BUFFER_BYTES):
            feeds += block.count(b"\n")
            pairs += (last + block).count(b"\r\n")
            last = block[-1:] if block.endswith(b"\r") else b""
            try:
                decoder.decode(block)
            except UnicodeDecodeError:
                return True
    try:
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return True
    return 0 < pairs < feeds
