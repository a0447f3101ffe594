"""Items in, items out: those whose vectors point the same way, and those that followed them in training."""

from typing import Any

import tensorflow as tf

from modules.models.retrieval import search_in_chunks
from modules.serving.answers import K, answer, first_of, wanted

_CHUNK = 1 << 16
_ITEMS = tf.TensorSpec([None, None], tf.string, "item_id")


class Similar(tf.Module):
    """The signatures that know no user.

      * `similar`: item_id `[B, S]` ("" is padding), k -> item_id, score `[B, max k]`: the mean over the given items of
        the cosine of both items' vectors. Every item is compared, whatever the index: lengths, which an index of
        inner products is cut by, do not count here.
      * `neighbours`: the same inputs and outputs, of a model with `model.neighbours`: the sum over the given items of
        how often the other came after them in training, over the root of how many users have each.

    The given items are never returned. Unknown ones are ignored; a row without a known one is answered by "" alone.

    Args:
      towers: a `modules.export.towers.Towers`, or one loaded from another export.
      most: the largest k.
    """

    def __init__(self, towers: Any, most: int) -> None:
        super().__init__()
        self.towers = towers
        self._most = most
        self._num_items = towers.item_ids.shape[0] - 1
        lengths = tf.norm(tf.convert_to_tensor(towers.candidates), axis=1)
        self._inverse_lengths = tf.Variable(
            tf.math.divide_no_nan(1.0, lengths), trainable=False, name="inverse_lengths"
        )

    def signatures(self) -> dict[str, Any]:
        """Returns what is exported, by name."""
        found = {"similar": self.similar.get_concrete_function(_ITEMS, K)}
        if hasattr(self.towers, "neighbours"):
            found["neighbours"] = self.neighbours.get_concrete_function(_ITEMS, K)
        return found

    @tf.function(autograph=False)
    def similar(self, item_id: tf.Tensor, k: tf.Tensor) -> dict[str, tf.Tensor]:
        """By the trained vectors."""
        counts = wanted(k, tf.shape(item_id)[0], self._most)
        given = self.towers.look_up(item_id)
        known = tf.cast(given > 0, tf.float32)
        number = tf.reduce_sum(known, axis=1, keepdims=True)
        weights = tf.math.divide_no_nan(known * tf.gather(self._inverse_lengths, given), number)
        query = tf.einsum("bs,bsd->bd", weights, tf.gather(self.towers.candidates, given))

        def cosines(ids: tf.Tensor) -> tf.Tensor:
            vectors = tf.gather(self.towers.candidates, ids)
            return tf.matmul(query, vectors, transpose_b=True) * tf.gather(self._inverse_lengths, ids)

        last = tf.constant(self._num_items, tf.int64)
        ids, scores = search_in_chunks(cosines, last, given, self._most, _CHUNK)
        return answer(self.towers.item_ids, *first_of(tf.where(number > 0, ids, 0), scores, counts))

    @tf.function(autograph=False)
    def neighbours(self, item_id: tf.Tensor, k: tf.Tensor) -> dict[str, tf.Tensor]:
        """By what followed the items in training."""
        counts = wanted(k, tf.shape(item_id)[0], self._most)
        given = self.towers.look_up(item_id)
        found, weights = self.towers.neighbours(given)
        ids, scores = _sum_up(found, weights, given, self._num_items, self._most)
        return answer(self.towers.item_ids, *first_of(ids, scores, counts))


def _sum_up(
    ids: tf.Tensor, weights: tf.Tensor, given: tf.Tensor, num_items: int, k: int
) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns the k items of the largest sums of weights, ids int64 and scores float32 `[B, k]`; none of those given.

    Args:
      ids: int64 `[B, S, M]`; 0 is none.
      weights: float32 `[B, S, M]`.
      given: int64 `[B, S]`.
      num_items: N.
      k: how many; where fewer have a weight, the rest is 0.
    """
    unwanted = tf.reduce_any(tf.equal(ids[..., tf.newaxis], given[:, tf.newaxis, tf.newaxis]), axis=3)
    places = tf.where((ids > 0) & ~unwanted)
    # An item of a row has one number, and `unique` keeps the order of rows.
    pairs, parts = tf.unique(places[:, 0] * (num_items + 1) + tf.gather_nd(ids, places))
    sums = tf.math.unsorted_segment_sum(tf.gather_nd(weights, places), parts, tf.size(pairs))

    def by_row(values: tf.Tensor, nothing: float) -> tf.Tensor:
        rows = tf.RaggedTensor.from_value_rowids(values, pairs // (num_items + 1), nrows=tf.shape(ids, tf.int64)[0])
        padded = rows.to_tensor(nothing)
        missing = tf.maximum(0, k - tf.shape(padded)[1])
        return tf.pad(padded, [[0, 0], [0, missing]], constant_values=nothing)

    best, columns = tf.math.top_k(by_row(sums, float("-inf")), k)
    return tf.gather(by_row(pairs % (num_items + 1), 0), columns, batch_dims=1), best
