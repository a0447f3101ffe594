"""A prepared data set of TensorFlow Datasets, whoever has built it."""

import itertools
import os
from collections.abc import Iterator, Sequence

import numpy as np
import tensorflow as tf

from modules.data.config import DataConfig
from modules.data.reading import conversion, files
from modules.data.reading.recognition import Recognised
from modules.data.sources import folder
from modules.data.sources.csv_table import CsvTable

# `<name>-<split>.tfrecord-<shard>`: all splits, since this pipeline makes its own.
_RECORDS = "*.tfrecord*"
_FORMAT = "tfrecord"
# One record at a time, the way out of TensorFlow would take longer than the parsing.
_RECORDS_AT_ONCE = 1024


class TfdsRecords(CsvTable):
    """Described by `data`: `path` is TFDS's data_dir, `dataset` the name, `columns` name features.

    Tables of items and users may lie beside it, as for a `csv` source.
    """

    def __init__(self, data: DataConfig) -> None:
        super().__init__(data)
        # TFDS takes a second to import, which no other source should pay for.
        import tensorflow_datasets as tfds

        path = folder.require_path(data)
        if not data.dataset:
            raise ValueError(
                f"`data.dataset` must name the prepared data set in {path}, such as "
                f'"taobao/all:1.0.0". Received: {data.dataset!r}.'
            )
        try:
            builder = tfds.core.read_only_builder.builder_from_files(data.dataset, data_dir=path)
        except (tfds.core.registered.DatasetNotFoundError, ValueError) as error:
            raise ValueError(
                f"`data.dataset` must be a data set that is prepared in `data.path` = {path!r}; prepare it with "
                f"`tfds.builder(...).download_and_prepare()`. Received: {data.dataset!r}."
            ) from error
        if builder.info.file_format.value != _FORMAT:
            raise ValueError(
                f"`data.dataset` must be stored as {_FORMAT}. Received: {data.dataset!r}, "
                f"stored as {builder.info.file_format.value}."
            )
        self._folder = os.fspath(builder.data_dir)
        self._features = tuple(builder.info.features)

    def locate(self, work_folder: str) -> tuple[str, str]:
        return self._folder, _RECORDS

    def recognise(self, path: str, wanted: Sequence[str]) -> Recognised:
        """Returns the columns, which the data set's own description names."""
        del wanted
        return Recognised(path, None, "tfrecord", "utf-8", self._features)

    def convert(self, patterns: files.Patterns, wanted: list[str], folder: str) -> conversion.Converted:
        """Returns the records as Parquet of strings."""
        parts: list[conversion.Part] = []
        for number, path in enumerate(files.matching(patterns)):
            rows = (cells_of(record, wanted) for record in records_in(path))
            parts += conversion.write_cells(number, path, rows, wanted, folder)
        return conversion.Converted(parts, {})


def records_in(path: str) -> Iterator[bytes]:
    """Yields the records of a file in order."""
    batches = tf.data.TFRecordDataset(path).batch(_RECORDS_AT_ONCE).as_numpy_iterator()
    return itertools.chain.from_iterable(batches)


def cells_of(record: bytes, names: Sequence[str]) -> list[str]:
    """Returns what a serialized `tf.train.Example` holds of some features; several values are separated by "|"."""
    features = tf.train.Example.FromString(record).features.feature
    return [_text(features[name]) for name in names]


def _text(feature: tf.train.Feature) -> str:
    kind = feature.WhichOneof("kind")
    if kind is None:
        return ""
    values = getattr(feature, kind).value
    if kind == "float_list":
        # The shortest text that reads back: as a Python float, the stored 3.6 is 3.5999999046325684.
        return "|".join(str(np.float32(value)) for value in values)
    if kind == "int64_list":
        return "|".join(map(str, values))
    return "|".join(value.decode(errors="replace") for value in values)
