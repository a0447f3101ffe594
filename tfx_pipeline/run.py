"""`make run`: checks the input, runs the pipeline through the TFX command line, reports what came out."""

import argparse
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import tfx_pipeline  # noqa: F401  (sets the environment before TensorFlow is imported)

if TYPE_CHECKING:
    from tfx_pipeline.config import PipelineConfig

_RUNNER = Path(__file__).with_name("local_runner.py")


def main() -> int:
    """Returns 0 where the run ended, blessed or not; else the status of the step that failed."""
    parser = argparse.ArgumentParser(prog="python -m tfx_pipeline.run", description=__doc__)
    parser.add_argument("--config", required=True, help="YAML file of the pipeline")
    parser.add_argument("--data", help="interactions table; takes the place of `data.path`")
    arguments = parser.parse_args()

    from modules.data import sources
    from tfx_pipeline.config import load_config

    try:
        config = load_config(arguments.config, arguments.data)
        # Before TFX starts: an input that cannot be read should not take half a minute to say so.
        sources.check(config.data, config.data_dir)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    environment = {
        **os.environ,
        "PIPELINE_CONFIG": os.path.abspath(arguments.config),
        "PIPELINE_DATA": arguments.data or "",
        # The command line keeps its register of pipelines here; ours has no business in the home folder.
        "LOCAL_HOME": os.path.join(os.path.abspath(config.root), "tfx"),
        # tfx calls `pip` by name.
        "PATH": os.path.dirname(sys.executable) + os.pathsep + os.environ.get("PATH", ""),
    }
    known = os.path.exists(os.path.join(environment["LOCAL_HOME"], config.name))
    for command in (
        ["pipeline", "update" if known else "create", f"--pipeline_path={_RUNNER}"],
        ["run", "create", f"--pipeline_name={config.name}"],
    ):
        print("$ tfx", *command, "--engine=local", flush=True)
        tfx = os.path.join(os.path.dirname(sys.executable), "tfx")
        done = subprocess.run([tfx, *command, "--engine=local"], env=environment, check=False)
        if done.returncode:
            return done.returncode
    return _report(config)


def _report(config: "PipelineConfig") -> int:
    from tfx_pipeline.report.__main__ import main as report

    return report(
        [
            f"--pipeline-root={config.pipeline_root}",
            f"--metadata={config.metadata_path}",
            f"--name={config.name}",
            f"--output={config.report_path}",
            f"--min-slice-users={config.evaluation.min_slice_users}",
        ]
    )


if __name__ == "__main__":
    sys.exit(main())
