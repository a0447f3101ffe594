"""The pipeline's configuration, as it is for containers on a cluster."""

from tfx_pipeline.config import ConfigError, PipelineConfig
from tfx_pipeline.kubeflow_config import KubeflowConfig

_DATA_FILES = ("path", "items_path", "users_path")


def section(config: PipelineConfig) -> KubeflowConfig:
    """Returns `kubeflow` of a configuration; raises ConfigError where there is none."""
    if config.kubeflow is None:
        raise ConfigError(
            "`kubeflow` must be given to run on Kubeflow Pipelines, with `image` and `root` at least. "
            "Received: no such section; kubeflow/README.md has an example."
        )
    return config.kubeflow


def on_cluster(config: PipelineConfig) -> PipelineConfig:
    """Returns the configuration with the paths and platforms of the cluster in place of this machine's.

    `deployment.infra_validator: auto` means `off` here: it looks at the machine the pipeline is compiled on, which is
    not the one that validates.

    Raises:
      ConfigError: there is no section `kubeflow`, or a file of the data is named relative to some folder.
    """
    kubeflow = section(config)
    for key in _DATA_FILES:
        path = getattr(config.data, key)
        if path is not None and not path.startswith("/") and "://" not in path:
            raise ConfigError(
                f"`data.{key}` must be a URI or an absolute path that every container can read. Received: {path!r}."
            )
    changes: dict = {
        "root": kubeflow.root,
        "serving_directory": kubeflow.serving_directory or config.serving_directory,
    }
    if config.deployment.infra_validator == "auto":
        changes["deployment"] = config.deployment.model_copy(update={"infra_validator": "off"})
    return config.model_copy(update=changes)


def pipeline_name(name: str) -> str:
    """Returns a pipeline's or component's name as Kubernetes allows it: lower case, digits and dashes."""
    return "-".join(filter(None, "".join(c if c.isalnum() else "-" for c in name.lower()).split("-")))
