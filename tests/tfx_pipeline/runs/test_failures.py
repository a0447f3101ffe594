"""What a failed run says, in words and in a real run."""

import logging
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.tfx_pipeline.small_table import write_config, write_table
from tfx_pipeline import local_runner
from tfx_pipeline.runs.failures import describe_failure
from tfx_pipeline.runs.logs import ComponentLines


def _raised(error: Exception) -> Exception:
    try:
        raise error
    except type(error) as caught:
        return caught


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ValueError("`k` must be 1. Received: 2."), "`k` must be 1. Received: 2."),
        (ValueError("No rows are left. [while running 'Parse[items]-ptransform-38']"), "No rows are left."),
        (ValueError(), "ValueError: "),
        (OSError("No space left on device"), "OSError: No space left on device"),
    ],
)
def test_the_reason_comes_without_its_traceback(tmp_path: Path, error: Exception, reason: str) -> None:
    message = describe_failure(_raised(error), "Trainer", tmp_path / "logs")
    first, second = message.splitlines()
    assert first == f"Trainer failed. {reason}"
    (file,) = (tmp_path / "logs").iterdir()
    assert str(file) in second
    assert "in _raised" in file.read_text()


def test_every_failure_has_a_file_of_its_own(tmp_path: Path) -> None:
    for _ in range(3):
        assert describe_failure(ValueError("x"), None, tmp_path).startswith("The run failed. x\n")
    assert len(list(tmp_path.iterdir())) == 3


def test_the_running_component_is_the_last_that_has_not_finished() -> None:
    lines = ComponentLines()

    def log(message: str) -> None:
        assert lines.filter(logging.LogRecord("absl", logging.INFO, "launcher.py", 1, message, (), None))

    assert lines.running is None
    log("Component Transform is running.")
    log("Component Transform is finished.")
    log("Component Evaluator.corr is running.")
    assert lines.running == "Evaluator.corr"
    log("Component Evaluator.corr is finished.")
    assert lines.running is None


def test_a_real_run_that_fails_says_which_component_and_why(tmp_path: Path) -> None:
    table, config = tmp_path / "table.csv", tmp_path / "config.yaml"
    write_table(table)
    write_config(config, table, tmp_path / "var", data={"min_user_interactions": 1000})
    done = subprocess.run(
        [sys.executable, local_runner.__file__],
        env={**os.environ, "PIPELINE_CONFIG": str(config)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert re.search(r"^InteractionExampleGen failed\. No rows are left after filtering: 840 read", done.stderr, re.M)
    assert not re.search("Traceback|WARNING|deprecated", done.stdout + done.stderr)
    (file,) = (tmp_path / "var" / "logs" / "small").iterdir()
    assert "_require_rows" in file.read_text()
