"""Runs the Beam part of the data half on the in-memory runner, without TFX."""

import collections
import dataclasses
import glob
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import apache_beam as beam
import tensorflow as tf
from apache_beam.options.pipeline_options import PipelineOptions

from modules import names
from modules.data import facts, locating, report
from modules.data.config import DataConfig
from modules.data.examples import assembly
from modules.data.filtering import FilteredData, filter_interactions

# Beam's default pickler clears the caches of all loggers for each object: a third of a tiny run.
BEAM_ARGS = [
    "--direct_running_mode=in_memory",
    "--direct_num_workers=1",
    "--pickle_library=cloudpickle",
]

Parsed = dict[str, list]
# The in-memory runner works in this process, which spares the tests the writing of TFRecords.
_collected: dict[str, list[bytes]] = collections.defaultdict(list)


@dataclasses.dataclass
class Result:
    """Parsed examples by split, sorted by id, and the report."""

    examples: dict[str, list[Parsed]]
    report: dict[str, Any]


def make_pipeline() -> beam.Pipeline:
    """Returns a pipeline on the in-memory runner."""
    return beam.Pipeline(options=PipelineOptions(["--runner=DirectRunner", *BEAM_ARGS]))


def corpus_of(data: DataConfig, folder: Path) -> FilteredData:
    """Reads and filters as the ExampleGen does."""
    folder.mkdir(exist_ok=True)
    base, pattern = locating.locate(data, str(folder / "work"))
    return filter_interactions(make_pipeline, locating.source_for(data), base, pattern, str(folder))


def run(data: DataConfig, folder: Path) -> Result:
    """Reads, filters and makes examples as the ExampleGen does."""
    corpus = corpus_of(data, folder)
    path = str(folder / "facts.json")
    _collected.clear()
    with make_pipeline() as pipeline:
        examples = assembly.make_examples(pipeline, corpus, data, path)
        for split, of_split in examples.items():
            _ = of_split | f"Collect[{split}]" >> beam.Map(_collect, split)
    has_time = locating.source_for(data).columns.timestamp is not None
    summary = report.make_report(corpus, facts.read_facts(path), data, has_time)
    return Result({split: parse_examples(_collected[split]) for split in names.SPLITS}, summary)


def _collect(example: bytes, split: str) -> None:
    _collected[split].append(example)


def read_splits(folder: str) -> dict[str, list[Parsed]]:
    """Returns the parsed examples under an artifact's `Split-<name>` folders, sorted by id."""
    splits = {}
    for split in names.SPLITS:
        paths = glob.glob(os.path.join(folder, f"Split-{split}", "*.gz"))
        records = tf.data.TFRecordDataset(paths, compression_type="GZIP")
        splits[split] = parse_examples(records.as_numpy_iterator())
    return splits


def parse_examples(records: Iterable[bytes]) -> list[Parsed]:
    """Returns the values of serialized examples by feature, sorted by user or item id."""
    parsed = []
    for record in records:
        features = tf.train.Example.FromString(record).features.feature
        parsed.append(
            {name: list(getattr(feature, feature.WhichOneof("kind")).value) for name, feature in features.items()}
        )
    return sorted(parsed, key=lambda e: e.get(names.USER_ID) or e.get(names.ITEM_ID) or [b""])
