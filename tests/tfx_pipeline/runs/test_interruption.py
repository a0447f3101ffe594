"""Ctrl-C and its like, met by programs and by a whole run."""

import functools
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.tfx_pipeline.small_table import write_config, write_table
from tfx_pipeline import local_runner
from tfx_pipeline.components import serving_probe
from tfx_pipeline.config import load_config
from tfx_pipeline.runs.failures import describe_interruption
from tfx_pipeline.runs.run_lock import check_run_lock

_PATIENCE_SECONDS = 600
# The main thread is in one call of C for hours, as it may be in TensorFlow, and Python's handlers have to wait.
_BUSY = """
import hashlib
from tfx_pipeline.runs import interruption
interruption.end_when_told(lambda: "This is how it goes on.")
print("ready", flush=True)
hashlib.pbkdf2_hmac("sha256", b"password", b"salt", 2**31 - 1)
"""


def _set_signals(ignored: signal.Signals | None = None) -> None:
    """In a new process: whatever started the tests may ignore some signals, as nohup does."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN if number == ignored else signal.SIG_DFL)


def _start(program: str, ignored: signal.Signals | None = None) -> subprocess.Popen:
    process = subprocess.Popen(
        [sys.executable, "-c", program],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=functools.partial(_set_signals, ignored),
    )
    assert process.stdout.readline() == "ready\n"
    return process


@pytest.mark.parametrize(
    ("number", "status"),
    [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)],
    ids=lambda value: str(value),
)
def test_a_busy_process_ends_with_the_message_and_the_shells_status(number: signal.Signals, status: int) -> None:
    process = _start(_BUSY)
    process.send_signal(number)
    output, errors = process.communicate(timeout=_PATIENCE_SECONDS)
    assert (process.returncode, output, errors) == (status, "", "\nThis is how it goes on.\n")


def test_a_closed_terminal_is_not_in_the_way(tmp_path: Path) -> None:
    process = _start(_BUSY)
    process.stderr.close()
    process.send_signal(signal.SIGHUP)
    process.stdout.read()
    assert process.wait(timeout=_PATIENCE_SECONDS) == 129


def test_what_nohup_ignores_stays_ignored() -> None:
    process = _start(_BUSY, ignored=signal.SIGHUP)
    process.send_signal(signal.SIGHUP)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=_PATIENCE_SECONDS)
    assert process.returncode == 143


@pytest.mark.parametrize(("component", "where"), [("Trainer", " in Trainer."), (None, ".")])
def test_the_message_names_the_component_and_what_to_do(component: str | None, where: str) -> None:
    message = describe_interruption(component)
    assert message.startswith(f"The run was stopped{where} What has finished is kept")
    assert message.endswith("start the run again by the same command.")


def test_the_serving_check_s_process_goes_with_a_killed_run(tmp_path: Path) -> None:
    users = tmp_path / "users.json"
    os.mkfifo(users)
    command = [sys.executable, "-I", serving_probe.__file__, "--model", str(tmp_path), "--users", str(users)]
    run = subprocess.Popen(
        [sys.executable, "-c", f"import subprocess; subprocess.run({command})"], stdout=subprocess.PIPE
    )
    # Opens once the probe, past its start, opens the other end; and it reads on for as long as this stays open.
    with users.open("w"):
        run.kill()
        # Ends when no process is left that could write.
        assert run.communicate(timeout=_PATIENCE_SECONDS)[0] == b""


def test_a_second_run_is_refused_and_the_first_is_stopped(tmp_path: Path) -> None:
    table, config_path = tmp_path / "table.csv", tmp_path / "config.yaml"
    write_table(table)
    write_config(config_path, table, tmp_path / "var", serving={"scann": False})
    config = load_config(config_path)
    make_run = [sys.executable, "-m", "tfx_pipeline.run", "--config", str(config_path)]
    tfx_run_create = [sys.executable, local_runner.__file__]
    output = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    with subprocess.Popen(make_run, **output, preexec_fn=_set_signals) as first:
        printed = ""
        for line in first.stdout:
            printed += line
            if re.search(r"\d \w+ \.\.\.$", line):
                break
        else:
            pytest.fail(printed)
        (holder,) = re.findall(r'"pid": (\d+)', Path(f"{config.pipeline_root}.lock").read_text())

        for command in (make_run, tfx_run_create):
            second = subprocess.run(
                command,
                env={**os.environ, "PIPELINE_CONFIG": str(config_path)},
                capture_output=True,
                text=True,
                check=False,
            )
            assert second.returncode == 2
            assert second.stdout == ""
            assert re.fullmatch(
                rf"Another run is at work on {config.pipeline_root}: process {holder} on .*\n", second.stderr
            )
        assert first.poll() is None

        first.send_signal(signal.SIGINT)
        printed += first.stdout.read()
    assert first.returncode == 130
    assert re.search(r"^The run was stopped in \w+\. .* start the run again by the same command\.$", printed, re.M)
    assert not re.search("Traceback|Aborted|Error", printed)
    check_run_lock(config.pipeline_root)
    assert int(holder) == first.pid
