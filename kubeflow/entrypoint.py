"""The command of every container: TFX's executor between what the launcher hands over and what it takes back."""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

import kubeflow  # noqa: F401  (sets the environment before TensorFlow is imported)
from kubeflow import artifacts
from kubeflow.environment import Place, name_the_namespace

MODULE = "kubeflow.entrypoint"

_INVOCATION = "--json_serialized_invocation_args"
_INPUTS_SPEC = "--json_serialized_inputs_spec_args"


def run(arguments: argparse.Namespace, beam_arguments: list[str], place: Place) -> None:
    """Runs a component's executor and writes the launcher's output file.

    Args:
      arguments: see `main`.
      beam_arguments: Beam's pipeline options.
      place: of the container.
    """
    from tfx.orchestration.kubeflow.v2.container import kubeflow_v2_run_executor

    invocation = json.loads(arguments.invocation)
    inputs_spec = json.loads(arguments.inputs_spec or "{}")
    prepared = artifacts.for_executor(invocation, inputs_spec, place.storage)
    output_file = Path(prepared["outputs"]["outputFile"])
    # Left by an attempt before this one, it would be taken for the driver's.
    output_file.unlink(missing_ok=True)
    if arguments.resolve_inputs:
        _run_driver(prepared, arguments.inputs_spec)
        prepared = artifacts.with_metadata(prepared, json.loads(output_file.read_text(encoding="utf-8")))
    name_the_namespace()
    kubeflow_v2_run_executor.main(
        (
            argparse.Namespace(
                executor_class_path=arguments.executor_class_path,
                json_serialized_invocation_args=json.dumps(prepared),
                json_serialized_inputs_spec_args=arguments.inputs_spec,
            ),
            beam_arguments,
        )
    )
    output = json.loads(output_file.read_text(encoding="utf-8"))
    _remember(invocation, output, place)
    output_file.write_text(json.dumps(artifacts.for_launcher(output)), encoding="utf-8")


def _run_driver(prepared: dict, inputs_spec: str | None) -> None:
    # Only Google's managed service runs a container's `lifecycle.preCacheCheck`, which finds an ExampleGen's span.
    from tfx.orchestration.kubeflow.v2.file_based_example_gen import driver

    driver.main(
        argparse.Namespace(
            json_serialized_invocation_args=json.dumps(prepared), json_serialized_inputs_spec_args=inputs_spec
        )
    )


def _remember(invocation: dict, output: dict, place: Place) -> None:
    from tfx.components.evaluator import constants
    from tfx.types.standard_component_specs import BLESSING_KEY, MODEL_KEY

    from kubeflow import records

    told = output.get("artifacts", {})
    for blessing in told.get(BLESSING_KEY, {}).get("artifacts", []):
        metadata = blessing.get("metadata", {})
        # The verdicts on how a model is served say nothing of what was judged.
        if metadata.get(constants.ARTIFACT_PROPERTY_BLESSED_KEY) and (
            constants.ARTIFACT_PROPERTY_CURRENT_MODEL_ID_KEY in metadata
        ):
            (judged,) = invocation["inputs"]["artifacts"][MODEL_KEY]["artifacts"]
            records.record(place.records, f"{place.component}/{MODEL_KEY}", judged)
    for key in place.remembered:
        (handed_over,) = invocation["outputs"]["artifacts"][key]["artifacts"]
        (written,) = artifacts.for_launcher(output)["artifacts"][key]["artifacts"]
        records.record(place.records, f"{place.component}/{key}", {"uri": handed_over["uri"], **written})


def main(argv: Sequence[str] | None = None) -> None:
    """Reads the arguments that TFX's compiler gives a container; those it does not know are Beam's."""
    from absl import flags

    from kubeflow import file_systems
    from tfx_pipeline.runs import logs

    parser = argparse.ArgumentParser(prog=f"python -m {MODULE}", description=__doc__)
    parser.add_argument("--executor_class_path", required=True, help="`package.module.Class` of the executor")
    parser.add_argument(_INVOCATION, dest="invocation", required=True, help="ExecutorInput, as JSON")
    parser.add_argument(_INPUTS_SPEC, dest="inputs_spec", help="ComponentInputsSpec, as JSON")
    parser.add_argument("--resolve_inputs", action="store_true", help="find the span and the files of an ExampleGen")
    arguments, beam_arguments = parser.parse_known_args(argv)
    flags.FLAGS([MODULE])
    file_systems.register()
    logs.set_up()
    run(arguments, beam_arguments, Place.here())


if __name__ == "__main__":
    main(sys.argv[1:])
