"""A Pusher whose versions appear whole or not at all; in a bucket, as nearly so as a bucket allows."""

import json
import os
import shutil
from types import ModuleType
from typing import Any

import tensorflow as tf
from tfx import types
from tfx import v1 as tfx
from tfx.components.pusher import executor
from tfx.dsl.components.base import executor_spec
from tfx.types import artifact_utils, standard_component_specs

from tfx_pipeline.components import warmup_requests
from tfx_pipeline.versions import version_folder, version_prefix

_DESTINATION = "pushed_destination"
_VERSION = "pushed_version"


def atomic_pusher(
    model: tfx.dsl.Channel,
    model_blessing: tfx.dsl.Channel,
    infra_blessing: tfx.dsl.Channel,
    base_directory: str,
    run_token: str,
) -> tfx.components.Pusher:
    """Returns a Pusher to `<base_directory>/<version>`.

    Args:
      model: what is pushed.
      model_blessing: the Evaluator's verdict.
      infra_blessing: the serving check's verdict.
      base_directory: the folder a model server watches, or a bucket's URI.
      run_token: part of the cache key; a new one pushes a new version even of an unchanged model.
    """
    return AtomicPusher(
        model=model,
        model_blessing=model_blessing,
        infra_blessing=infra_blessing,
        push_destination=tfx.proto.PushDestination(
            filesystem=tfx.proto.PushDestination.Filesystem(base_directory=base_directory)
        ),
        custom_config={"run_token": run_token},
    )


class PushError(RuntimeError):
    """A model that could not be pushed, with the reason and the room it needs."""


class Executor(executor.Executor):
    """Copies beside the watched folder's versions, under a name no server takes for one, and renames when all is there.

    A model server that sees a version while it is copied may fail to load it, and never tries that number again. The
    warm-up requests that come with the InfraBlessing become part of the version.
    """

    def Do(
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Pushes if blessed; see base class.

        Raises:
          PushError: the disk is full, or another fault of the file system; no version has appeared then.
        """
        if not self.CheckBlessing(input_dict):
            super().Do(input_dict, output_dict, exec_properties)
            return
        destination = json.loads(exec_properties[standard_component_specs.PUSH_DESTINATION_KEY])
        base = destination["filesystem"]["base_directory"]
        try:
            with _versions(base).staging(base) as staging:
                destination["filesystem"]["base_directory"] = staging
                staged_properties = {
                    **exec_properties,
                    standard_component_specs.PUSH_DESTINATION_KEY: json.dumps(destination),
                }
                super().Do(input_dict, output_dict, staged_properties)
                self._publish(input_dict, output_dict, base)
        except (OSError, tf.errors.OpError) as error:
            raise PushError(_explain(error, self.GetModelPath(input_dict), base)) from error

    def _publish(
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        base: str,
    ) -> None:
        pushed = artifact_utils.get_single_instance(output_dict[standard_component_specs.PUSHED_MODEL_KEY])
        staged = pushed.get_string_custom_property(_DESTINATION)
        for blessing in input_dict.get(standard_component_specs.INFRA_BLESSING_KEY, []):
            warmup_requests.copy(blessing.uri, staged)
        version = _versions(base).publish(staged, base, int(pushed.get_string_custom_property(_VERSION)))
        pushed.set_string_custom_property(_DESTINATION, os.path.join(base, str(version)))
        pushed.set_string_custom_property(_VERSION, str(version))


class AtomicPusher(tfx.components.Pusher):
    """TFX's own component around this executor."""

    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(Executor)


def _versions(base: str) -> ModuleType:
    return version_prefix if "://" in base else version_folder


def _explain(error: Exception, model_path: str, base: str) -> str:
    sizes = (
        tf.io.gfile.stat(os.path.join(parent, name)).length
        for parent, _, names in tf.io.gfile.walk(model_path)
        for name in names
    )
    room = f"It needs {sum(sizes) / 2**20:.1f} MiB"
    if "://" not in base:
        free = shutil.disk_usage(base).free if os.path.isdir(base) else 0
        room += f", and {free / 2**20:.1f} MiB are free there"
    return (
        f"The model {model_path} could not be pushed to {base}: {error}. {room}. No new version has appeared; what is "
        "served stays."
    )
