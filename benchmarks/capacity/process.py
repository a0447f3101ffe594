"""What a piece of work in this process takes, in time and memory."""

import resource
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, TypeVar

Result = TypeVar("Result")


class Taken(NamedTuple):
    """What a piece of work took.

    Attributes:
      cpu_seconds: of all threads, and of children that have ended.
      wall_seconds: on the clock; of little meaning where others use the machine too.
      base_bytes: resident memory before the work, with the libraries loaded.
      peak_bytes: the most resident memory during the work, without that of children.
    """

    cpu_seconds: float
    wall_seconds: float
    base_bytes: int
    peak_bytes: int

    @property
    def added_bytes(self) -> int:
        """What the work added at its peak: the part that may grow with the data."""
        return self.peak_bytes - self.base_bytes


def measure(work: Callable[[], Result]) -> tuple[Result, Taken]:
    """Does the work and returns its result and what it took.

    Raises:
      RuntimeError: where the system is not Linux, whose /proc tells the memory.
    """
    if not Path("/proc/self/clear_refs").exists():
        raise RuntimeError("Peaks of memory must be read from Linux's /proc. Received: a system without it.")
    # 5 sets the peak back to what is resident now. `ru_maxrss` cannot be set back, and a process inherits its parent's.
    Path("/proc/self/clear_refs").write_text("5")
    base, cpu, wall = status_bytes("VmRSS"), _cpu_seconds(), time.perf_counter()
    result = work()
    return result, Taken(_cpu_seconds() - cpu, time.perf_counter() - wall, base, status_bytes("VmHWM"))


def _cpu_seconds() -> float:
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def status_bytes(key: str, process: int | str = "self") -> int:
    """Returns what Linux tells of a process's memory: `VmRSS`, resident now, or `VmHWM`, the most so far."""
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith(f"{key}:"))
