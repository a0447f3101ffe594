"""`make run`: checks what a run needs, runs the pipeline through the TFX command line, reports what came out."""

import argparse
import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import tfx_pipeline  # noqa: F401  (sets the environment before TensorFlow is imported)
from tfx_pipeline.runs import interruption

if TYPE_CHECKING:
    from tfx_pipeline.config import PipelineConfig

_RUNNER = Path(__file__).with_name("local_runner.py")


def main() -> int:
    """Returns 0 where the run ended, blessed or not; else the status of the step that failed or was interrupted."""
    interruption.raise_when_told()
    try:
        return _main()
    except interruption.Interrupted as interrupted:
        print(f"{interrupted}: stopped. The same command goes on from here.", file=sys.stderr)
        return interrupted.status


def _main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tfx_pipeline.run", description=__doc__)
    parser.add_argument("--config", required=True, help="YAML file of the pipeline")
    parser.add_argument("--data", help="interactions table; takes the place of `data.path`")
    arguments = parser.parse_args()

    from tfx_pipeline.config import config_from_environment
    from tfx_pipeline.runs.preflight import preflight
    from tfx_pipeline.runs.run_lock import killed_run

    # The runner file will read the same.
    os.environ["PIPELINE_CONFIG"] = os.path.abspath(arguments.config)
    os.environ["PIPELINE_DATA"] = arguments.data or ""
    try:
        config = config_from_environment()
        # Before TFX starts: what cannot work should not take half a minute to say so.
        preflight(config)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    environment = {
        **os.environ,
        # The command line keeps its register of pipelines here; ours has no business in the home folder.
        "LOCAL_HOME": config.tfx_home,
        # tfx calls `pip` by name.
        "PATH": os.path.dirname(sys.executable) + os.pathsep + os.environ.get("PATH", ""),
    }
    known = os.path.exists(os.path.join(environment["LOCAL_HOME"], config.name))
    for command in (
        ["pipeline", "update" if known else "create", f"--pipeline_path={_RUNNER}"],
        ["run", "create", f"--pipeline_name={config.name}"],
    ):
        print("$ tfx", *command, "--engine=local", flush=True)
        status = _tfx([*command, "--engine=local"], environment)
        if status:
            if killed := killed_run(config.pipeline_root):
                print(
                    f"Process {killed.pid} was killed, by hand or for want of memory (`dmesg` tells). "
                    "What has finished is kept: start the run again by the same command.",
                    file=sys.stderr,
                )
            return status
    return _report(config)


def _tfx(arguments: Sequence[str], environment: Mapping[str, str]) -> int:
    """Returns the status of the command; interrupted, it ends with all it has started."""
    tfx = os.path.join(os.path.dirname(sys.executable), "tfx")
    # In a session of its own, out of reach of the terminal: the command line would meet Ctrl-C with a traceback, and
    # would pass nothing on to the run it has started.
    with subprocess.Popen([tfx, *arguments], env=environment, start_new_session=True) as process:
        try:
            return process.wait()
        except interruption.Interrupted:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
            raise


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
