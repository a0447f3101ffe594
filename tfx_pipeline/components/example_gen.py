"""ExampleGen: interactions to one record per user and split, and one per item."""

import hashlib
import logging
import os
from typing import Any

import apache_beam as beam
import tensorflow as tf
from google.protobuf import struct_pb2
from tfx import types
from tfx.components import FileBasedExampleGen
from tfx.components.example_gen.base_example_gen_executor import BaseExampleGenExecutor
from tfx.dsl.components.base.executor_spec import BeamExecutorSpec
from tfx.dsl.io import fileio
from tfx.proto import example_gen_pb2
from tfx.types import artifact_utils
from tfx.types import standard_component_specs as specs
from tfx.utils import proto_utils

from modules.config import DataConfig
from modules.data import assembly, facts, names, report
from modules.data.corpus import Corpus, build_corpus
from modules.data.sources import source_for

_LOG = logging.getLogger(__name__)


def interaction_example_gen(data: DataConfig, input_base: str, pattern: str, code_digest: str) -> FileBasedExampleGen:
    """Returns the component that turns interactions into `train`, `valid`, `test` and `catalog`.

    What its cache depends on: the size and time of the interactions' files (TFX looks at them), the
    content of the side tables, the settings, and the code.

    Args:
      data: the settings.
      input_base: folder of the interactions, as `modules.data.sources.locate` gives it.
      pattern: of their files in it.
      code_digest: of the sources of `modules`.

    Raises:
      ValueError: a side table cannot be found.
    """
    settings = struct_pb2.Struct()
    settings["data"] = data.model_dump_json()
    settings["code"] = code_digest
    settings["side_tables"] = _side_tables_digest(data, input_base)
    custom_config = example_gen_pb2.CustomConfig()
    custom_config.custom_config.Pack(settings)
    split = example_gen_pb2.SplitConfig.Split
    return InteractionExampleGen(
        input_base=input_base,
        input_config=example_gen_pb2.Input(splits=[example_gen_pb2.Input.Split(name="interactions", pattern=pattern)]),
        output_config=example_gen_pb2.Output(
            split_config=example_gen_pb2.SplitConfig(
                # The executor splits by itself; the buckets only have to be there.
                splits=[split(name=name, hash_buckets=1) for name in names.SPLITS]
            )
        ),
        custom_config=custom_config,
    )


class Executor(BaseExampleGenExecutor):
    """Filters and groups in a few Beam pipelines, then makes the examples in one more."""

    def GetInputSourceToExamplePTransform(self) -> beam.PTransform:
        """Raises: interactions only become examples together, see `GenerateExamplesByBeam`."""
        raise NotImplementedError("Interactions become examples in `GenerateExamplesByBeam`.")

    def GenerateExamplesByBeam(
        self, pipeline: beam.Pipeline, exec_properties: dict[str, Any]
    ) -> dict[str, beam.PCollection]:
        """Returns the serialized examples by split."""
        return assembly.make_examples(pipeline, self._corpus, _data_config(exec_properties), self._facts_path)

    def Do(
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Runs the component; see `modules.data.corpus` and `modules.data.assembly`.

        Raises:
          ValueError: too many rows cannot be read, filters leave none, or a split stays empty.
        """
        folder = self._get_tmp_dir()
        try:
            self._do(input_dict, output_dict, exec_properties, folder)
        finally:
            fileio.rmtree(folder)

    def _do(
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
        folder: str,
    ) -> None:
        source = source_for(_data_config(exec_properties))
        input_config = example_gen_pb2.Input()
        proto_utils.json_to_proto(exec_properties[specs.INPUT_CONFIG_KEY], input_config)
        self._facts_path = os.path.join(folder, "facts.json")
        self._corpus: Corpus = build_corpus(
            self._make_beam_pipeline,
            source,
            exec_properties[specs.INPUT_BASE_KEY],
            input_config.splits[0].pattern,
            folder,
        )
        super().Do(input_dict, output_dict, exec_properties)
        has_time = source.columns.timestamp is not None
        counted = facts.read_facts(self._facts_path)
        summary = report.make_report(self._corpus, counted, source.data, has_time)
        _LOG.info("corpus: %s; splits: %s", summary["corpus"], summary["splits"])
        report.require_every_split(summary)
        artifact = artifact_utils.get_single_instance(output_dict[specs.EXAMPLES_KEY])
        report.write_report(summary, artifact.uri)


class InteractionExampleGen(FileBasedExampleGen):
    """TFX's own component, whose driver fingerprints the input files, around this executor."""

    EXECUTOR_SPEC = BeamExecutorSpec(Executor)


def _data_config(exec_properties: dict[str, Any]) -> DataConfig:
    custom_config = example_gen_pb2.CustomConfig()
    proto_utils.json_to_proto(exec_properties[specs.CUSTOM_CONFIG_KEY], custom_config)
    settings = struct_pb2.Struct()
    custom_config.custom_config.Unpack(settings)
    return DataConfig.model_validate_json(settings["data"])


def _side_tables_digest(data: DataConfig, input_base: str) -> str:
    digest = hashlib.sha256()
    for kind, table in sorted(source_for(data).side_tables(input_base).items()):
        digest.update(kind.encode())
        try:
            with tf.io.gfile.GFile(table.path, "rb") as file:
                while block := file.read(1 << 20):
                    digest.update(block)
        except tf.errors.NotFoundError as error:
            raise ValueError(f"`{table.config_key}` must name a file that exists. Received: {table.path!r}.") from error
    return digest.hexdigest()
