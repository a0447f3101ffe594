"""Intermediate data between two Beam pipelines: JSON lines in shards of a temporary folder."""

import json
import os
import uuid
from collections.abc import Iterable, Iterator
from typing import Any

import apache_beam as beam
import tensorflow as tf
from apache_beam.transforms.window import GlobalWindows


class WriteShards(beam.DoFn):
    """Writes each bundle to a file of its own, and emits the fact ("shards/<name>", [path]).

    A bundle that fails and is repeated leaves a file behind, but only the paths that Beam commits
    are read again: nothing is lost or doubled, and files need not be renamed.

    Args:
      folder: to write to; every worker must reach it.
      name: of the data.
    """

    def __init__(self, folder: str, name: str) -> None:
        super().__init__()
        self._folder = folder
        self._name = name
        self._file: tf.io.gfile.GFile | None = None
        self._path = ""

    def start_bundle(self) -> None:
        self._file = None

    def process(self, element: Any) -> Iterable[Any]:
        if self._file is None:
            self._path = os.path.join(self._folder, f"{self._name}-{uuid.uuid4().hex}.jsonl")
            self._file = tf.io.gfile.GFile(self._path, "w")
        self._file.write(json.dumps(element) + "\n")
        return ()

    def finish_bundle(self) -> Iterator[Any]:
        if self._file is not None:
            self._file.close()
            self._file = None
            yield GlobalWindows.windowed_value((f"shards/{self._name}", [self._path]))


class ReadShards(beam.PTransform):
    """Reads what `WriteShards` wrote; a tuple comes back as a list."""

    def __init__(self, paths: list[str]) -> None:
        super().__init__()
        self._paths = paths

    def expand(self, pipeline: beam.Pipeline) -> beam.PCollection:
        return (
            pipeline
            | "Shards" >> beam.Create(self._paths)
            | "Spread" >> beam.Reshuffle()
            | "Read" >> beam.FlatMap(_elements)
        )


def _elements(path: str) -> Iterator[Any]:
    with tf.io.gfile.GFile(path) as file:
        yield from map(json.loads, file)
