"""The spans one execution of the ExampleGen reads: checked, and the newest one held against the one before."""

import dataclasses
import logging
from typing import Any

from tfx.types import standard_artifacts

from modules.data.config import DataConfig
from modules.data.filtering import MakePipeline
from modules.data.locating import source_for
from modules.data.reading import bad_rows, files
from modules.data.sources.base import Source
from modules.data.spans import windows
from modules.data.spans.checks import check_span
from modules.data.spans.path import Span
from modules.data.spans.repeated import repetition
from tfx_pipeline.spans.driver import driven_window, span_pattern

_LOG = logging.getLogger(__name__)


class RepeatedSpanError(ValueError):
    """The newest span holds the rows of the one before it."""


@dataclasses.dataclass(frozen=True)
class SpanReading:
    """What is read.

    Attributes:
      source: of the newest span.
      input_base: the newest span's folder, where its side tables may lie.
      window: the spans, oldest first.
      patterns: of their files, in that order.
      left_out: labels of the spans that only repeated the one before them.
    """

    source: Source
    input_base: str
    window: list[Span]
    patterns: list[str]
    left_out: list[str]

    def require_readable(self, newest_facts: dict[str, Any]) -> None:
        """Raises ValueError where too many rows of the newest span could not be read.

        Of the whole window they may be few.
        """
        bad_rows.require_readable(newest_facts, self.patterns[-1], self.source.data)

    def report(self, facts: dict[str, Any]) -> dict[str, Any]:
        """Returns what the data report says of the spans.

        Args:
          facts: of the reading; they count the rows of each file.
        """
        return {
            "read": [
                {
                    "span": span.number,
                    "version": span.version,
                    "label": span.label,
                    "path": span.path,
                    "rows": sum(facts.get(f"interactions/read/{path}", 0) for path in files.matching(pattern)),
                }
                for span, pattern in zip(self.window, self.patterns, strict=True)
            ],
            "left_out_as_repeated": self.left_out,
        }

    def describe(self, examples: standard_artifacts.Examples) -> None:
        """Sets the `span` and `version` of the artifact."""
        newest = self.window[-1]
        examples.span = newest.number
        if newest.version is not None:
            examples.version = newest.version


def read_spans(
    data: DataConfig, exec_properties: dict[str, Any], make_pipeline: MakePipeline, folder: str
) -> SpanReading:
    """Returns the spans to be read.

    Args:
      data: the settings.
      exec_properties: as the driver left them.
      make_pipeline: makes a Beam pipeline on the runner of choice.
      folder: temporary; every worker must be able to write there.

    Raises:
      RepeatedSpanError: the newest span repeats the one before it, and `spans.on_repeated_span` is "fail".
      ValueError: a span has no rows, or not the columns that are asked for.
    """
    window = driven_window(exec_properties, data)
    left_out: list[str] = []
    while repeated := _why_repeated(data, window[-1], make_pipeline, folder):
        newest = window[-1]
        if data.spans.on_repeated_span == "fail":
            raise RepeatedSpanError(
                f"{repeated} Nothing was read. Write its own rows to {newest.path}, or leave it out, by "
                f"`data.spans.exclude`: [{newest.number}] or by `data.spans.on_repeated_span`: ignore."
            )
        _LOG.warning("%s It is left out.", repeated)
        left_out.append(newest.label)
        data = windows.without(data, newest)
        window = windows.window(data)
    for span in window:
        check_span(source_for(windows.of_span(data, span)), span, folder)
    source = source_for(windows.of_span(data, window[-1]))
    input_base, _ = source.locate(folder)
    return SpanReading(source, input_base, window, [span_pattern(data, span) for span in window], left_out)


def _why_repeated(data: DataConfig, newest: Span, make_pipeline: MakePipeline, folder: str) -> str:
    """Returns in what a span repeats the one before it; empty where it does not, or where there is none."""
    earlier = windows.before(data, newest)
    if earlier is None:
        return ""
    source = source_for(windows.of_span(data, newest))
    check_span(source, newest, folder)
    patterns = (span_pattern(data, span) for span in (newest, earlier))
    found = repetition(make_pipeline, source, *patterns, folder)  # type: ignore[call-arg]  # two patterns
    if found.share <= data.spans.max_repeated_share:
        return ""
    return (
        f"Span {newest.label} repeats span {earlier.label}: {found.share:.0%} of its {found.rows} rows stood there "
        f"already, more than `data.spans.max_repeated_share` = {data.spans.max_repeated_share:.0%} allows."
    )
