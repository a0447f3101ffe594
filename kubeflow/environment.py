"""What a container is told about its place by environment variables of its own."""

import dataclasses
import os

from kubeflow.artifacts import Storage

COMPONENT = "PIPELINE_COMPONENT"
RECORDS = "PIPELINE_RECORDS"
REMEMBERED = "PIPELINE_REMEMBERED"
ARTIFACTS = "PIPELINE_ARTIFACTS"
POD_ROOT = "PIPELINE_POD_ROOT"

_NAMESPACE = "KFP_NAMESPACE"
_NAMESPACE_FILE = "/var/run/secrets/kubernetes.io/serviceaccount/namespace"


@dataclasses.dataclass(frozen=True)
class Place:
    """Where a container is and what it is there for.

    Args:
      component: id of the component that runs.
      records: folder of the artifacts that later runs ask for.
      storage: where artifacts are.
      remembered: those of the component's outputs that are written down there.
    """

    component: str
    records: str
    storage: Storage
    remembered: tuple[str, ...] = ()

    @classmethod
    def here(cls) -> "Place":
        """Returns the place of this process; raises RuntimeError outside of a container of the pipeline."""
        missing = [name for name in (COMPONENT, RECORDS) if name not in os.environ]
        if missing:
            raise RuntimeError(
                "The command must be run by Kubeflow Pipelines or `python -m kubeflow.dry_run`, which set "
                f"{COMPONENT} and {RECORDS}. Received: no {' and no '.join(missing)} in the environment."
            )
        return cls(
            os.environ[COMPONENT],
            os.environ[RECORDS],
            Storage(os.environ.get(ARTIFACTS), os.environ.get(POD_ROOT, "/")),
            tuple(filter(None, os.environ.get(REMEMBERED, "").split(","))),
        )


def name_the_namespace() -> None:
    """Sets what TFX's InfraValidator asks for: Kubeflow Pipelines v2 tells a pod its name but not its namespace."""
    if _NAMESPACE not in os.environ and os.path.exists(_NAMESPACE_FILE):
        with open(_NAMESPACE_FILE, encoding="utf-8") as file:
            os.environ[_NAMESPACE] = file.read().strip()
