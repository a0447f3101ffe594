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
from tfx.components.example_gen import write_split
from tfx.components.example_gen.base_example_gen_executor import BaseExampleGenExecutor
from tfx.components.util import examples_utils
from tfx.dsl.components.base.executor_spec import BeamExecutorSpec
from tfx.dsl.io import fileio
from tfx.proto import example_gen_pb2
from tfx.types import artifact_utils
from tfx.types import standard_component_specs as specs

from modules import names
from modules.data import facts, report
from modules.data.config import DataConfig
from modules.data.examples import assembly
from modules.data.filtering import FilteredData, filter_interactions
from modules.data.locating import source_for
from modules.data.spans import windows
from modules.data.spans.newest import newest_examples
from tfx_pipeline.spans.driver import INTERACTIONS, SpanDriver, data_config, input_splits
from tfx_pipeline.spans.reading import SpanReading, read_spans

_FILE_PREFIX = "data_tfrecord"
_LOG = logging.getLogger(__name__)


def interaction_example_gen(data: DataConfig, input_base: str, pattern: str, code_digest: str) -> FileBasedExampleGen:
    """Returns the component that turns interactions into `train`, `valid`, `test` and `catalog`.

    What its cache depends on: the size and time of the interactions' files (TFX looks at them), of spans those in the
    window; the content of the side tables, the settings, and the code. Data in spans get a split more, `newest`.

    Args:
      data: the settings.
      input_base: folder of the interactions, as `modules.data.locating.locate` gives it.
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
        input_config=example_gen_pb2.Input(splits=[example_gen_pb2.Input.Split(name=INTERACTIONS, pattern=pattern)]),
        output_config=example_gen_pb2.Output(
            split_config=example_gen_pb2.SplitConfig(
                # The executor splits by itself; the buckets only have to be there.
                splits=[split(name=name, hash_buckets=1) for name in split_names(data)]
            )
        ),
        custom_config=custom_config,
    )


def split_names(data: DataConfig) -> list[str]:
    """Returns the splits of the examples."""
    return [*names.SPLITS, names.NEWEST] if windows.in_spans(data) else list(names.SPLITS)


class Executor(BaseExampleGenExecutor):
    """Filters and groups in a few Beam pipelines, then makes the examples in one more."""

    def GetInputSourceToExamplePTransform(self) -> beam.PTransform:
        """Raises: interactions only become examples together, see `GenerateExamplesByBeam`."""
        raise NotImplementedError("Interactions become examples in `GenerateExamplesByBeam`.")

    def GenerateExamplesByBeam(
        self, pipeline: beam.Pipeline, exec_properties: dict[str, Any]
    ) -> dict[str, beam.PCollection]:
        """Returns the serialized examples by split."""
        examples = assembly.make_examples(pipeline, self._corpus, data_config(exec_properties), self._facts_path)
        if self._spans is not None:
            source, input_base, newest = self._spans.source, self._spans.input_base, self._spans.patterns[-1]
            examples[names.NEWEST] = newest_examples(
                pipeline, source, input_base, newest, self._corpus.folder, self._newest_facts_path
            )
        return examples

    def Do(
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Runs the component; see `modules.data.filtering` and `modules.data.examples.assembly`.

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
        data = data_config(exec_properties)
        self._spans: SpanReading | None = None
        if windows.in_spans(data):
            self._spans = read_spans(data, exec_properties, self._make_beam_pipeline, folder)
            source, input_base, pattern = self._spans.source, self._spans.input_base, self._spans.patterns
        else:
            source, input_base = source_for(data), exec_properties[specs.INPUT_BASE_KEY]
            pattern = input_splits(exec_properties)[0].pattern
        self._facts_path = os.path.join(folder, "facts.json")
        self._newest_facts_path = os.path.join(folder, "facts-newest.json")
        self._corpus: FilteredData = filter_interactions(self._make_beam_pipeline, source, input_base, pattern, folder)
        self._write_examples(output_dict, exec_properties)
        has_time = source.columns.timestamp is not None
        counted = facts.read_facts(self._facts_path)
        summary = report.make_report(self._corpus, counted, data, has_time)
        artifact = artifact_utils.get_single_instance(output_dict[specs.EXAMPLES_KEY])
        if self._spans is not None:
            self._spans.require_readable(facts.read_facts(self._newest_facts_path))
            summary["spans"] = self._spans.report(self._corpus.facts)
            self._spans.describe(artifact)
        _LOG.info("corpus: %s; splits: %s; catalog: %s", *(summary[part] for part in ("corpus", "splits", "catalog")))
        report.require_every_split(summary)
        report.require_order(summary, data)
        report.write_report(summary, artifact.uri)

    def _write_examples(self, output_dict: dict[str, list[types.Artifact]], exec_properties: dict[str, Any]) -> None:
        """Writes the splits as TFX does but for its shuffle, in which the in-memory runner would hold every example."""
        artifact = artifact_utils.get_single_instance(output_dict[specs.EXAMPLES_KEY])
        with self._make_beam_pipeline() as pipeline:
            splits = self.GenerateExamplesByBeam(pipeline, exec_properties)
            artifact.split_names = artifact_utils.encode_split_names(list(splits))
            for split, examples in splits.items():
                prefix = os.path.join(artifact_utils.get_split_uri([artifact], split), _FILE_PREFIX)
                _ = examples | f"Write[{split}]" >> beam.io.WriteToTFRecord(prefix, file_name_suffix=".gz")
        file_format = write_split.to_file_format_str(exec_properties[specs.OUTPUT_FILE_FORMAT_KEY])
        examples_utils.set_file_format(artifact, file_format)
        examples_utils.set_payload_format(artifact, exec_properties[specs.OUTPUT_DATA_FORMAT_KEY])


class InteractionExampleGen(FileBasedExampleGen):
    """TFX's own component around this executor; the driver fingerprints the input files, or those of the spans."""

    EXECUTOR_SPEC = BeamExecutorSpec(Executor)
    DRIVER_CLASS = SpanDriver


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
