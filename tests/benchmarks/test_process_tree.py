"""Time and memory of processes are those of all they start."""

import subprocess
import sys
from collections.abc import Iterator

import pytest

from benchmarks.engines.process_tree import ProcessTree, watch

MEBIBYTE = 1 << 20
# `-S`: this environment's start-up files import TensorFlow's settings.
PYTHON = [sys.executable, "-S", "-c"]
HOLD = f"held = b'x' * {64 * MEBIBYTE}; print(flush=True); input()"
START_ANOTHER = f"import subprocess; subprocess.run({[*PYTHON, HOLD]!r})"
WORK = "import time\nprint(flush=True); input()\nwhile time.process_time() < 0.5: pass\nprint(flush=True); input()"


@pytest.fixture(params=[HOLD, START_ANOTHER], ids=["child", "grandchild"])
def holder(request: pytest.FixtureRequest) -> Iterator[subprocess.Popen]:
    """A process that holds 64 MiB, itself or in a child of its own, until it is spoken to."""
    with _started(request.param) as process:
        yield process
        process.communicate("\n")


def _started(program: str) -> subprocess.Popen:
    process = subprocess.Popen([*PYTHON, program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    process.stdout.readline()
    return process


def test_memory_of_others_and_their_children_is_told_apart(holder: subprocess.Popen) -> None:
    with _started("print(flush=True); input()") as head:
        tree = ProcessTree(head.pid, [holder.pid])
        assert 0 < tree.head_bytes < 64 * MEBIBYTE < tree.rest_bytes < 128 * MEBIBYTE
        head.communicate("\n")


def test_the_head_s_own_children_are_others(holder: subprocess.Popen) -> None:
    tree = ProcessTree(holder.pid, [])
    assert max(tree.head_bytes, tree.rest_bytes) > 64 * MEBIBYTE


def test_time_counts_from_when_the_watch_began_and_outlives_the_process() -> None:
    with _started(WORK) as worker, watch(worker.pid) as tree:
        assert tree.cpu_seconds < 0.5
        worker.stdin.write("\n")
        worker.stdin.flush()
        worker.stdout.readline()
        tree.look()
        worker.communicate("\n")
    assert 0.3 < tree.cpu_seconds < 2
