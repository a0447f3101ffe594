"""What Kubeflow Pipelines needs to know beside the pipeline: image, storage, resources, schedule."""

import re

import pydantic

from modules.section import Section
from tfx_pipeline.cron import check_cron

_STORAGE = re.compile(r"(gs|s3)://[^/\s]+(/\S*)?|/\S*")
IMAGE_PATTERN = r"^[^@\s]+(:[\w][\w.-]*|@sha256:[0-9a-f]{64})$"
"""Of an image: `repository:tag` or `repository@digest`."""
_CLAIM = r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"


class Accelerator(Section):
    """Accelerators of one container."""

    type: str = pydantic.Field("nvidia.com/gpu", min_length=1)
    """The resource's name, as the device plugin of the nodes registers it."""
    count: int = pydantic.Field(1, ge=1)
    """How many."""


class Resources(Section):
    """What one container may use; the scheduler sets as much aside."""

    cpu: float | None = pydantic.Field(None, gt=0)
    """Cores; None sets no limit."""
    memory: float | None = pydantic.Field(None, gt=0)
    """Gigabytes, of 10^9 bytes; None sets no limit."""
    accelerator: Accelerator | None = None
    """Accelerators; None for none."""


class Volume(Section):
    """A persistent volume that every container of the pipeline mounts."""

    claim: str = pydantic.Field(pattern=_CLAIM)
    """Name of the PersistentVolumeClaim. Containers run on several nodes: its access mode should be ReadWriteMany."""
    mount_path: str = pydantic.Field("/mnt/pipeline", pattern=r"^/[^/\s]\S*$")
    """Where it is mounted."""


class KubeflowConfig(Section):
    """How the pipeline runs on Kubeflow Pipelines v2."""

    image: str = pydantic.Field(pattern=IMAGE_PATTERN)
    """The pipeline's image, `repository:tag` or `repository@digest`; `kubeflow/Dockerfile` builds it."""
    root: str
    """Takes the place of the pipeline's `root`: gs:// or s3:// bucket URI, or an absolute path on `volume`."""
    serving_directory: str | None = None
    """Where models are pushed to, a bucket URI or a path on `volume`; None is `serving_model` below `root`."""
    volume: Volume | None = None
    """The volume that holds `root` or `serving_directory` where these are paths."""
    resources: Resources = Resources()
    """Of every container."""
    components: dict[str, Resources] = {}
    """Of single components, by id (`Trainer`, `Evaluator.corr`); what is left out is as in `resources`."""
    schedule: str | None = None
    """Cron expression of five fields, minute first, for a recurring run; None runs when asked to."""

    @pydantic.field_validator("root", "serving_directory")
    @classmethod
    def _storage_is_reachable_from_every_node(cls, value: str | None, info: pydantic.ValidationInfo) -> str | None:
        if value is not None and not _STORAGE.fullmatch(value):
            raise ValueError(
                f"`{info.field_name}` must be a gs:// or s3:// URI, or an absolute path on a mounted volume. "
                f"Received: {value!r}."
            )
        return value and value.rstrip("/")

    @pydantic.field_validator("schedule")
    @classmethod
    def _schedule_is_cron(cls, schedule: str | None) -> str | None:
        if schedule is not None:
            check_cron(schedule)
        return schedule

    @pydantic.model_validator(mode="after")
    def _paths_are_on_the_volume(self) -> "KubeflowConfig":
        for key in ("root", "serving_directory"):
            path = getattr(self, key)
            if path is None or not path.startswith("/"):
                continue
            if self.volume is None:
                raise ValueError(
                    f"`volume` must name the claim to be mounted where `{key}` is a path: what a container writes "
                    f"elsewhere is gone when it ends. Received: {key}={path!r} without `volume`."
                )
            mount = self.volume.mount_path.rstrip("/")
            if path != mount and not path.startswith(f"{mount}/"):
                raise ValueError(f"`{key}` must lie below `volume.mount_path`, {mount!r}. Received: {path!r}.")
        return self

    def resources_of(self, component: str) -> Resources:
        """Returns the resources of a component: its own where set, else everyone's."""
        own = self.components.get(component)
        if own is None:
            return self.resources
        return self.resources.model_copy(update={key: getattr(own, key) for key in own.model_fields_set})
