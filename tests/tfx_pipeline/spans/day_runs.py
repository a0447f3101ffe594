"""Real runs of the data half over days that arrive one after the other, shared by the tests that look at them."""

import dataclasses
import functools
import glob
import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from ml_metadata.proto import metadata_store_pb2
from tfx import v1 as tfx
from tfx.orchestration import metadata

from modules.data.report import read_report
from tests.modules.data.beam_runs import Parsed, parse_examples
from tfx_pipeline.config import PipelineConfig
from tfx_pipeline.pipeline import create_data_pipeline

NUM_USERS, NUM_ITEMS, EVENTS = 60, 20, 8
HEADER = "who,what,when,kind\n"


@dataclasses.dataclass(frozen=True)
class DayRun:
    """What one run left behind.

    Attributes:
      error: what it failed with, if it did.
      states: of its components, by their ids: the last of each since the run before.
      uris: of their outputs that are artifacts of the run, by "<component>.<output>".
      baseline_span: of the statistics the newest span was compared with; None where there were none.
    """

    error: BaseException | None
    states: dict[str, int]
    uris: dict[str, str]
    baseline_span: int | None

    @property
    def report(self) -> dict[str, Any]:
        return read_report(self.uris["InteractionExampleGen.examples"])


def day_rows(day: int, item: str = "item {}") -> str:
    """Returns the rows of a day: everyone's events on items drawn evenly, in order of time."""
    random = np.random.default_rng(day)
    lines = [
        f"user {user},{item.format(number)},{day * 86_400 + 60 * step},{'odd' if number % 2 else 'even'}\n"
        for user in range(NUM_USERS)
        for step, number in enumerate(random.integers(NUM_ITEMS, size=EVENTS))
    ]
    return HEADER + "".join(lines)


def write_day(folder: Path, day: int, rows: str, version: int = 1) -> None:
    """Writes one version of a day."""
    path = folder / "days" / str(day) / f"v{version}" / "part.csv"
    path.parent.mkdir(parents=True)
    path.write_text(rows)


def day_config(folder: Path, drift: dict[str, Any] | None = None, **of_spans: Any) -> PipelineConfig:
    """Returns the configuration of a pipeline over the last two days."""
    data = {
        "source": "csv",
        "path": str(folder / "days" / "{SPAN}" / "v{VERSION}" / "*.csv"),
        "spans": {"window": 2, **of_spans},
        "columns": {"user": "who", "item": "what", "timestamp": "when"},
        "item_features": {"kind": {"column": "kind"}},
        "min_user_interactions": 3,
        "min_item_interactions": 3,
    }
    root = str(folder / "var")
    return PipelineConfig(name="days", root=root, data=data, drift=drift or {})


def run_day(config: PipelineConfig) -> DayRun:
    """Runs the data half."""
    os.makedirs(os.path.dirname(config.metadata_path), exist_ok=True)
    connection = tfx.orchestration.metadata.sqlite_metadata_connection_config(config.metadata_path)
    with metadata.Metadata(connection) as handle:
        before = {execution.id for execution in handle.store.get_executions()}
    error = None
    try:
        tfx.orchestration.LocalDagRunner().run(create_data_pipeline(config))
    except ValueError as raised:
        error = raised
    with metadata.Metadata(connection) as handle:
        return _read(handle.store, before, error)


def _read(store: Any, before: set[int], error: BaseException | None) -> DayRun:
    states, uris, baseline = {}, {}, None
    for execution in sorted(store.get_executions(), key=lambda execution: execution.id):
        if execution.id in before:
            continue
        node = next(
            context.name.partition(".")[2]
            for context in store.get_contexts_by_execution(execution.id)
            if context.type == "node"
        )
        states[node] = execution.last_known_state
        for event in store.get_events_by_execution_ids([execution.id]):
            (artifact,) = store.get_artifacts_by_id([event.artifact_id])
            key = event.path.steps[0].key
            if event.type == metadata_store_pb2.Event.OUTPUT:
                uris[f"{node}.{key}"] = artifact.uri
            if node == "DriftValidator" and key == "baseline_statistics":
                baseline = artifact.properties["span"].int_value
    return DayRun(error, states, uris, baseline)


@functools.cache
def day_runs() -> dict[str, DayRun]:
    """Two normal days, a bad one, the bad one left out on the next, that run again, and a day that came twice."""
    folder = Path(tempfile.mkdtemp())
    runs = {}
    write_day(folder, 1, day_rows(1))
    runs["first"] = run_day(day_config(folder))
    write_day(folder, 2, day_rows(2), version=1)
    write_day(folder, 2, day_rows(12), version=2)
    runs["second"] = run_day(day_config(folder))
    # Everything the shop sold that day was booked on one item, under a new kind of id.
    write_day(folder, 3, day_rows(3, item="sku-7x"))
    runs["bad"] = run_day(day_config(folder))
    write_day(folder, 4, day_rows(4))
    runs["after"] = run_day(day_config(folder, exclude=[3]))
    runs["again"] = run_day(day_config(folder, exclude=[3]))
    write_day(folder, 5, day_rows(4))
    runs["repeated"] = run_day(day_config(folder, exclude=[3]))
    return runs


def newest_records(run: DayRun) -> list[Parsed]:
    """Returns the examples of the newest split."""
    paths = glob.glob(os.path.join(run.uris["InteractionExampleGen.examples"], "Split-newest", "*.gz"))
    return parse_examples(tf.data.TFRecordDataset(paths, compression_type="GZIP").as_numpy_iterator())
