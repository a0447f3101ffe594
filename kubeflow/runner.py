"""The runner file of `tfx pipeline compile --engine=vertex --pipeline_path=kubeflow/runner.py`.

The configuration comes from the environment: PIPELINE_CONFIG names a YAML file, PIPELINE_DATA an interactions table,
and PIPELINE_OUTPUT the package (default: pipeline.yaml). TFX calls its engine for Kubeflow's specification "vertex".
"""

import os
import sys
from pathlib import Path

# The command line of TFX puts the folder of this file in front of the search path, not the one of the package.
sys.path.insert(0, str(Path(__file__).parents[1]))

import kubeflow  # noqa: F401  (sets the environment before TensorFlow is imported)


def run() -> None:
    """Compiles the pipeline."""
    from kubeflow.dag_runner import compile_pipeline
    from tfx_pipeline.config import config_from_environment

    try:
        compile_pipeline(config_from_environment(), os.environ.get("PIPELINE_OUTPUT", "pipeline.yaml"))
    except ValueError as error:
        sys.exit(f"{error}")


if __name__ == "__main__":
    run()
