"""TFX's InfraValidator, wherever there is a platform to start a model server on."""

import os

import docker
from absl import logging
from tfx import v1 as tfx
from tfx.proto import infra_validator_pb2
from tfx.utils import kube_utils

from modules import names
from tfx_pipeline.config import InfraValidatorPlatform

# The InfraValidator sends records as they are, so that it can only ask signatures of serialized examples.
SIGNATURE = "serve_tf_examples"

# TFX's own question, `kube_utils.is_inside_kfp`, fails on machines that know no cluster.
_IN_POD = {"KUBERNETES_SERVICE_HOST", kube_utils.KFP_POD_NAME, kube_utils.KFP_NAMESPACE}
_DAEMON_TIMEOUT_SECONDS = 5


def infra_validator(
    model: tfx.dsl.Channel,
    examples: tfx.dsl.Channel,
    name: str,
    choice: InfraValidatorPlatform,
    image: str | None,
) -> tfx.components.InfraValidator | None:
    """Returns the component that starts a real model server on a model and asks it for recommendations.

    Args:
      model: the export to be tried.
      examples: whose test split is asked about.
      name: the model's.
      choice: `deployment.infra_validator`.
      image: of the model server, with its tag or digest; None where no image is known that can load the model.

    Returns:
      The component; None where it is switched off or cannot run here, which is logged with the reason.
    """
    reason = "deployment.infra_validator is off"
    platform = None
    if image is None and choice != "off":
        reason = "deployment.scann_image names no model server that links ScaNN's operations"
    elif choice != "off":
        platform = find_platform() if choice == "auto" else choice
        reason = "no Docker daemon answers, and this is no pod of Kubeflow Pipelines"
    if platform is None:
        logging.info("%s goes without TFX's InfraValidator: %s. ServingCheck tries it.", name, reason)
        return None
    return tfx.components.InfraValidator(
        model=model,
        examples=examples,
        serving_spec=serving_spec(name, platform, image),  # type: ignore[arg-type]  # an image is named where Docker is
        validation_spec=infra_validator_pb2.ValidationSpec(max_loading_time_seconds=300, num_tries=2),
        request_spec=infra_validator_pb2.RequestSpec(
            tensorflow_serving=infra_validator_pb2.TensorFlowServingRequestSpec(signature_names=[SIGNATURE]),
            split_name=names.TEST,
            num_examples=32,
        ),
    )


def serving_spec(name: str, platform: str, image: str) -> infra_validator_pb2.ServingSpec:
    """Returns which model server is started on which platform.

    Args:
      name: the model's.
      platform: "docker" or "kubernetes".
      image: `repository:tag` or `repository@digest`.
    """
    repository, digest_sign, digest = image.partition("@")
    tags = []
    if not digest_sign:
        repository, _, tag = image.rpartition(":")
        tags = [tag]
    server = infra_validator_pb2.TensorFlowServing(
        image_name=repository, tags=tags, digests=[digest] if digest_sign else []
    )
    spec = infra_validator_pb2.ServingSpec(tensorflow_serving=server, model_name=name)
    if platform == "docker":
        spec.local_docker.SetInParent()
    else:
        spec.kubernetes.SetInParent()
    return spec


def find_platform() -> str | None:
    """Returns "kubernetes" within a pod of Kubeflow Pipelines, "docker" where a daemon answers, else None."""
    if os.environ.keys() >= _IN_POD:
        return "kubernetes"
    try:
        client = docker.from_env(timeout=_DAEMON_TIMEOUT_SECONDS)
        try:
            client.ping()
        finally:
            client.close()
    except docker.errors.DockerException:
        return None
    return "docker"
