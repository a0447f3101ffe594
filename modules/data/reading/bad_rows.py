"""Rows that could not be read: how many, why, which, and when they are too many."""

from typing import Any, NamedTuple

from modules.data.config import DataConfig
from modules.data.reading import times
from modules.data.reading.files import Patterns
from modules.data.sources.base import ITEMS, USERS

INTERACTIONS = "interactions"
BLANK_IDS = ("no user id", "no item id", "the header line again")
"""Reasons that no file is refused for: such rows are no interactions of anyone."""
_ADVICE = {
    "no rating": "`data.empty_ratings`: keep takes rows without a rating as interactions, drop leaves them out.",
    "unreadable rating": "`data.decimal`: ',' reads 4,5; or name another column, or none, as `data.columns.rating`.",
    "unreadable timestamp": "`data.timestamp_format` says how times are written, such as '%d.%m.%Y %H:%M'.",
    "broken quoting": "`data.quote`: '' reads a table in which quotes mean nothing.",
    "the user id is not text in `data.encoding`": "`data.encoding`: cp1252 or latin-1 is what older programs write.",
    "the item id is not text in `data.encoding`": "`data.encoding`: cp1252 or latin-1 is what older programs write.",
}


class Sample(NamedTuple):
    """A row that was set aside, with the number of its line in the file, or of its row in Parquet."""

    reason: str
    file: str
    line: int
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


def require_readable(facts: dict[str, Any], pattern: Patterns, data: DataConfig) -> None:
    """Raises ValueError where a larger share of a table's rows was set aside than allowed.

    Args:
      facts: of the reading.
      pattern: of the interactions' files, or several, for the message.
      data: the settings.
    """
    max_share = data.max_bad_row_share
    for table in (INTERACTIONS, ITEMS, USERS):
        read, bad = facts.get(f"{table}/read", 0), facts.get(f"{table}/bad", 0)
        if data.blank_ids == "drop":
            bad -= sum(reasons_of(facts, table).get(reason, 0) for reason in BLANK_IDS)
        if bad <= max_share * read:
            continue
        examples = "\n".join(
            f"  {sample.file}, line {sample.line}, {sample.reason}: {sample.text!r}"
            for sample in samples_of(facts, table)
        )
        of_interactions = pattern if isinstance(pattern, str) else ", ".join(pattern)
        where = of_interactions if table == INTERACTIONS else f"the table of {table}"
        raise ValueError(
            f"{bad} of {read} rows of {where} cannot be read ({bad / read:.2%}), more than "
            f"`data.max_bad_row_share` = {max_share:.2%} allows. Reasons: "
            f"{reasons_of(facts, table)}. The first of them:\n{examples}{_advice(facts, table)}"
        )


def _advice(facts: dict[str, Any], table: str) -> str:
    """Returns which settings may help, a line each."""
    lines = [_ADVICE[reason] for reason in reasons_of(facts, table) if reason in _ADVICE]
    texts = [sample.text.split(",") for sample in samples_of(facts, table) if sample.reason == "unreadable timestamp"]
    patterns = [pattern for cells in zip(*texts, strict=False) for pattern in times.fitting(list(cells))]
    if patterns:
        lines.append(f"The times may be written as {' or as '.join(map(repr, patterns))}.")
    return "".join(f"\n{line}" for line in lines)
