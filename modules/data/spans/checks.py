"""What can be told of a span before a run reads it: that it has rows, and the columns that are asked for."""

import os

from modules.data.reading import files
from modules.data.sources.base import Source
from modules.data.spans.path import Span


def check_span(source: Source, span: Span, work_folder: str) -> None:
    """Raises ValueError, naming span, file and column, where a span cannot be what the configuration says.

    Reads no more than the first rows.

    Args:
      source: of this span alone.
      span: for the message.
      work_folder: as for `Source.locate`.
    """
    paths = files.matching(os.path.join(*source.locate(work_folder)))
    if not any(_has_rows(source, path) for path in paths):
        raise ValueError(
            f"Span {span.label} must have rows. Received none: {', '.join(paths) or source.data.path}. Write its rows "
            f"and run again, or leave it out by `data.spans.exclude`: [{span.number}]."
        )
    try:
        source.check(work_folder)
    except ValueError as error:
        raise ValueError(
            f"Span {span.label} does not have the columns that the configuration names: {error} "
            f"None of its rows was read. Write it anew in the form of the spans before it, or leave it out by "
            f"`data.spans.exclude`: [{span.number}]."
        ) from error


def _has_rows(source: Source, path: str) -> bool:
    file = source.recognise(path, source.columns_read(items=False, users=False))
    return file is not None and (bool(file.rows) or file.format != "csv")
