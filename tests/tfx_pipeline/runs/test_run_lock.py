"""Two runs at once on one pipeline root, in processes of their own."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tfx_pipeline.runs.run_lock import RunLockError, check_run_lock, lock_path, run_lock

_HOLD = """
import sys
from tfx_pipeline.runs.run_lock import run_lock
with run_lock(sys.argv[1]) as alone:
    print(alone, flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def pipeline_root(tmp_path: Path) -> str:
    return str(tmp_path / "var" / "pipelines" / "corr")


@pytest.fixture
def holder(pipeline_root: str) -> Iterator[subprocess.Popen]:
    with subprocess.Popen(
        [sys.executable, "-c", _HOLD, pipeline_root], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout.readline() == "True\n"
        yield process
        process.kill()


def test_the_second_is_refused_and_told_who_the_first_is(pipeline_root: str, holder: subprocess.Popen) -> None:
    before = lock_path(pipeline_root).read_text()
    for _ in range(2):
        with pytest.raises(RunLockError) as refused, run_lock(pipeline_root):
            pytest.fail("two processes hold the lock")
    message = str(refused.value)
    who = f"Another run is at work on {pipeline_root}: process {holder.pid} on {socket.gethostname()}, since 20"
    assert message.startswith(who)
    assert re.search(rf"Wait until it has ended, stop it \(`kill {holder.pid}` there\), or .* another `root`", message)
    with pytest.raises(RunLockError, match=re.escape(message)):
        check_run_lock(pipeline_root)
    assert lock_path(pipeline_root).read_text() == before
    assert holder.poll() is None


def test_another_name_in_the_same_root_is_no_second_run(pipeline_root: str, holder: subprocess.Popen) -> None:
    with run_lock(f"{pipeline_root}_of_another_shop") as alone:
        assert alone
    assert holder.poll() is None


def test_the_lock_goes_with_a_killed_holder_and_tells_of_it(pipeline_root: str, holder: subprocess.Popen) -> None:
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    check_run_lock(pipeline_root)
    assert json.loads(lock_path(pipeline_root).read_text())["pid"] == holder.pid
    with run_lock(pipeline_root) as alone:
        # On this host it cannot be at work any more.
        assert alone
        assert json.loads(lock_path(pipeline_root).read_text())["pid"] == os.getpid()


def test_a_subprocess_that_outlives_its_run_does_not_keep_the_lock(pipeline_root: str) -> None:
    with run_lock(pipeline_root):
        child = subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE)
    with run_lock(pipeline_root):
        assert child.poll() is None
    child.communicate()


def test_the_lock_is_given_back_whatever_the_run_ends_with(pipeline_root: str) -> None:
    for error in (ValueError, KeyboardInterrupt, SystemExit):
        with pytest.raises(error), run_lock(pipeline_root):
            raise error
        assert lock_path(pipeline_root).read_text() == ""
    check_run_lock(pipeline_root)


def test_what_another_host_left_may_still_be_at_work(pipeline_root: str) -> None:
    path = lock_path(pipeline_root)
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({"pid": 7, "host": "elsewhere", "since": "2026-01-01T00:00:00+00:00"}))
    with run_lock(pipeline_root) as alone:
        assert not alone


@pytest.mark.parametrize("text", ["", '{"pid": 7, "ho', "[]", '{"pid": 7}'])
def test_a_torn_record_is_no_record(pipeline_root: str, text: str) -> None:
    path = lock_path(pipeline_root)
    path.parent.mkdir(parents=True)
    path.write_text(text)
    with run_lock(pipeline_root) as alone:
        assert alone


def test_looking_takes_and_makes_nothing(pipeline_root: str) -> None:
    check_run_lock(pipeline_root)
    assert not lock_path(pipeline_root).parent.exists()
