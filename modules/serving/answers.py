"""What every answer has in common: ids as the caller's own strings, and as many items as were asked for."""

import tensorflow as tf

LAST = tf.float32.min
"""Score of padding and of unknown candidates: behind everything, and finite, so that every JSON parser reads it."""

# Of any rank: a REST request in column form gives one number, in row form one each instance.
K = tf.TensorSpec(None, tf.int32, "k")
"""The input that says how many items are wanted."""


def wanted(k: tf.Tensor, batch: tf.Tensor, most: int) -> tf.Tensor:
    """Returns int32 `[1]` or `[B]`, how many items are asked for.

    Args:
      k: int32, one number, or `[B]` one each row.
      batch: int32 scalar, B.
      most: the largest number that can be had.

    Raises:
      InvalidArgumentError: where a k is not from 1 to `most`, or is not as many as there are rows.
    """
    paired = tf.logical_or(tf.equal(tf.rank(k), 0), tf.equal(tf.size(k), batch))
    checks = [
        tf.debugging.Assert(tf.reduce_all((k >= 1) & (k <= most)), [f"`k` must be from 1 to {most}. Received:", k]),
        tf.debugging.Assert(paired, ["`k` must be one number, or one each row. Received:", k]),
    ]
    with tf.control_dependencies(checks):
        return tf.reshape(tf.identity(k), [-1])


def first_of(ids: tf.Tensor, scores: tf.Tensor, counts: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns the first columns of `ids` and `scores`, as many as any row wants; a row that wants fewer ends in 0.

    Args:
      ids: int64 `[B, C]`, best first.
      scores: float32 `[B, C]`.
      counts: int32 `[1]` or `[B]`, of `wanted`.
    """
    # Over no rows the maximum is the lowest integer.
    width = tf.maximum(tf.reduce_max(counts), 0)
    asked_for = tf.range(width) < counts[:, tf.newaxis]
    return tf.where(asked_for, ids[:, :width], 0), scores[:, :width]


def answer(item_ids: tf.Tensor, ids: tf.Tensor, scores: tf.Tensor) -> dict[str, tf.Tensor]:
    """Returns `item_id` and `score`, both `[B, C]`, of int64 ids, 0 for none; `item_ids` are the strings by id."""
    return {"item_id": tf.gather(item_ids, ids), "score": tf.where(ids > 0, scores, LAST)}
