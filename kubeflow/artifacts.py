"""What TFX's executors and the launcher of Kubeflow Pipelines expect of artifacts, and how one becomes the other.

The launcher hands over what its metadata store knows: inputs without a type, every output of a task whether anything
was written to it or not, and bucket URIs. It has put the files of a bucket's artifacts below /gcs, /s3 or /minio of the
container before it starts the command, and takes what lies there into the bucket afterwards
(`backend/src/v2/component/launcher_v2.go` of kubeflow/pipelines).
"""

import dataclasses
import os
from collections.abc import Mapping

_LAUNCHER_FOLDERS = {"gs": "gcs", "s3": "s3", "minio": "minio"}

ABSENT = "absent"
"""Metadata key, 1 on an output nothing was written to."""


@dataclasses.dataclass(frozen=True)
class Storage:
    """Where a container finds the files of artifacts.

    By the launcher's folders and not by the buckets: TensorFlow's wheels know no s3:// and no minio://, and the empty
    objects that its gs:// leaves as folders make the launcher's download fail.

    Args:
      artifacts: folder on a volume, or a bucket's prefix, that holds them; None where the launcher carries them.
      pod_root: the container's own root folder.
    """

    artifacts: str | None = None
    pod_root: str = "/"

    def path(self, uri: str) -> str:
        """Returns the path of an artifact's files; anything but a bucket's URI is one already."""
        scheme, separator, rest = uri.partition("://")
        if not separator or scheme not in _LAUNCHER_FOLDERS:
            return uri
        if self.artifacts:
            return os.path.join(self.artifacts, rest)
        return os.path.join(self.pod_root, _LAUNCHER_FOLDERS[scheme], rest)


def for_executor(invocation: Mapping, inputs_spec: Mapping, storage: Storage) -> dict:
    """Returns an invocation as TFX's executors read it.

    Inputs get their types, absent ones are left out, URIs become paths. Names become URIs: an Evaluator writes the
    name of the model it judged into its blessing, and "model", the launcher's name, would not tell which.

    Args:
      invocation: JSON form of the launcher's ExecutorInput.
      inputs_spec: JSON form of the component's ComponentInputsSpec.
      storage: where files are.
    """
    inputs = invocation.get("inputs", {})
    types = {name: spec.get("artifactType") for name, spec in inputs_spec.get("artifacts", {}).items()}
    found = {}
    for name, listed in inputs.get("artifacts", {}).items():
        present = [
            {**_located(artifact, storage), "type": types.get(name) or artifact.get("type")}
            for artifact in listed.get("artifacts", [])
            if not artifact.get("metadata", {}).get(ABSENT)
        ]
        if present:
            found[name] = {"artifacts": present}
    outputs = invocation.get("outputs", {})
    written = {
        name: {"artifacts": [_located(artifact, storage) for artifact in listed.get("artifacts", [])]}
        for name, listed in outputs.get("artifacts", {}).items()
    }
    return {
        "inputs": {**inputs, "artifacts": found},
        "outputs": {**outputs, "artifacts": written},
    }


def with_metadata(invocation: Mapping, executor_output: Mapping) -> dict:
    """Returns an invocation whose output artifacts have the metadata a driver wrote down for them."""
    outputs = invocation["outputs"]
    artifacts = {
        name: {"artifacts": [dict(a) for a in listed["artifacts"]]} for name, listed in outputs["artifacts"].items()
    }
    for name, listed in executor_output.get("artifacts", {}).items():
        for artifact, told in zip(artifacts[name]["artifacts"], listed["artifacts"], strict=True):
            artifact["metadata"] = {**artifact.get("metadata", {}), **told.get("metadata", {})}
    return {**invocation, "outputs": {**outputs, "artifacts": artifacts}}


def for_launcher(executor_output: Mapping) -> dict:
    """Returns an ExecutorOutput that tells of the artifacts no more than their metadata: the launcher knows where.

    Properties without a value are left out: the launcher cannot store a null and fails the task.
    """
    artifacts = {
        name: {"artifacts": [{"metadata": _with_values(a.get("metadata", {}))} for a in listed.get("artifacts", [])]}
        for name, listed in executor_output.get("artifacts", {}).items()
    }
    return {**executor_output, "artifacts": artifacts}


def _located(artifact: Mapping, storage: Storage) -> dict:
    return {**artifact, "name": artifact["uri"], "uri": storage.path(artifact["uri"])}


def _with_values(metadata: Mapping) -> dict:
    return {key: value for key, value in metadata.items() if value is not None}
