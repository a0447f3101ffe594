"""How a table is written in its files."""

import codecs
from typing import Literal

import pydantic

from modules.section import Section


class TableFormat(Section):
    """How a table is written; what is left out is told from its first rows."""

    format: Literal["auto", "csv", "parquet", "jsonl"] = "auto"
    """`csv` is any delimited text; `jsonl` one JSON object a line. Packed files (gzip, zip, bzip2, xz, zstd) are
    unpacked by their first bytes, whatever they are called."""
    encoding: str | None = None
    """Of the text, as Python calls it: "utf-8", "utf-16", "latin-1", "cp1252", "gb18030". None takes UTF-16 where the
    file says so, else UTF-8; bytes that are none cost a title a character, and an id its row."""
    delimiter: str | None = None
    """Field separator, up to four characters. None takes the one that gives the columns that are asked for."""
    header: list[str] | None = None
    """Column names of a table that has no header line."""
    quote: str | None = None
    """Quote character; "" where quotes mean nothing. None is '"', or "" where that does not fit the first rows."""
    escape: str | None = None
    """Character before a quote within quotes; None is the quote itself, doubled."""
    comment: str | None = None
    """Lines that begin with this character are left out. Before the header, "#" is known."""
    decimal: Literal[".", ","] = "."
    """What stands before the fraction of a number; of "," and ".", the other one is taken as separating thousands."""

    @pydantic.field_validator("encoding")
    @classmethod
    def _encoding_is_known(cls, encoding: str | None) -> str | None:
        if encoding is not None:
            try:
                codecs.lookup(encoding)
            except LookupError as error:
                raise ValueError(
                    f'`encoding` must be a text encoding of Python\'s, such as "utf-8", "utf-16" or "latin-1". '
                    f"Received: {encoding!r}."
                ) from error
        return encoding

    @pydantic.field_validator("delimiter")
    @classmethod
    def _delimiter_separates(cls, delimiter: str | None) -> str | None:
        if delimiter is not None and (not 1 <= len(delimiter.encode()) <= 4 or set(delimiter) & set('"\r\n')):
            raise ValueError(
                "`delimiter` must be the text between two fields, of one to four characters, no quote or line break. "
                f"Received: {delimiter!r}."
            )
        return delimiter

    @pydantic.field_validator("quote", "escape", "comment")
    @classmethod
    def _is_one_character(cls, value: str | None, info: pydantic.ValidationInfo) -> str | None:
        if value is not None and len(value) > 1:
            raise ValueError(f"`{info.field_name}` must be one character. Received: {value!r}.")
        return value
