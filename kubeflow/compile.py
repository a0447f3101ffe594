"""`python -m kubeflow.compile`: writes the pipeline of a configuration as a package for Kubeflow Pipelines."""

import argparse
import sys
from collections.abc import Sequence

import kubeflow  # noqa: F401  (sets the environment before TensorFlow is imported)


def main(argv: Sequence[str] | None = None) -> int:
    """Returns 0 where the package is written, 2 where the configuration is wrong."""
    parser = argparse.ArgumentParser(prog="python -m kubeflow.compile", description=__doc__)
    parser.add_argument("--config", required=True, help="YAML file of the pipeline, with a section `kubeflow`")
    parser.add_argument("--data", help="interactions table; takes the place of `data.path`")
    parser.add_argument("--output", default="pipeline.yaml", help="the package, .yaml or .json")
    arguments = parser.parse_args(argv)

    from kubeflow.dag_runner import compile_pipeline
    from tfx_pipeline.config import load_config

    try:
        compiled = compile_pipeline(load_config(arguments.config, arguments.data), arguments.output)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    tasks = compiled.pipeline.root.dag.tasks
    print(f"{len(tasks)} tasks of pipeline {compiled.pipeline.pipeline_info.name} are in {arguments.output}.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
