"""The cells of one row: its ids, its numbers, and what is wrong with them."""

import math
from typing import NamedTuple

_BLANKS = frozenset(["", "nan", "none", "null", "\\n", "<na>"])
"""What pandas and databases write where nothing is."""


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


def identifier(text: str, what: str) -> str:
    """Returns an id unchanged; raises BadRow where there is none, or it spans lines."""
    if not text or text.strip().lower() in _BLANKS:
        raise BadRow(f"no {what} id")
    if "\ufffd" in text:
        raise BadRow(f"the {what} id is not text in `data.encoding`")
    if "\n" in text or "\r" in text:
        # Vocabularies are text files of one id a line.
        raise BadRow(f"line break in the {what} id")
    return text


def number(text: str, decimal: str = ".") -> float | None:
    """Returns the finite number a cell holds, or None.

    Args:
      text: of the cell.
      decimal: what stands before the fraction, "." or ",".
    """
    if decimal == ",":
        text = text.replace(".", "").replace(",", ".")
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) and "_" not in text else None


def rating(text: str, decimal: str = ".") -> float:
    """Returns the rating in a cell; raises BadRow."""
    value = number(text, decimal)
    if value is None:
        if text.strip().lower() in _BLANKS:
            raise BadRow("no rating")
        raise BadRow("unreadable rating")
    return value
