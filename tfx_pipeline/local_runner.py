"""The runner file of `tfx pipeline create|update --engine=local` and `tfx run create --engine=local`.

The configuration comes from the environment: PIPELINE_CONFIG names a YAML file, PIPELINE_DATA an interactions table,
PIPELINE_SPAN the newest span to read, and PIPELINE_ACCEPT_DRIFT lets one through whatever it drifted from.
"""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import tfx_pipeline  # noqa: F401  (sets the environment before TensorFlow is imported)
from tfx_pipeline.runs import failures, interruption, logs

if TYPE_CHECKING:
    from tfx_pipeline.config import PipelineConfig


def run() -> "PipelineConfig":
    """Runs the pipeline on this machine; a run that failed or was killed goes on where it stopped.

    Returns:
      The configuration it ran with.

    Raises:
      SystemExit: with status 2 where the run could not start, with 1 where a component failed.
    """
    lines = logs.set_up()
    # Before the imports, which take longer than some have patience.
    interruption.end_when_told(lambda: failures.describe_interruption(lines.running))
    from tfx_pipeline.config import config_from_environment
    from tfx_pipeline.runs.preflight import preflight
    from tfx_pipeline.runs.run_lock import run_lock

    try:
        config = config_from_environment()
        preflight(config)
        with run_lock(config.pipeline_root) as alone:
            _run(config, alone, lines)
    except (ValueError, OSError) as error:
        print(error if isinstance(error, ValueError) else f"The run cannot start: {error}.", file=sys.stderr)
        sys.exit(2)
    return config


def _run(config: "PipelineConfig", alone: bool, lines: logs.ComponentLines) -> None:
    from tfx_pipeline.pipeline import create_pipeline
    from tfx_pipeline.runs import killed_runs

    Path(config.metadata_path).parent.mkdir(parents=True, exist_ok=True)
    if alone:
        killed_runs.close_killed_executions(config)
    token = killed_runs.run_token(config)
    pipeline = create_pipeline(config, run_token=token)
    options = killed_runs.go_on_options(config, token, pipeline.components)
    try:
        killed_runs.Runner(config).run(pipeline, options)
    except Exception as error:
        sys.exit(failures.describe_failure(error, lines.running, Path(config.log_dir)))


if __name__ == "__main__":
    run()
