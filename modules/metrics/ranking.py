"""Recall, NDCG and MRR at a cutoff, a value a user, in TensorFlow operations alone.

All three take which positions of a user's list are hits, so that one comparison of items serves
every metric and every cutoff. Nothing is averaged here: the caller decides over whom, and leaves
out the users without targets.
"""

import tensorflow as tf


def find_hits(ranked: tf.Tensor, targets: tf.Tensor, padding: int | str) -> tf.Tensor:
    """Tells which positions of each list hold a target.

    Args:
      ranked: [batch, K] item ids, best first; any dtype that compares.
      targets: [batch, T] item ids of the same dtype.
      padding: the id that stands for no item, on either side; it is never a hit.

    Returns:
      [batch, K] bool. An item that occurs twice in a list is a hit at its first position only.
    """
    is_target = tf.reduce_any(ranked[:, :, tf.newaxis] == targets[:, tf.newaxis, :], axis=-1)
    same = ranked[:, :, tf.newaxis] == ranked[:, tf.newaxis, :]
    positions = tf.range(tf.shape(ranked)[1])
    seen_before = tf.reduce_any(same & (positions[tf.newaxis, :] < positions[:, tf.newaxis]), axis=-1)
    return is_target & ~seen_before & (ranked != padding)


def recall_at_k(ranked_hits: tf.Tensor, num_targets: tf.Tensor, k: int) -> tf.Tensor:
    """Returns the share of a user's targets found among the first `k` items.

    Recall@k = |hits within k| / |targets|; it cannot reach 1 for a user of more than `k` targets.

    Args:
      ranked_hits: [batch, K] bool or float, whether the item at each position is a target, best
        item first. Positions beyond K count as misses, so K may be below `k`.
      num_targets: [batch], how many distinct targets the user has.
      k: the cutoff.

    Returns:
      [batch] float32; 0 for a user without targets.

    Raises:
      ValueError: `k` is not positive.
    """
    hits = _cut(ranked_hits, k)
    return tf.math.divide_no_nan(tf.reduce_sum(hits, axis=-1), tf.cast(num_targets, tf.float32))


def ndcg_at_k(ranked_hits: tf.Tensor, num_targets: tf.Tensor, k: int) -> tf.Tensor:
    """Returns the discounted gain within `k`, as a share of the best that `k` positions allow.

    DCG@k = sum over ranks r <= k of hit(r) / log2(r + 1); the ideal list has min(|targets|, k) hits
    at its top. Järvelin and Kekäläinen, "Cumulated gain-based evaluation of IR techniques", TOIS
    2002.

    Args:
      ranked_hits: [batch, K] bool or float, whether the item at each position is a target, best
        item first.
      num_targets: [batch], how many distinct targets the user has.
      k: the cutoff.

    Returns:
      [batch] float32; 0 for a user without targets.

    Raises:
      ValueError: `k` is not positive.
    """
    hits = _cut(ranked_hits, k)
    gain = tf.reduce_sum(hits * _discounts(tf.shape(hits)[1]), axis=-1)
    ideal = tf.concat([[0.0], tf.cumsum(_discounts(k))], axis=0)
    return tf.math.divide_no_nan(gain, tf.gather(ideal, tf.clip_by_value(tf.cast(num_targets, tf.int32), 0, k)))


def mrr_at_k(ranked_hits: tf.Tensor, num_targets: tf.Tensor, k: int) -> tf.Tensor:
    """Returns 1 / rank of the first hit within `k`, or 0.

    Args:
      ranked_hits: [batch, K] bool or float, whether the item at each position is a target, best
        item first.
      num_targets: [batch]; unused, so that the three metrics are called alike.
      k: the cutoff.

    Returns:
      [batch] float32; 0 for a user without a hit.

    Raises:
      ValueError: `k` is not positive.
    """
    del num_targets
    hits = _cut(ranked_hits, k)
    reciprocal_ranks = 1.0 / tf.range(1, tf.shape(hits)[1] + 1, dtype=tf.float32)
    # The zero lets a list of no items have a maximum.
    return tf.reduce_max(tf.pad(hits * reciprocal_ranks, [[0, 0], [0, 1]]), axis=-1)


def _cut(ranked_hits: tf.Tensor, k: int) -> tf.Tensor:
    if k < 1:
        raise ValueError(f"`k` must be a positive integer. Received: k={k}.")
    return tf.cast(ranked_hits[:, :k], tf.float32)


def _discounts(size: int | tf.Tensor) -> tf.Tensor:
    ranks = tf.range(1, size + 1, dtype=tf.float32)
    return tf.math.log(2.0) / tf.math.log(ranks + 1.0)
