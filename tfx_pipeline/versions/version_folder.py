"""The folder a model server watches: numbered versions that appear whole, each under a number of its own."""

import contextlib
import fcntl
import os
import shutil
import uuid
from collections.abc import Iterator

from absl import logging

from modules.atomic_files import write_atomically

_INCOMING = ".incoming-"


@contextlib.contextmanager
def staging(base: str) -> Iterator[str]:
    """Gives a path in `base` that no server takes for a version, and removes what is left there at the end.

    Only one process at a time is given one; others wait. What a killed process has left behind is removed first: the
    lock goes with its holder, so whatever is found under the lock belongs to nobody.

    Args:
      base: the watched folder, made where it is missing.

    Yields:
      A path at which nothing exists yet, on the same file system as the versions.
    """
    os.makedirs(base, exist_ok=True)
    folder = os.open(base, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        for path in _incoming(base):
            logging.info("Removing %s, left by a push that was killed.", path)
            shutil.rmtree(path)
        try:
            yield os.path.join(base, f"{_INCOMING}{uuid.uuid4().hex}")
        finally:
            for path in _incoming(base):
                shutil.rmtree(path)
    finally:
        os.close(folder)


def publish(staged: str, base: str, at_least: int) -> int:
    """Makes a staged folder a version, in one step and for good.

    The number is above every number ever given out in `base`, be its folder still there or not: TF Serving never
    retries a version that once failed to load, so a number that comes back may stay unserved without a word.

    Args:
      staged: a folder below what `staging` gave.
      base: the watched folder.
      at_least: the number to take where it is free.

    Returns:
      The version's number.

    Raises:
      OSError: the disk is full, or another fault of the file system; there is no new version then.
      ValueError: the file that remembers the last number, `.<name>.last_version` beside `base`, does not hold one.
    """
    # A full disk may show only here, and a power cut must not leave a version of empty files.
    _flush(staged)
    version = max(at_least, last_version(base) + 1)
    _remember(base, version)
    os.rename(staged, os.path.join(base, str(version)))
    _flush_one(base)
    return version


def last_version(base: str) -> int:
    """Returns the highest number ever given out in `base`; 0 where there is none.

    Raises:
      ValueError: the file that remembers it does not hold a number.
    """
    numbers = [int(name) for name in os.listdir(base) if name.isascii() and name.isdigit()]
    path = _memory(base)
    if os.path.exists(path):
        with open(path, encoding="utf-8") as file:
            text = file.read().strip()
        if not text.isdigit():
            raise ValueError(f"`{path}` must hold the last version's number. Received: {text!r}.")
        numbers.append(int(text))
    return max(numbers, default=0)


def _remember(base: str, version: int) -> None:
    path = _memory(base)
    write_atomically(path, f"{version}\n")
    _flush_one(os.path.dirname(path))


def _memory(base: str) -> str:
    # Beside the folder and not in it: it outlives the folder, and whoever lists that finds versions only.
    parent, name = os.path.split(os.path.abspath(base))
    return os.path.join(parent, f".{name}.last_version")


def _incoming(base: str) -> list[str]:
    return [os.path.join(base, name) for name in os.listdir(base) if name.startswith(_INCOMING)]


def _flush(folder: str) -> None:
    for parent, _, files in os.walk(folder):
        for name in files:
            _flush_one(os.path.join(parent, name))
        _flush_one(parent)


def _flush_one(path: str) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
