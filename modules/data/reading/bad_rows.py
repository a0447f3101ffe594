"""Rows that could not be read: how many, why, which, and when they are too many."""

from typing import Any, NamedTuple

from modules.data.reading.files import Patterns
from modules.data.sources.base import ITEMS, USERS

INTERACTIONS = "interactions"


class Sample(NamedTuple):
    """A row that was set aside; `offset` is in bytes from the file's beginning."""

    reason: str
    file: str
    offset: int
    text: str


def reasons_of(facts: dict[str, Any], table: str) -> dict[str, int]:
    """Returns how many rows of a table were set aside, by reason."""
    prefix = f"reason/{table}/"
    return {
        name.removeprefix(prefix): count
        for name, count in sorted(facts.items(), key=lambda fact: fact[0])
        if name.startswith(prefix)
    }


def samples_of(facts: dict[str, Any], table: str) -> list[Sample]:
    """Returns the first few rows of a table that were set aside for each reason."""
    return [
        Sample(reason, *sample) for reason in reasons_of(facts, table) for sample in facts[f"sample/{table}/{reason}"]
    ]


def require_readable(facts: dict[str, Any], pattern: Patterns, max_share: float) -> None:
    """Raises ValueError where a larger share of a table's rows was set aside than allowed.

    Args:
      facts: of the reading.
      pattern: of the interactions' files, or several, for the message.
      max_share: of bad rows in each table.
    """
    for table in (INTERACTIONS, ITEMS, USERS):
        read, bad = facts.get(f"{table}/read", 0), facts.get(f"{table}/bad", 0)
        if bad <= max_share * read:
            continue
        examples = "\n".join(
            f"  {sample.file}, byte {sample.offset}, {sample.reason}: {sample.text!r}"
            for sample in samples_of(facts, table)
        )
        of_interactions = pattern if isinstance(pattern, str) else ", ".join(pattern)
        where = of_interactions if table == INTERACTIONS else f"the table of {table}"
        raise ValueError(
            f"{bad} of {read} rows of {where} cannot be read ({bad / read:.2%}), more than "
            f"`data.max_bad_row_share` = {max_share:.2%} allows. Reasons: "
            f"{reasons_of(facts, table)}. The first of them:\n{examples}"
        )
