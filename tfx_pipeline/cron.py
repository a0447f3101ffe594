"""Cron expressions as crontab(5) reads them: minute, hour, day of month, month, day of week."""

import re

_NAMES = {
    "month": ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"],
    "day of week": ["sun", "mon", "tue", "wed", "thu", "fri", "sat"],
}
_FIELDS = {"minute": (0, 59), "hour": (0, 23), "day of month": (1, 31), "month": (1, 12), "day of week": (0, 6)}
_PART = re.compile(r"(?P<range>\*|(?P<first>\w+)(-(?P<last>\w+))?)(/(?P<step>\d+))?")


def check_cron(expression: str) -> None:
    """Raises ValueError, naming the field, where the expression is none of five fields that can ever be due."""
    parts = expression.split()
    if len(parts) != len(_FIELDS):
        raise ValueError(
            "A cron expression must have five fields: minute, hour, day of month, month, day of week. "
            f"Received: {expression!r}, which has {len(parts)}."
        )
    for (field, (low, high)), text in zip(_FIELDS.items(), parts, strict=True):
        for part in text.split(","):
            if not _is_part(field, part, low, high):
                raise ValueError(
                    f"The {field} of a cron expression must be *, numbers from {low} to {high}, ranges (2-5) or steps "
                    f"(*/2) of them, separated by commas. Received: {text!r} in {expression!r}."
                )


def with_seconds(expression: str) -> str:
    """Returns the expression as Kubeflow Pipelines wants it: its first field is the second.

    Handed five fields it would take the minute for the second, and start a run every hour in place of every day.
    """
    return f"0 {' '.join(expression.split())}"


def _is_part(field: str, part: str, low: int, high: int) -> bool:
    match = _PART.fullmatch(part)
    if not match or (match["step"] and int(match["step"]) < 1):
        return False
    if match["range"] == "*":
        return True
    names = _NAMES.get(field, [])
    first, last = _number(match["first"], names, low), _number(match["last"] or match["first"], names, low)
    return first is not None and last is not None and low <= first <= last <= high


def _number(text: str, names: list[str], low: int) -> int | None:
    if text.isdigit():
        return int(text)
    return names.index(text.lower()) + low if text.lower() in names else None
