"""How much of the exact answer an index finds."""

import numpy as np
import tensorflow as tf

from modules.export.indexes import Index
from modules.models.exact_search import exact_top_k

_BATCH = 64


def exact_ids(candidates: tf.Variable, query: np.ndarray, exclude: np.ndarray, k: int) -> np.ndarray:
    """Returns the ids int64 `[Q, k]` of an exact search, a few queries at a time.

    Args:
      candidates: float32 `[N + 1, d]` variable; row 0 is padding.
      query: float32 `[Q, d]`.
      exclude: int64 `[Q, E]`, items never to return; 0 is padding.
      k: how many; where fewer are left, the rest is 0.
    """
    return _in_batches(lambda *rows: exact_top_k(rows[0], candidates, rows[1], k)[0], query, exclude)


def index_ids(index: Index, query: np.ndarray, exclude: np.ndarray, k: int) -> np.ndarray:
    """Returns the ids int64 `[Q, k]` that an index finds; arguments as those of `exact_ids`."""
    return _in_batches(lambda *rows: index.search(*rows, k)[0], query, exclude)  # type: ignore[call-arg]  # two rows


def recall(found: np.ndarray, expected: np.ndarray) -> float:
    """Returns the mean over queries of the share of the expected items that were found.

    Args:
      found: int64 `[Q, k]`, item ids; 0 is none.
      expected: int64 `[Q, k]`, likewise, no id twice in a row; queries without any do not count.

    Raises:
      ValueError: where there is no query to count.
    """
    shares = [
        np.isin(row[row > 0], answer).mean() for answer, row in zip(found, expected, strict=True) if np.any(row > 0)
    ]
    if not shares:
        raise ValueError("`expected` must hold at least one item of one query. Received: none.")
    return float(np.mean(shares))


def _in_batches(search, query: np.ndarray, exclude: np.ndarray) -> np.ndarray:
    compiled = tf.function(
        search,
        autograph=False,
        input_signature=[tf.TensorSpec([None, query.shape[1]]), tf.TensorSpec([None, None], tf.int64)],
    )
    parts = range(0, len(query), _BATCH)
    return np.concatenate([compiled(query[i : i + _BATCH], exclude[i : i + _BATCH]).numpy() for i in parts])
