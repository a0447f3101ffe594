"""Which spans of the interactions are read."""

import contextlib
import datetime
from typing import Annotated, Any, Literal

import pydantic

from modules.section import Section


def _days_since_1970(span: Any) -> Any:
    if isinstance(span, str):
        with contextlib.suppress(ValueError):
            span = datetime.date.fromisoformat(span)
    return (span - datetime.date(1970, 1, 1)).days if isinstance(span, datetime.date) else span


SpanNumber = Annotated[int, pydantic.BeforeValidator(_days_since_1970), pydantic.Field(ge=0)]
"""The number of a span; a date, "2026-01-31", stands for its days since 1970-01-01, as TFX numbers dated spans."""


class SpansConfig(Section):
    """Which spans of the interactions are read, where `data.path` holds `{SPAN}` or `{YYYY}`, `{MM}` and `{DD}`.

    Of each span the newest `{VERSION}` counts.
    """

    window: int | None = pydantic.Field(None, ge=1)
    """How many spans are read together, the newest ones that are there; None reads all."""
    span: SpanNumber | None = None
    """The last span of the window; None takes the newest."""
    exclude: list[SpanNumber] = []
    """Spans that are never read, such as a day that was found to be bad."""
    success_file: str | None = pydantic.Field(None, pattern=r"^[^/]+$")
    """A file that marks the folder of a span as completely written; without it in its folder, a span is not seen."""
    on_repeated_span: Literal["fail", "ignore"] = "fail"
    """What to do where the newest span holds the rows of the one before: stop the run, or leave the newest out."""
    max_repeated_share: float = pydantic.Field(0.5, gt=0, le=1)
    """Share of the newest span's rows in the span before it, above which the span counts as repeated."""
