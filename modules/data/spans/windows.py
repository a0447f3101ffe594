"""Which spans of the interactions a run reads: a rolling window over those that are there."""

import logging
import os

import tensorflow as tf

from modules.data.config import DataConfig
from modules.data.spans.path import Span, SpanPath

_LOG = logging.getLogger(__name__)


def in_spans(data: DataConfig) -> bool:
    """Returns whether `data.path` tells spans apart."""
    return SpanPath.has_placeholders(data.path)


def find(data: DataConfig) -> list[Span]:
    """Returns the spans that are there and complete, oldest first, each in its newest version.

    Raises:
      ValueError: there is none, or `spans.success_file` is asked for where no span has a folder of its own.
    """
    template = SpanPath(data.path)  # type: ignore[arg-type]  # spans go with a path, and matching paths only are parsed
    newest: dict[int, Span] = {}
    parsed = {template.parse(path) for path in tf.io.gfile.glob(template.glob)} - {None}
    for span in sorted(parsed, key=lambda span: (span.number, span.version or 0, span.path)):
        if span.number not in data.spans.exclude and _is_complete(template, span, data.spans.success_file):  # type: ignore[arg-type]  # spans go with a path, and matching paths only are parsed
            newest[span.number] = span  # type: ignore[assignment]  # spans go with a path, and matching paths only are parsed
    if not newest:
        raise ValueError(
            f"`data.path` must match at least one span{_conditions(data)}. Received: {data.path!r}, of which "
            f"{len(parsed)} versions of spans are there."
        )
    return list(newest.values())


def window(data: DataConfig) -> list[Span]:
    """Returns the spans to be read together, oldest first; logs which, and which numbers between them are missing.

    Raises:
      ValueError: no span is there, or `spans.span` is not.
    """
    found = find(data)
    pinned = data.spans.span
    if pinned is not None:
        found = [span for span in found if span.number <= pinned]
        if not found or found[-1].number != pinned:
            raise ValueError(
                f"`data.spans.span` must be a span that is there{_conditions(data)}. "
                f"Received: {pinned}; the spans of {data.path!r} are {describe(find(data))}."
            )
    chosen = found[-data.spans.window :] if data.spans.window else found
    _LOG.info("spans %s are read", describe(chosen))
    missing = sorted(set(range(chosen[0].number, chosen[-1].number)) - {span.number for span in chosen})
    if missing:
        _LOG.warning(
            "Between spans %s and %s %d are missing or left out: %s",
            *(chosen[0].label, chosen[-1].label, len(missing), _shortened(missing)),
        )
    return chosen


def before(data: DataConfig, span: Span) -> Span | None:
    """Returns the span before another one, inside the window or not; None for the first."""
    earlier = [other for other in find(data) if other.number < span.number]
    return earlier[-1] if earlier else None


def of_span(data: DataConfig, span: Span) -> DataConfig:
    """Returns the settings that read one span alone."""
    return data.model_copy(update={"path": span.path})


def without(data: DataConfig, span: Span) -> DataConfig:
    """Returns the settings that leave out a span."""
    pinned, earlier = data.spans.span, before(data, span)
    if pinned == span.number:
        pinned = earlier.number if earlier else None
    spans = data.spans.model_copy(update={"exclude": [*data.spans.exclude, span.number], "span": pinned})
    return data.model_copy(update={"spans": spans})


def locate(data: DataConfig) -> tuple[str, str]:
    """Returns (folder, pattern) of the files of all spans, whichever a run will read."""
    template = SpanPath(data.path)  # type: ignore[arg-type]  # spans go with a path, and matching paths only are parsed
    pattern = template.glob
    if any(tf.io.gfile.isdir(path) for path in tf.io.gfile.glob(pattern)):
        pattern = os.path.join(pattern, "*")
    return template.base, pattern.removeprefix(template.base).lstrip("/")


def describe(spans: list[Span]) -> str:
    """Returns the labels of spans as a list, shortened in the middle."""
    return _shortened([span.label for span in spans])


def _shortened(values: list) -> str:
    texts = [str(value) for value in values]
    return ", ".join(texts if len(texts) <= 10 else [*texts[:3], "...", *texts[-3:]])


def _is_complete(template: SpanPath, span: Span, success_file: str | None) -> bool:
    if success_file is None:
        return True
    folder = template.folder(span)
    if not tf.io.gfile.isdir(folder):
        raise ValueError(
            "`data.spans.success_file` must be left out unless each span, or each version of it, has a folder of its "
            f"own in `data.path`. Received: {success_file!r} with {folder!r}, which is no folder."
        )
    return tf.io.gfile.exists(os.path.join(folder, success_file))


def _conditions(data: DataConfig) -> str:
    success, exclude = data.spans.success_file, data.spans.exclude
    marked = f" whose folder holds {success}" if success else ""
    excluded = f" that is not in `data.spans.exclude` = {exclude}" if exclude else ""
    return marked + excluded
