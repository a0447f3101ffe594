"""Intermediate data between two steps: JSON lines in files of a temporary folder.

Only the files' paths go through Beam. A bundle that fails and is repeated leaves files behind, but only the paths that
Beam commits are read again: nothing is lost or doubled, and files need not be renamed.
"""

import json
import os
import uuid
from collections.abc import Iterable, Iterator
from typing import Any

import apache_beam as beam
import tensorflow as tf


def new_path(folder: str, name: str) -> str:
    """Returns the path of a file that does not exist yet.

    Args:
      folder: every worker must reach it.
      name: of the data.
    """
    return os.path.join(folder, f"{name}-{uuid.uuid4().hex}.jsonl")


def write_shard(folder: str, name: str, elements: Iterable[Any]) -> list[str]:
    """Writes elements as they come to a new file; returns its path in a list, which is empty where there are none."""
    path, file = new_path(folder, name), None
    try:
        for element in elements:
            if file is None:
                file = tf.io.gfile.GFile(path, "w")
            file.write(json.dumps(element) + "\n")
    finally:
        if file is not None:
            file.close()
    return [path] if file is not None else []


def read_shard(path: str) -> Iterator[Any]:
    """Yields what `write_shard` wrote; a tuple comes back as a list."""
    with tf.io.gfile.GFile(path) as file:
        yield from map(json.loads, file)


class EachShard(beam.PTransform):
    """Emits the paths of shards, spread over the workers."""

    def __init__(self, paths: list[str]) -> None:
        super().__init__()
        self._paths = paths

    def expand(self, pipeline: beam.Pipeline) -> beam.PCollection:
        return pipeline | "Paths" >> beam.Create(self._paths) | "Spread" >> beam.Reshuffle()
