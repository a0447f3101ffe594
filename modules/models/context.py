"""The context of a recommendation: who asks, and what they did before."""

from typing import NamedTuple

import tensorflow as tf


class Context(NamedTuple):
    """A batch of contexts.

    Attributes:
      user: int64 `[B]`, user index; 0 is an unknown user.
      history: int64 `[B, H]`, item ids, oldest first, LEFT-padded with 0, so the latest is in the last column.
      exclude: int64 `[B, E]`, items that are no answer: never retrieved, and no negatives in training; 0 is padding.
        In training each row ascends, for `excludes`.
    """

    user: tf.Tensor
    history: tf.Tensor
    exclude: tf.Tensor

    def excludes(self, ids: tf.Tensor) -> tf.Tensor:
        """Returns bool `[B, M]`: which of int64 ids `[B, M]`, 1..N, stand in their row of an ascending `exclude`."""
        # The last column lets a search that runs off the end find something, which equals no id.
        rows = tf.pad(self.exclude, [[0, 0], [0, 1]], constant_values=tf.int64.max)
        places = tf.searchsorted(rows, ids, side="left")
        return tf.equal(tf.gather(rows, places, batch_dims=1), ids)

    def excludes_distinct(self, ids: tf.Tensor) -> tf.Tensor:
        """Returns bool `[B, M]`: which of distinct int64 ids `[M]`, 1..N, stand in each row's `exclude`, in any order.

        The excluded items are looked up among the ids, and not the ids in every row: with thousands of ids that is a
        few times faster than `excludes`.
        """
        size = tf.size(ids)
        last = tf.maximum(tf.reduce_max(ids), tf.reduce_max(self.exclude))
        # Items that are not among the ids share one more column.
        columns = tf.tensor_scatter_nd_update(tf.fill([last + 1], size), ids[:, tf.newaxis], tf.range(size))
        rows = tf.shape(self.exclude)[0]
        cells = tf.gather(columns, self.exclude) + (size + 1) * tf.range(rows)[:, tf.newaxis]
        ones = tf.ones([tf.size(cells)], tf.int32)
        counted = tf.math.unsorted_segment_max(ones, tf.reshape(cells, [-1]), (size + 1) * rows)
        return tf.reshape(counted, [rows, size + 1])[:, :-1] > 0


def latest(items: tf.RaggedTensor, length: int) -> tf.Tensor:
    """Returns the last `length` known ids of each row as int64 `[B, length]`, left-padded with 0.

    Args:
      items: int64 ragged `[B, None]`, oldest first; 0 (unknown items) are dropped before the cut, so that
        an unknown item never takes the place of a known one.
      length: how many to keep.
    """
    known = tf.ragged.boolean_mask(items, items > 0)[:, -length:]
    missing = length - known.row_lengths()
    padding = tf.RaggedTensor.from_row_lengths(tf.zeros([tf.reduce_sum(missing)], known.dtype), missing)
    padded = tf.concat([padding, known], axis=1).to_tensor(shape=[None, length])
    return tf.ensure_shape(padded, [None, length])
