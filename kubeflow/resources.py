"""Resources and mounts of containers, as the specifications of Kubeflow Pipelines carry them."""

from collections.abc import Sequence
from typing import TypeAlias

from kfp.pipeline_spec import pipeline_spec_pb2 as protos

from tfx_pipeline.kubeflow_config import KubeflowConfig, Resources

Container: TypeAlias = protos.PipelineDeploymentConfig.PipelineContainerSpec


def limit(container: Container, resources: Resources) -> None:
    """Sets what a container may use; it is requested too, so that the scheduler keeps it free."""
    if resources.cpu is not None:
        container.resources.cpu_limit = container.resources.cpu_request = resources.cpu
    if resources.memory is not None:
        container.resources.memory_limit = container.resources.memory_request = resources.memory
    if resources.accelerator is not None:
        container.resources.accelerator.type = resources.accelerator.type
        container.resources.accelerator.count = resources.accelerator.count


def platform(config: KubeflowConfig, executors: Sequence[str]) -> protos.PlatformSpec:
    """Returns the part for Kubernetes: the volume, mounted into every container.

    The pipeline's own specification has no field for volumes. The messages are those of the package kfp-kubernetes
    (`KubernetesExecutorConfig.pvc_mount`).

    Args:
      config: whose `volume` is mounted.
      executors: their labels.
    """
    spec = protos.PlatformSpec()
    if config.volume is not None:
        mount = {"constant": config.volume.claim, "mountPath": config.volume.mount_path}
        for label in executors:
            spec.platforms["kubernetes"].deployment_spec.executors[label].update({"pvcMount": [mount]})
    return spec
