"""Scoring a few contexts at a time, so that what is computed between is still in the processor's cache."""

from collections.abc import Callable
from typing import Any

import tensorflow as tf

_ROWS = 16


def in_tiles(function: Callable[..., tf.Tensor], *inputs: Any, rows: int = _ROWS) -> tf.Tensor:
    """Returns `function(*inputs)` float32 `[B, C]`, computed for `rows` rows at a time.

    A ranker's intermediate results for 256 contexts and 100 candidates are a hundred MB each, which every operation
    would write to memory and the next one read from there.

    Args:
      function: maps nests of tensors `[b, ...]` to scores float32 `[b, C]`, row by row.
      *inputs: nests of tensors `[B, ...]`; the last one is a tensor `[B, C]`.
      rows: how many are computed at once.
    """
    batch = tf.shape(tf.nest.flatten(inputs)[0])[0]

    def tile(start: tf.Tensor, scores: tf.TensorArray) -> tuple[tf.Tensor, tf.TensorArray]:
        part = tf.nest.map_structure(lambda values: values[start : start + rows], inputs)
        return start + rows, scores.write(start // rows, function(*part))

    # Of no rows one empty tile is scored, for the shape.
    batch = tf.maximum(batch, 1)
    count = -(-batch // rows)
    scores = tf.TensorArray(tf.float32, size=count, infer_shape=False, element_shape=[None, inputs[-1].shape[1]])
    _, scores = tf.while_loop(lambda start, _: start < batch, tile, (tf.constant(0), scores), parallel_iterations=1)
    return scores.concat()
