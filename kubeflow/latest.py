"""The container in the place of a TFX Resolver: hands on the artifacts written down last, where there are any."""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import kubeflow  # noqa: F401  (sets the environment before TensorFlow is imported)
from kubeflow import artifacts, file_systems, records
from kubeflow.environment import Place

MODULE = "kubeflow.latest"


def resolve(keys: Mapping[str, str], place: Place) -> dict:
    """Returns the ExecutorOutput that names what was found; an output for which nothing was is marked absent.

    Args:
      keys: what each output is looked up by.
      place: of the container.
    """
    found = {output: records.latest(place.records, key) for output, key in keys.items()}
    return {
        "artifacts": {
            output: {"artifacts": [artifact or {"metadata": {artifacts.ABSENT: 1}}]}
            for output, artifact in found.items()
        }
    }


def main(argv: Sequence[str] | None = None) -> None:
    """Writes the launcher's output file."""
    parser = argparse.ArgumentParser(prog=f"python -m {MODULE}", description=__doc__)
    parser.add_argument("--invocation", required=True, help="ExecutorInput, as JSON")
    parser.add_argument("--keys", required=True, help="what each output is looked up by, as JSON")
    arguments = parser.parse_args(argv)
    file_systems.register()
    path = Path(json.loads(arguments.invocation)["outputs"]["outputFile"])
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(resolve(json.loads(arguments.keys), Place.here())), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
