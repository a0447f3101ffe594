"""What item-to-item tables and popularity say of candidates after a history, as features and as candidates."""

from collections.abc import Mapping

import numpy as np
import tensorflow as tf

from modules.models.neighbours.base import Neighbours

DECAYS = (0.5, 0.8, 1.0)
"""What an item of the history weighs against the one after it, a feature each; the last forgets the order."""
MOST_KNOWN = 200
"""How many items of a history, the latest, are evidence."""
SCALE = 0.01
"""A sum of weights below it is hardly evidence."""
_MOST_SUMS = 1 << 22
"""Up to so many, sums are kept for every item of the corpus, which is faster than to find the different ones."""


class Evidence(tf.keras.layers.Layer):
    """The features of (history, candidate): for each table W and each decay d

        log(1 + s / SCALE),  s = sum over ages t of  d^t W(h_t, i),  h_t the item t places before the latest,

    and last log n_i, of the n_i users who have i.

    A history's neighbours are put together by one pass over their ids: the cost is that of the history and of M,
    whatever the corpus.

    Args:
      tables: kind -> table.
      item_counts: float32 `[N + 1]`.
    """

    def __init__(self, tables: Mapping[str, Neighbours], item_counts: np.ndarray) -> None:
        super().__init__(name="evidence")
        self._rows = len(item_counts)
        self._ids, self._weights = (
            [self._constant(f"{kind}_{name}", getattr(table, name), dtype) for kind, table in tables.items()]
            for name, dtype in (("ids", tf.int32), ("weights", tf.float32))
        )
        # Half an interaction for items without any, so that every logarithm is finite.
        self._popularity = self._constant("log_popularity", np.log(np.maximum(item_counts, 0.5)), tf.float32)
        self.size = len(tables) * len(DECAYS) + 1

    def _constant(self, name: str, values: np.ndarray, dtype: tf.DType) -> tf.Variable:
        initializer = tf.constant_initializer(values)
        return self.add_weight(name=name, shape=values.shape, dtype=dtype, initializer=initializer, trainable=False)

    def features(self, history: tf.Tensor, candidates: tf.Tensor) -> tf.Tensor:
        """Returns float32 `[B, C, F]` of int64 candidates `[B, C]` after int64 history `[B, H]`, oldest first.

        A history may be of any length; 0 is no item, wherever it stands.
        """
        ids, places, sums = self._sums(history, candidates)
        pairs = tf.shape(ids)[1] - tf.shape(candidates)[1]
        return self._as_features(tf.gather(sums, places[:, pairs:]), candidates)

    def best(self, history: tf.Tensor, exclude: tf.Tensor, weights: tf.Tensor, k: int | tf.Tensor) -> tf.Tensor:
        """Returns the k neighbours of the history that have the largest weighted features.

        Args:
          history: int64 `[B, H]`, as of `features`.
          exclude: int64 `[B, E]`, items never to return.
          weights: float32 `[F]`.
          k: how many; where there are fewer, the rest is 0.

        Returns:
          int64 `[B, k]`.
        """
        ids, places, sums = self._sums(history, exclude)
        pairs = tf.shape(ids)[1] - tf.shape(exclude)[1]
        numbers = tf.reshape(tf.range(tf.size(ids)), tf.shape(ids))
        size = tf.shape(sums)[0]
        firsts = tf.math.unsorted_segment_min(numbers, places, size)
        excluded = tf.math.unsorted_segment_max(tf.ones_like(places[:, pairs:]), places[:, pairs:], size) > 0
        ids, places, numbers = ids[:, :pairs], places[:, :pairs], numbers[:, :pairs]
        once = tf.equal(tf.gather(firsts, places), numbers) & ~tf.gather(excluded, places) & (ids > 0)
        scores = tf.linalg.matvec(self._as_features(tf.gather(sums, places), ids), weights)
        scores = tf.pad(tf.where(once, scores, float("-inf")), [[0, 0], [0, k]], constant_values=float("-inf"))
        top, columns = tf.math.top_k(scores, k)
        return tf.where(
            tf.math.is_inf(top), tf.zeros([], tf.int64), tf.gather(tf.pad(ids, [[0, 0], [0, k]]), columns, batch_dims=1)
        )

    def neighbours(self, items: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns the first table's rows of int64 items `[B, S]`: ids int64, 0 is none, weights float32 `[B, S, M]`."""
        return tf.cast(tf.gather(self._ids[0], items), tf.int64), tf.gather(self._weights[0], items)

    def _sums(self, history: tf.Tensor, others: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """Adds up the weights of a history's neighbours.

        Returns:
          ids int64 `[B, P + X]`: the P neighbours, table by table, and the `others` `[B, X]`; for each its row in the
          sums, int32 `[B, P + X]`; and the sums float32 `[U, F - 1]`, one row for each different item of a history.
        """
        known = tf.ragged.boolean_mask(history, history > 0)[:, -MOST_KNOWN:].to_tensor(0)
        batch = tf.shape(known)[0]
        found = [tf.cast(tf.reshape(tf.gather(ids, known), [batch, -1]), tf.int64) for ids in self._ids]
        ids = tf.concat([*found, others], axis=1)
        places, size = self._number(ids)
        ages = tf.cumsum(tf.cast(known > 0, tf.float32), axis=1, exclusive=True, reverse=True)
        decays = tf.pow(tf.constant(DECAYS), ages[:, :, tf.newaxis])
        sums, start = [], 0
        for table_ids, weights in zip(found, self._weights, strict=True):
            end = start + tf.shape(table_ids)[1]
            decayed = tf.einsum("bhm,bhd->bhmd", tf.gather(weights, known), decays)
            flat = tf.reshape(decayed, [-1, len(DECAYS)])
            sums.append(tf.math.unsorted_segment_sum(flat, tf.reshape(places[:, start:end], [-1]), size))
            start = end
        return ids, places, tf.concat(sums, axis=1)

    def _number(self, ids: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Numbers the different items of each row of ids `[B, P]`: int32 `[B, P]`, and how many numbers there are."""
        batch = tf.shape(ids, tf.int64)[0]
        keys = ids + self._rows * tf.range(batch)[:, tf.newaxis]

        def of_all() -> tuple[tf.Tensor, tf.Tensor]:
            return tf.cast(keys, tf.int32), tf.cast(batch * self._rows, tf.int32)

        def of_different() -> tuple[tf.Tensor, tf.Tensor]:
            different, places = tf.unique(tf.reshape(keys, [-1]))
            return tf.reshape(places, tf.shape(ids)), tf.size(different)

        return tf.cond(batch * self._rows <= _MOST_SUMS, of_all, of_different)

    def _as_features(self, sums: tf.Tensor, ids: tf.Tensor) -> tf.Tensor:
        popularity = tf.gather(self._popularity, ids)[..., tf.newaxis]
        return tf.concat([tf.math.log1p(sums / SCALE), popularity], axis=-1)
