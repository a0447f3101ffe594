"""What a search must find: everything sorted in numpy."""

import numpy as np
import tensorflow as tf

ITEMS = 20
EXCLUDE = np.array([[3, 0, 0], [20, 1, 1], [0, 0, 0]])


def sorted_reference(scores: np.ndarray, exclude: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns the k best of scores `[B, N + 1]` by sorting all but column 0 and the excluded."""
    ids, best = np.zeros([len(scores), k], np.int64), np.full([len(scores), k], -np.inf)
    for row, (values, excluded) in enumerate(zip(scores, exclude, strict=True)):
        order = [item for item in np.argsort(-values, kind="stable") if item not in {0, *excluded}][:k]
        ids[row, : len(order)], best[row, : len(order)] = order, values[order]
    return ids, best


def assert_found(found: tuple[tf.Tensor, tf.Tensor], expected: tuple[np.ndarray, np.ndarray]) -> None:
    np.testing.assert_array_equal(found[0], expected[0])
    np.testing.assert_allclose(found[1], expected[1], rtol=1e-5, atol=1e-5)
    assert found[0].dtype == tf.int64
