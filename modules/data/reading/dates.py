"""Numbers that are dates, but not since 1970: days written as 20111201, and Excel's serial days."""

import datetime
from typing import Any

from modules.data.config import DataConfig

_EARLIEST = datetime.datetime(1990, 1, 1, tzinfo=datetime.timezone.utc).timestamp()
_EXCEL_1990, _EXCEL_2100 = 32874, 73050
_LARGEST_ORDER = 1e7


def require_known(facts: dict[str, Any], data: DataConfig) -> None:
    """Raises ValueError where all times would be before 1990, unless `data.timestamp_format` says what they are.

    Small numbers are taken as an order, but those that Excel has for the days since 1990.

    Args:
      facts: of the reading, with its first and its last time.
      data: the settings.
    """
    if data.timestamp_format is not None or "last/interactions" not in facts:
        return
    first, last = facts["first/interactions"], facts["last/interactions"]
    looks_like = None
    if _is_day(first) and _is_day(last):
        looks_like = "days written as 20111201: set `data.timestamp_format`: '%Y%m%d'"
    elif first >= _EXCEL_1990 and last <= _EXCEL_2100:
        looks_like = (
            "Excel's serial days: set `data.timestamp_format`: excel, or order where the numbers only say what is "
            "before what"
        )
    elif _LARGEST_ORDER < last < _EARLIEST:
        looks_like = (
            "times before 1990: set `data.timestamp_format`: unix where they are, order where the numbers only say "
            "what is before what, or how they are written"
        )
    if looks_like:
        raise ValueError(
            f"The times of `data.columns.timestamp` must be known. Received: {first:.10g} to {last:.10g}, which look "
            f"like {looks_like}."
        )


def _is_day(number: float) -> bool:
    try:
        return 1900 <= datetime.datetime.strptime(f"{number:.0f}", "%Y%m%d").year <= 2100
    except ValueError:
        return False
