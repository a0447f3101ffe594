"""TFX's runner for Kubeflow Pipelines v2, writing what the open-source service can run."""

import json
import os
from typing import Any

import tensorflow as tf
import yaml
from tfx import v1 as tfx
from tfx.orchestration.pipeline import Pipeline

from kubeflow import entrypoint, file_systems, spec
from kubeflow.cluster import on_cluster, pipeline_name, section
from tfx_pipeline.config import ConfigError, PipelineConfig
from tfx_pipeline.pipeline import create_pipeline

_YAML, _JSON = (".yaml", ".yml"), (".json",)


class KubeflowRunner(tfx.orchestration.experimental.KubeflowV2DagRunner):
    """Compiles a pipeline to a package that Kubeflow Pipelines takes, in its web page or by its client.

    YAML holds a document of the pipeline and, where it mounts anything, one of the platform; JSON holds the job, in the
    form of Google's managed pipelines.

    Args:
      config: of the pipeline, as it is on the cluster (`kubeflow.cluster.on_cluster`).
      output: the package, .yaml or .json.

    Raises:
      ConfigError: the output cannot hold what is compiled.
    """

    def __init__(self, config: PipelineConfig, output: str) -> None:
        self._pipeline_config = config
        if not output.endswith(_YAML + _JSON):
            raise ConfigError(f"The output must be a file .yaml or .json. Received: {output!r}.")
        if output.endswith(_JSON) and section(config).volume is not None:
            raise ConfigError(
                "The output must be a file .yaml where `kubeflow.volume` is given: JSON has no place for mounts. "
                f"Received: {output!r}."
            )
        super().__init__(
            config=tfx.orchestration.experimental.KubeflowV2DagRunnerConfig(
                default_image=section(config).image,
                default_commands=["python", "-m", entrypoint.MODULE],
                use_pipeline_spec_2_1=True,
            ),
            output_dir=os.path.dirname(os.path.abspath(output)),
            output_filename=os.path.basename(output),
        )

    def run(
        self, pipeline: Pipeline, parameter_values: dict[str, Any] | None = None, write_out: bool | None = True
    ) -> spec.Compiled:
        """Returns the compiled pipeline, and writes it unless told not to; see base class."""
        job = super().run(pipeline, parameter_values, write_out=False)
        compiled = spec.adapt(job["pipelineSpec"], pipeline, self._pipeline_config)
        if write_out:
            # The command line of TFX moves the output, so that the runner's own fields decide.
            path = os.path.join(self._output_dir, self._output_filename)
            os.makedirs(self._output_dir, exist_ok=True)
            with open(path, "w", encoding="utf-8") as file:
                if path.endswith(_JSON):
                    (document,) = compiled.documents()
                    json.dump({**job, "pipelineSpec": document}, file, sort_keys=True, indent=1)
                else:
                    yaml.safe_dump_all(compiled.documents(), file, sort_keys=True, allow_unicode=True)
        return compiled


def define(config: PipelineConfig) -> Pipeline:
    """Returns the pipeline that `create_pipeline` defines, under a name that Kubernetes allows."""
    pipeline = create_pipeline(config)
    pipeline.pipeline_info.pipeline_name = pipeline_name(config.name)
    return pipeline


def compile_pipeline(config: PipelineConfig, output: str) -> spec.Compiled:
    """Compiles the pipeline of a configuration and writes the package.

    Raises:
      ConfigError: the configuration is not one of a cluster's, see `kubeflow.cluster`, `kubeflow.file_systems` and
        `kubeflow.spec`.
    """
    cluster = on_cluster(config)
    file_systems.check(cluster)
    runner = KubeflowRunner(cluster, output)
    try:
        pipeline = define(cluster)
    except (OSError, tf.errors.OpError) as error:
        raise ConfigError(
            f"`kubeflow.root` must be a place that can be written from where the pipeline is compiled. Received: "
            f"{cluster.root!r}: {error}"
        ) from error
    return runner.run(pipeline)
