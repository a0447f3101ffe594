"""Whether this machine can open what the cluster will: TensorFlow brings gs://, the package tensorflow-io s3://."""

import contextlib
import importlib
import os

import tensorflow as tf

from kubeflow.cluster import section
from tfx_pipeline.config import ConfigError, PipelineConfig

PACKAGE = "tensorflow-io==0.37.1"


def register() -> None:
    """Registers the file systems of tensorflow-io, where it is installed."""
    with contextlib.suppress(ImportError):
        importlib.import_module("tensorflow_io")


def check(config: PipelineConfig) -> None:
    """Raises ConfigError where the bucket or the volume that the configuration names cannot be opened from here.

    What compiles the pipeline reads its data and writes its schema, so it must be where they are.

    Args:
      config: of the pipeline, as it is on the cluster.
    """
    volume = section(config).volume
    if volume is not None and not os.path.isdir(volume.mount_path):
        raise ConfigError(
            "`kubeflow.volume.mount_path` must be a folder where the pipeline is compiled: the schema is written below "
            f"it. Received: {volume.mount_path!r}. `kubectl apply -k kubeflow/job` compiles where it is mounted."
        )
    register()
    known = tf.io.gfile.get_registered_schemes()
    named = {
        "kubeflow.root": config.root,
        "kubeflow.serving_directory": config.serving_model_dir,
        "data.path": config.data.path or "",
    }
    for key, path in named.items():
        scheme, separator, _ = path.partition("://")
        if separator and scheme not in known:
            raise ConfigError(
                f"`{key}` must be a path, or a URI of {sorted(set(known) - {''})}. Received: {path!r}. For s3:// add "
                f"{PACKAGE} to setup.py, run `make lock`, and build the image again."
            )
