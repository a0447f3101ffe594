"""Finds the keys of one vocabulary in another."""

import numpy as np
import tensorflow as tf

_BATCH = 65_536
_SIPHASH_KEYS = ([17, 29], [71, 113])


def previous_rows(previous: str, current: str) -> np.ndarray:
    """Returns where each row of a table by the current vocabulary stood in one by the previous.

    Keys are compared by 126 bits of hash, 16 bytes each, so that vocabularies of many millions of keys of any length
    fit into memory; that two keys of a billion share them has a chance below 1e-19.

    Args:
      previous: text file of the previous vocabulary, a key a line.
      current: the same of the current one.

    Returns:
      int64 `[current keys + 1]`: row 0, of padding and unknown keys, is 0; a new key's is -1.
    """
    old, new = _fingerprints(previous), _fingerprints(current)
    if not len(old):
        return np.concatenate([[0], np.full(len(new), -1)])
    order = np.argsort(old[:, 0])
    places = np.minimum(np.searchsorted(old[:, 0], new[:, 0], sorter=order), len(old) - 1)
    rows = order[places]
    known = (old[rows] == new).all(axis=1)
    return np.concatenate([[0], np.where(known, rows + 1, -1)])


def _fingerprints(path: str) -> np.ndarray:
    """Returns int64 `[keys, 2]`."""

    def hashes(keys: tf.Tensor) -> tf.Tensor:
        halves = [tf.strings.to_hash_bucket_strong(keys, 2**63 - 1, key) for key in _SIPHASH_KEYS]
        return tf.stack(halves, axis=1)

    batches = tf.data.TextLineDataset(path).batch(_BATCH).map(hashes)
    return np.concatenate([np.zeros([0, 2], np.int64), *batches.as_numpy_iterator()])
