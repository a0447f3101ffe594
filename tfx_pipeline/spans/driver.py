"""The ExampleGen's driver: finds the spans of the window when a run starts, and fingerprints their files."""

import json
import os
from typing import Any

from google.protobuf import struct_pb2
from tfx.components.example_gen import utils
from tfx.components.example_gen.driver import FileBasedDriver
from tfx.orchestration import data_types
from tfx.proto import example_gen_pb2
from tfx.types import standard_component_specs as specs
from tfx.utils import io_utils, proto_utils

from modules.data.config import DataConfig
from modules.data.locating import source_for
from modules.data.spans import windows
from modules.data.spans.path import Span

INTERACTIONS = "interactions"
"""Name of the one split of the input, until the driver has found the spans."""


class SpanDriver(FileBasedDriver):
    """TFX's own but for data in spans: that resolves a single one, and a window of several is read together here.

    It leaves an input split a span, whose pattern is `data.path` with the numbers filled in, for the executor to read
    exactly what was fingerprinted. The artifact's `span` and `version` are those of the newest one.
    """

    def resolve_exec_properties(
        self,
        exec_properties: dict[str, Any],
        pipeline_info: data_types.PipelineInfo,
        component_info: data_types.ComponentInfo,
    ) -> dict[str, Any]:
        """Returns the properties with the spans, and the fingerprint of their files.

        Raises:
          ValueError: no span is there, or not the one that is asked for.
        """
        data = data_config(exec_properties)
        if not windows.in_spans(data):
            return super().resolve_exec_properties(exec_properties, pipeline_info, component_info)
        window = windows.window(data)
        splits = [example_gen_pb2.Input.Split(name=_split_name(span), pattern=span.path) for span in window]
        input_config = example_gen_pb2.Input(splits=splits)
        exec_properties[specs.INPUT_CONFIG_KEY] = proto_utils.proto_to_json(input_config)
        exec_properties[utils.SPAN_PROPERTY_NAME] = window[-1].number
        exec_properties[utils.VERSION_PROPERTY_NAME] = window[-1].version
        exec_properties[utils.FINGERPRINT_PROPERTY_NAME] = "\n".join(
            io_utils.generate_fingerprint(f"span {span.label}", span_pattern(data, span)) for span in window
        )
        return exec_properties


def data_config(exec_properties: dict[str, Any]) -> DataConfig:
    """Returns the settings that `interaction_example_gen` packs into the custom configuration."""
    custom_config = example_gen_pb2.CustomConfig()
    proto_utils.json_to_proto(exec_properties[specs.CUSTOM_CONFIG_KEY], custom_config)
    settings = struct_pb2.Struct()
    custom_config.custom_config.Unpack(settings)
    return DataConfig.model_validate_json(settings["data"])


def input_splits(exec_properties: dict[str, Any]) -> list[example_gen_pb2.Input.Split]:
    """Returns the splits of the input configuration: one, or one a span."""
    input_config = example_gen_pb2.Input()
    proto_utils.json_to_proto(exec_properties[specs.INPUT_CONFIG_KEY], input_config)
    return list(input_config.splits)


def driven_window(exec_properties: dict[str, Any], data: DataConfig) -> list[Span]:
    """Returns the spans this driver has found, or finds them where another one ran.

    Kubeflow runs TFX's driver whatever the component says: it fingerprints the files of all spans there are.
    """
    splits = input_splits(exec_properties)
    if splits[0].name == INTERACTIONS:
        return windows.window(data)
    return [Span(path=split.pattern, **json.loads(split.name)) for split in splits]


def span_pattern(data: DataConfig, span: Span) -> str:
    """Returns the pattern of a span's files; of a folder, that of the files its source takes from it."""
    return os.path.join(*source_for(windows.of_span(data, span)).locate(""))


def _split_name(span: Span) -> str:
    return json.dumps({"number": span.number, "version": span.version, "label": span.label})
