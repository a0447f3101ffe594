"""Turns the specification TFX compiles for Google's managed pipelines into one Kubeflow Pipelines accepts.

What its compiler (`backend/src/v2/compiler/argocompiler` of kubeflow/pipelines) refuses or leaves out, and TFX writes:

  * resolvers: each becomes a container that looks up what an earlier run has written down
  * names with capitals, dots and underscores, which Argo and Kubernetes do not allow
  * `lifecycle.preCacheCheck`, which nobody runs: the ExampleGen's own container does
"""

import dataclasses
import json
import os
from collections.abc import Mapping, Sequence
from typing import TypeAlias

from google.protobuf import json_format
from kfp.pipeline_spec import pipeline_spec_pb2 as protos
from tfx.components import FileBasedExampleGen, Pusher
from tfx.dsl.components.common.resolver import RESOLVER_STRATEGY_CLASS, Resolver
from tfx.dsl.input_resolution.strategies.latest_artifact_strategy import LatestArtifactStrategy
from tfx.orchestration.pipeline import Pipeline
from tfx.types.standard_artifacts import ModelBlessing
from tfx.types.standard_component_specs import MODEL_KEY

from kubeflow import environment, latest, resources
from kubeflow.cluster import pipeline_name, section
from tfx_pipeline.config import ConfigError, PipelineConfig

# Of the two tasks that TFX makes of a resolver for the last blessed model, one finds the blessing and one the model.
_BLESSING_SUFFIX, _MODEL_SUFFIX = "-model-blessing-resolver", "-model-resolver"

Executor: TypeAlias = protos.PipelineDeploymentConfig.ExecutorSpec


@dataclasses.dataclass(frozen=True)
class Compiled:
    """A pipeline as Kubeflow Pipelines takes it.

    Args:
      pipeline: what runs.
      platform: what it mounts; without executors where it mounts nothing.
    """

    pipeline: protos.PipelineSpec
    platform: protos.PlatformSpec

    def documents(self) -> list[dict]:
        """Returns the YAML documents of the package: the pipeline and, where it mounts anything, the platform."""
        documents = [json_format.MessageToDict(self.pipeline)]
        if self.platform.platforms:
            documents.append(json_format.MessageToDict(self.platform))
        return documents


def adapt(tfx_spec: Mapping, pipeline: Pipeline, config: PipelineConfig) -> Compiled:
    """Adapts what KubeflowV2DagRunner has compiled.

    Args:
      tfx_spec: its PipelineSpec of schema 2.1.0, as JSON.
      pipeline: it was compiled from.
      config: of the pipeline, as it is on the cluster.

    Raises:
      ConfigError: `kubeflow.components` names a component that the pipeline has not.
    """
    _check_components(pipeline, config)
    source = json_format.ParseDict(tfx_spec, protos.PipelineSpec())
    deployment = json_format.ParseDict(
        json_format.MessageToDict(source.deployment_spec), protos.PipelineDeploymentConfig()
    )
    nodes = {component.id: component for component in pipeline.components}
    remembered = _remembered(pipeline)
    executors: dict[str, Executor] = {}
    result = protos.PipelineSpec()
    result.CopyFrom(source)
    result.ClearField("components")
    result.ClearField("deployment_spec")
    result.root.dag.ClearField("tasks")
    for name, task in source.root.dag.tasks.items():
        if name.endswith(_BLESSING_SUFFIX):
            continue
        node = nodes[_node_of(name)]
        new_name = _task_name(name)
        component, new_task = result.components[f"comp-{new_name}"], result.root.dag.tasks[new_name]
        component.CopyFrom(source.components[task.component_ref.name])
        executor = deployment.executors[component.executor_label]
        component.executor_label = f"exec-{new_name}"
        new_task.CopyFrom(task)
        new_task.component_ref.name = f"comp-{new_name}"
        if isinstance(node, Resolver):
            component.ClearField("input_definitions")
            new_task.ClearField("inputs")
            new_task.ClearField("dependent_tasks")
            executor = _lookup(node, component, config)
        _rename_upstream(new_task)
        if isinstance(node, FileBasedExampleGen | Pusher | Resolver):
            # What they read or write lies outside of what the cache looks at.
            new_task.caching_options.enable_cache = False
        executors[component.executor_label] = _placed(executor, node.id, remembered.get(node.id, ()), config)
    result.deployment_spec.update(
        {"executors": {label: json_format.MessageToDict(executor) for label, executor in executors.items()}}
    )
    if not _at_their_place(config):
        result.default_pipeline_root = config.pipeline_root
    return Compiled(result, resources.platform(section(config), list(executors)))


def _check_components(pipeline: Pipeline, config: PipelineConfig) -> None:
    known = sorted(component.id for component in pipeline.components)
    unknown = sorted(set(section(config).components) - set(known))
    if unknown:
        raise ConfigError(f"`kubeflow.components` must name components of this pipeline, {known}. Received: {unknown}.")


def _node_of(task: str) -> str:
    return task.removesuffix(_MODEL_SUFFIX)


def _task_name(task: str) -> str:
    return pipeline_name(_node_of(task))


def _rename_upstream(task: protos.PipelineTaskSpec) -> None:
    names = [_task_name(name) for name in task.dependent_tasks]
    del task.dependent_tasks[:]
    task.dependent_tasks.extend(names)
    task.task_info.name = _task_name(task.task_info.name)
    for artifact in task.inputs.artifacts.values():
        artifact.task_output_artifact.producer_task = _task_name(artifact.task_output_artifact.producer_task)
    for parameter in task.inputs.parameters.values():
        if parameter.HasField("task_output_parameter"):
            parameter.task_output_parameter.producer_task = _task_name(parameter.task_output_parameter.producer_task)


def _remembered(pipeline: Pipeline) -> dict[str, list[str]]:
    """Returns the outputs that resolvers ask for, by the component that writes them; blessed models go without."""
    outputs: dict[str, list[str]] = {}
    for node in pipeline.components:
        if isinstance(node, Resolver) and _strategy(node) is LatestArtifactStrategy:
            for channel in node.raw_inputs.values():
                outputs.setdefault(channel.producer_component_id, []).append(channel.output_key)
    return outputs


def _strategy(node: Resolver) -> type:
    return node.exec_properties[RESOLVER_STRATEGY_CLASS]


def _lookup(node: Resolver, component: protos.ComponentSpec, config: PipelineConfig) -> Executor:
    """Returns the container that looks up what the resolver's node would, `component` being what it outputs."""
    channels = node.raw_inputs
    if _strategy(node) is LatestArtifactStrategy:
        keys = {name: f"{channel.producer_component_id}/{channel.output_key}" for name, channel in channels.items()}
    else:
        (blessing,) = (channel for channel in channels.values() if channel.type.TYPE_NAME == ModelBlessing.TYPE_NAME)
        (output,) = component.output_definitions.artifacts
        keys = {output: f"{blessing.producer_component_id}/{MODEL_KEY}"}
    executor = Executor()
    executor.container.image = section(config).image
    executor.container.command.extend(["python", "-m", latest.MODULE])
    executor.container.args.extend(["--invocation", "{{$}}", "--keys", json.dumps(keys)])
    return executor


def _at_their_place(config: PipelineConfig) -> bool:
    """Returns whether components read and write artifacts below `root`, and the launcher carries none.

    A volume is there for every pod; and workers beyond the pod see none of what the launcher has put into it.
    """
    return config.root.startswith("/") or config.beam.runner != "direct"


def _placed(executor: Executor, component: str, remembered: Sequence[str], config: PipelineConfig) -> Executor:
    """Returns the executor with its resources and the environment it looks for its place in."""
    placed = Executor()
    placed.CopyFrom(executor)
    if placed.WhichOneof("spec") != "container":
        return placed
    container = placed.container
    if container.HasField("lifecycle"):
        container.ClearField("lifecycle")
        container.args.append("--resolve_inputs")
    # Without a name of its own two containers of one class are one to Kubeflow's compiler, resources and all.
    variables = {
        environment.COMPONENT: component,
        environment.RECORDS: os.path.join(config.root, "records", config.name),
    }
    if remembered:
        variables[environment.REMEMBERED] = ",".join(remembered)
    if _at_their_place(config):
        variables[environment.ARTIFACTS] = config.pipeline_root
    for name, value in variables.items():
        container.env.add(name=name, value=value)
    resources.limit(container, section(config).resources_of(component))
    return placed
