"""Numbered versions in a bucket, where nothing can be locked, renamed as a whole, or flushed.

TF Serving takes every prefix whose name is a number for a version as soon as one object of it is there. So a model is
first copied beside the watched prefix; then its objects are renamed into place, within the bucket, and `saved_model.pb`
last. A server that looks in between does not find a SavedModel, serves the version before, and tries again (by default
five times, a minute apart). A push that is killed in that moment leaves a version without `saved_model.pb`, which no
server loads and no later push touches; its number is not given out again.
"""

import contextlib
import os
import random
import re
import uuid
from collections.abc import Iterator

import tensorflow as tf

LAST_FILE = "saved_model.pb"
_CLAIM = re.compile(r"(\d+)-[0-9a-f]{32}")
_NEIGHBOURS = 16


@contextlib.contextmanager
def staging(base: str) -> Iterator[str]:
    """Gives a URI beside `base` that no server looks at, and removes what is left there at the end.

    Pushes do not wait for each other. What a killed one has left under `.<name>.incoming` is not removed: nobody can
    tell whether it is at work still. A lifecycle rule of the bucket can.

    Args:
      base: URI of the watched prefix.

    Yields:
      A URI at which nothing exists yet.
    """
    path = os.path.join(_beside(base, "incoming"), uuid.uuid4().hex)
    try:
        yield path
    finally:
        if tf.io.gfile.exists(path):
            tf.io.gfile.rmtree(path)


def publish(staged: str, base: str, at_least: int) -> int:
    """Makes a staged model a version.

    Args:
      staged: a prefix below what `staging` gave.
      base: URI of the watched prefix.
      at_least: the number to take where it is free.

    Returns:
      The version's number; above every number ever given out in `base`, and given out to nobody else.

    Raises:
      ValueError: there is no `saved_model.pb` in it.
      tensorflow.errors.OpError: the bucket cannot be written. There is no version that a server could load then.
    """
    files = _files(staged)
    if LAST_FILE not in files:
        raise ValueError(f"`staged` must hold a SavedModel, with {LAST_FILE}. Received: {files} in {staged}.")
    version = _claim(base, at_least)
    for name in sorted(files, key=lambda name: (name == LAST_FILE, name)):
        target = os.path.join(base, str(version), name)
        # Buckets have no folders; where the URI stands for a file system that has, they must be there.
        tf.io.gfile.makedirs(os.path.dirname(target))
        tf.io.gfile.rename(os.path.join(staged, name), target)
    return version


def last_version(base: str) -> int:
    """Returns the highest number ever given out in `base`; 0 where there is none."""
    served = [int(name) for name in _listed(base) if name.isascii() and name.isdigit()]
    return max([*served, *(number for number, _ in _claims(base))], default=0)


def _claim(base: str, at_least: int) -> int:
    """Returns a number that is this push's alone.

    Each writes what it wants down and then looks who else wants it; whoever sees another goes on to a number further
    up. Of two pushes at least one sees the other, as buckets list what has been written; where both do, both go on.
    """
    own = uuid.uuid4().hex
    folder = _beside(base, "versions")
    tf.io.gfile.makedirs(folder)
    version = max(at_least, last_version(base) + 1)
    while True:
        with tf.io.gfile.GFile(os.path.join(folder, f"{version}-{own}"), "w") as file:
            file.write("")
        if [owner for number, owner in _claims(base) if number == version] == [own]:
            return version
        version = last_version(base) + random.randint(1, _NEIGHBOURS)


def _claims(base: str) -> list[tuple[int, str]]:
    names = _listed(_beside(base, "versions"))
    return [(int(name.partition("-")[0]), name.partition("-")[2]) for name in names if _CLAIM.fullmatch(name)]


def _beside(base: str, name: str) -> str:
    # Not below the watched prefix: who copies that, as KServe does, should find versions only.
    parent, own = os.path.split(base.rstrip("/"))
    return os.path.join(parent, f".{own}.{name}")


def _listed(folder: str) -> list[str]:
    if not tf.io.gfile.isdir(folder):
        return []
    return [name.rstrip("/") for name in tf.io.gfile.listdir(folder)]


def _files(folder: str) -> list[str]:
    return [
        os.path.relpath(os.path.join(parent, name), folder)
        for parent, _, names in tf.io.gfile.walk(folder)
        for name in names
    ]
