"""What the driver finds when a run starts, what its cache key depends on, and what remains where TFX's own one runs."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
from ml_metadata.proto import metadata_store_pb2
from tfx import v1 as tfx
from tfx.components.example_gen.input_processor import FileBasedInputProcessor
from tfx.orchestration import data_types, metadata
from tfx.types import standard_component_specs as specs

from modules.data import locating
from modules.data.config import DataConfig
from tests.tfx_pipeline.spans.day_runs import day_config, day_rows, write_day
from tfx_pipeline.components.example_gen import interaction_example_gen
from tfx_pipeline.pipeline import create_data_pipeline
from tfx_pipeline.spans.driver import SpanDriver, data_config, driven_window, input_splits
from tfx_pipeline.spans.reading import read_spans


@pytest.fixture
def days(tmp_path: Path) -> Path:
    for day in (1, 2, 4):
        write_day(tmp_path, day, day_rows(day))
    return tmp_path


def undriven(data: DataConfig) -> dict[str, Any]:
    base, pattern = locating.locate(data, "")
    return dict(interaction_example_gen(data, base, pattern, "a").exec_properties)


def driven(data: DataConfig) -> dict[str, Any]:
    with metadata.Metadata(metadata_store_pb2.ConnectionConfig(fake_database={})) as handle:
        info = data_types.PipelineInfo("", "")
        return SpanDriver(handle).resolve_exec_properties(undriven(data), info, data_types.ComponentInfo("", "", info))


def test_the_driver_resolves_the_window(days: Path) -> None:
    properties = driven(day_config(days).data)
    assert (properties["span"], properties["version"]) == (4, 1)
    assert [split.pattern for split in input_splits(properties)] == [
        str(days / "days" / str(day) / "v1" / "*.csv") for day in (2, 4)
    ]
    assert [span.label for span in driven_window(properties, data_config(properties))] == [
        "2 (version 1)",
        "4 (version 1)",
    ]


def test_the_executor_reads_what_was_fingerprinted(days: Path) -> None:
    properties = driven(day_config(days).data)
    write_day(days, 5, day_rows(5))
    write_day(days, 4, day_rows(44), version=2)
    window = driven_window(properties, data_config(properties))
    assert [(span.number, span.version) for span in window] == [(2, 1), (4, 1)]


def test_the_fingerprint_is_of_the_files_in_the_window(days: Path) -> None:
    data = day_config(days).data

    def fingerprint() -> str:
        return driven(data)["input_fingerprint"]

    first = fingerprint()
    write_day(days, 1, day_rows(11), version=2)
    assert fingerprint() == first
    write_day(days, 2, day_rows(12), version=2)
    second = fingerprint()
    assert second != first
    os.utime(days / "days" / "4" / "v1" / "part.csv", (1_000_000_000, 1_000_000_000))
    assert fingerprint() != second


def test_where_tfx_runs_its_own_driver_the_executor_finds_the_window(days: Path) -> None:
    data = day_config(days).data
    properties = undriven(data)
    base = properties[specs.INPUT_BASE_KEY]

    def fingerprint() -> str:
        processor = FileBasedInputProcessor(base, input_splits(properties))
        assert processor.resolve_span_and_version() == (0, None)
        return processor.get_input_fingerprint(0, None)

    first = fingerprint()
    assert [span.number for span in driven_window(properties, data)] == [2, 4]
    write_day(days, 5, day_rows(5))
    assert fingerprint() != first
    assert [span.number for span in driven_window(properties, data)] == [4, 5]


def test_a_repeated_span_can_be_left_out(days: Path, tmp_path: Path) -> None:
    from tests.modules.data.beam_runs import make_pipeline

    write_day(days, 5, day_rows(4))
    write_day(days, 6, day_rows(4))
    data = day_config(days, on_repeated_span="ignore").data
    reading = read_spans(data, undriven(data), make_pipeline, str(tmp_path))
    assert [span.number for span in reading.window] == [2, 4]
    assert reading.left_out == ["6 (version 1)", "5 (version 1)"]


def test_the_data_half_compiles_for_kubeflow(days: Path) -> None:
    runner = tfx.orchestration.experimental.KubeflowV2DagRunner(
        config=tfx.orchestration.experimental.KubeflowV2DagRunnerConfig(default_image="image"),
        output_dir=str(days),
        output_filename="pipeline.json",
    )
    runner.run(create_data_pipeline(day_config(days)), write_out=True)
    compiled = json.loads((days / "pipeline.json").read_text())["pipelineSpec"]
    tasks, executors = compiled["root"]["dag"]["tasks"], compiled["deploymentSpec"]["executors"]
    assert {"DriftGate", "SchemaGate"} <= set(tasks["Transform"]["dependentTasks"])
    assert {"DriftGate", "SchemaGate"} <= set(tasks["AcceptStatistics"]["dependentTasks"])
    assert set(executors["LatestAcceptedStatistics_executor"]["resolver"]["outputArtifactQueries"]) == {"statistics"}
    baseline = tasks["DriftValidator"]["inputs"]["artifacts"]["baseline_statistics"]["taskOutputArtifact"]
    assert baseline == {"producerTask": "LatestAcceptedStatistics", "outputArtifactKey": "statistics"}
