"""One run at a time on a pipeline root: a lock that goes with the process that holds it."""

import contextlib
import datetime
import fcntl
import json
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, TextIO

from absl import logging

# `check_run_lock` of another process holds the lock for an instant.
_ATTEMPTS, _PAUSE_SECONDS = 5, 0.05


class Holder(NamedTuple):
    """The process that holds a lock, or held it last."""

    pid: int
    host: str
    since: str
    """Local time with its zone, ISO 8601."""


class RunLockError(ValueError):
    """Another run is at work on the pipeline root."""


def lock_path(pipeline_root: str) -> Path:
    """Returns the lock's file; it lies beside the artifacts, which may be removed without it."""
    return Path(f"{pipeline_root}.lock")


@contextlib.contextmanager
def run_lock(pipeline_root: str) -> Iterator[bool]:
    """Keeps every other run off `pipeline_root`.

    The kernel frees the lock when its holder ends, however it ends. Hosts that share a network volume keep each other
    off where the volume passes `flock` on. Where it does not, there is only what the file says: a warning follows.

    Yields:
      Whether no other run can be at work: what the last one left unfinished is nobody's any more.

    Raises:
      RunLockError: another run holds it; the message names its process and what to do.
      OSError: the file cannot be opened.
    """
    path = lock_path(pipeline_root)
    path.parent.mkdir(parents=True, exist_ok=True)
    # Python's files are closed in subprocesses, so that none that outlives the run keeps the lock.
    with path.open("a+", encoding="utf-8") as file:
        locked = _take(file, pipeline_root)
        last = _read(file)
        _write(file, Holder(os.getpid(), socket.gethostname(), _now()))
        if foreign := last is not None and last.host != socket.gethostname():
            logging.warning(
                "The last run on %s, process %d on %s since %s, was killed, or is still at work there: this file "
                "system may not tell. If it is, stop one of the two.",
                pipeline_root,
                *last,
            )
        try:
            yield locked and not foreign
        finally:
            file.truncate(0)


def check_run_lock(pipeline_root: str) -> None:
    """Raises RunLockError where another run is at work, and changes nothing."""
    try:
        with lock_path(pipeline_root).open(encoding="utf-8") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                raise RunLockError(_refusal(pipeline_root, file)) from None
    except OSError:
        # Without a file there is no run; where the file system knows no locks nobody holds one.
        return


def _take(file: TextIO, pipeline_root: str) -> bool:
    """Returns whether the lock is held now; False where the file system knows none."""
    for attempt in range(_ATTEMPTS):
        if attempt:
            time.sleep(_PAUSE_SECONDS)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            continue
        except OSError as error:
            logging.warning(
                "%s cannot be locked (%s): see to it yourself that no second run is started on %s.",
                file.name,
                error.strerror,
                pipeline_root,
            )
            return False
    raise RunLockError(_refusal(pipeline_root, file))


def _refusal(pipeline_root: str, file: TextIO) -> str:
    holder = _read(file)
    who = f"process {holder.pid} on {holder.host}, since {holder.since}" if holder else "a process that just started"
    return (
        f"Another run is at work on {pipeline_root}: {who}. Wait until it has ended, stop it "
        f"(`kill {holder.pid if holder else '<pid>'}` there), or give this run another `root` or `name`. "
        "Nothing was started."
    )


def _read(file: TextIO) -> Holder | None:
    file.seek(0)
    try:
        return Holder(**json.loads(file.read()))
    except (ValueError, TypeError):
        # Empty after a run that ended by itself; half a line where the machine failed while it was written.
        return None


def _write(file: TextIO, holder: Holder) -> None:
    file.truncate(0)
    file.write(json.dumps(holder._asdict()))
    file.flush()


def _now() -> str:
    return datetime.datetime.now().astimezone().isoformat(timespec="seconds")
