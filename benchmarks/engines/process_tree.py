"""Time and memory of a process and of those that work for it, read from Linux's /proc while they run."""

import collections
import contextlib
import os
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

_SECONDS_BETWEEN = 0.2
_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


class ProcessTree:
    """Watches a process, others, and everything that any of them starts.

    Args:
      head: id of the process whose memory is told apart.
      others: ids of the others.

    Attributes:
      head_bytes: the most resident memory that the head held.
      rest_bytes: the most that all the others held together at one moment.
    """

    def __init__(self, head: int, others: Sequence[int]) -> None:
        self._head = head
        self._others = tuple(others)
        self._seconds: dict[int, float] = {}
        self._before = 0.0
        self.head_bytes = self.rest_bytes = 0
        self.look()
        self._before = self.cpu_seconds

    @property
    def cpu_seconds(self) -> float:
        """Processor time of all threads since the watch began; the last fifth of a second of each may be missing."""
        return sum(self._seconds.values()) - self._before

    def look(self) -> None:
        """Takes one sample."""
        resident = {}
        for pid in _descendants((self._head, *self._others)):
            with contextlib.suppress(OSError):
                self._seconds[pid], resident[pid] = _read(pid)
        head = resident.pop(self._head, 0)
        self.head_bytes = max(self.head_bytes, head)
        self.rest_bytes = max(self.rest_bytes, sum(resident.values()))


@contextlib.contextmanager
def watch(head: int, others: Sequence[int] = ()) -> Iterator[ProcessTree]:
    """Samples until the block ends; see `ProcessTree`."""
    tree, ended = ProcessTree(head, others), threading.Event()

    def sample() -> None:
        while not ended.wait(_SECONDS_BETWEEN):
            tree.look()

    thread = threading.Thread(target=sample, daemon=True)
    thread.start()
    try:
        yield tree
    finally:
        ended.set()
        thread.join()
        tree.look()


def _descendants(roots: Sequence[int]) -> Iterator[int]:
    children = collections.defaultdict(list)
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            children[int(_fields(path)[1])].append(int(path.parent.name))
    waiting = list(roots)
    while waiting:
        pid = waiting.pop()
        yield pid
        waiting += children[pid]


def _read(pid: int) -> tuple[float, int]:
    """Returns seconds of processor time and resident bytes."""
    fields = _fields(Path(f"/proc/{pid}/stat"))
    user, system, resident = int(fields[11]), int(fields[12]), int(fields[21])
    return (user + system) / _TICKS, resident * _PAGE


def _fields(stat: Path) -> list[str]:
    """Returns what follows the name of the program, which stands in parentheses and may hold spaces."""
    return stat.read_text().rpartition(")")[2].split()
