"""A Pusher whose versions appear whole or not at all."""

import json
import os
import uuid
from typing import Any

from tfx import types
from tfx import v1 as tfx
from tfx.components.pusher import executor
from tfx.dsl.components.base import executor_spec
from tfx.dsl.io import fileio
from tfx.types import artifact_utils, standard_component_specs

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
      base_directory: the folder a model server watches.
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


class Executor(executor.Executor):
    """Copies beside the watched folder's versions, under a name no server takes for one, and renames when all is there.

    A model server that sees a version while it is copied may fail to load it, and never tries that number again.
    """

    def Do(
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Pushes if blessed; see base class."""
        destination = json.loads(exec_properties[standard_component_specs.PUSH_DESTINATION_KEY])
        base = destination["filesystem"]["base_directory"]
        staging = os.path.join(base, f".incoming-{uuid.uuid4().hex}")
        destination["filesystem"]["base_directory"] = staging
        staged_properties = {
            **exec_properties,
            standard_component_specs.PUSH_DESTINATION_KEY: json.dumps(destination),
        }
        try:
            super().Do(input_dict, output_dict, staged_properties)
            pushed = artifact_utils.get_single_instance(output_dict[standard_component_specs.PUSHED_MODEL_KEY])
            if pushed.get_int_custom_property("pushed"):
                self._publish(pushed, base)
        finally:
            if fileio.exists(staging):
                fileio.rmtree(staging)

    def _publish(self, pushed: types.Artifact, base: str) -> None:
        version = int(pushed.get_string_custom_property(_VERSION))
        # Two pushes within a second must not share a number, and a clock set back must not go below the last one.
        taken = [int(name) for name in fileio.listdir(base) if name.isdigit()]
        version = max([version, *(number + 1 for number in taken)])
        path = os.path.join(base, str(version))
        fileio.rename(pushed.get_string_custom_property(_DESTINATION), path)
        pushed.set_string_custom_property(_DESTINATION, path)
        pushed.set_string_custom_property(_VERSION, str(version))


class AtomicPusher(tfx.components.Pusher):
    """TFX's own component around this executor."""

    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(Executor)
