"""The runner file of `tfx pipeline create|update --engine=local` and `tfx run create --engine=local`.

The configuration comes from the environment: PIPELINE_CONFIG names a YAML file, PIPELINE_DATA an interactions table.
"""

import os
import sys
import time
from pathlib import Path

import tfx_pipeline  # noqa: F401  (sets the environment before TensorFlow is imported)


def run() -> None:
    """Runs the pipeline on this machine."""
    from tfx import v1 as tfx

    from modules.data import sources
    from tfx_pipeline import failures, logs
    from tfx_pipeline.config import config_from_environment
    from tfx_pipeline.pipeline import create_pipeline

    lines = logs.set_up()
    try:
        config = config_from_environment()
        sources.check(config.data, config.data_dir)
    except ValueError as error:
        sys.exit(f"{error}")
    os.makedirs(os.path.dirname(config.metadata_path), exist_ok=True)
    pipeline = create_pipeline(config, run_token=str(time.time_ns()))
    try:
        tfx.orchestration.LocalDagRunner().run(pipeline)
    except Exception as error:
        sys.exit(failures.describe_failure(error, lines.running, Path(config.log_dir)))


if __name__ == "__main__":
    run()
