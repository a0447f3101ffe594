"""Lists of items that are shipped with a model under a name."""

import hashlib
import logging
from collections.abc import Mapping, Sequence

import numpy as np
import tensorflow as tf


def read_item_lists(paths: Mapping[str, str], item_ids: Sequence[bytes]) -> dict[str, np.ndarray]:
    """Returns name -> ids int64 of the known items of each list; unknown ones are counted in the log.

    Args:
      paths: name -> text file of item ids, one a line; empty lines do not count.
      item_ids: the items in the order of their ids 1..N.
    """
    numbers = {item: number for number, item in enumerate(item_ids, start=1)} if paths else {}
    found = {}
    for name, path in paths.items():
        with tf.io.gfile.GFile(path, "rb") as file:
            lines = {line.strip() for line in file.read().splitlines()} - {b""}
        found[name] = np.array(sorted(numbers[line] for line in lines if line in numbers), np.int64)
        logging.info("List %s: %d items, of which the model knows %d.", name, len(lines), len(found[name]))
    return found


def digest_of_file(path: str) -> str:
    """Returns a digest of what a file holds; "" where there is none yet."""
    if not tf.io.gfile.exists(path):
        return ""
    with tf.io.gfile.GFile(path, "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()[:16]
