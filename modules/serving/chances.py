"""With which probability each item is picked next, so that logged answers can be weighed."""

import tensorflow as tf


def chances(utility: tf.Tensor, left: tf.Tensor, epsilon: tf.Tensor, temperature: tf.Tensor) -> tf.Tensor:
    """Returns the probabilities p float32 `[B, C]` of the next item; all 0 where none is left.

        p(i) = epsilon / n + (1 - epsilon) softmax(u / temperature)(i)

    over the n items that are left; at temperature 0 the softmax is 1 for the best one.

    Args:
      utility: float32 `[B, C]`, u.
      left: bool `[B, C]`, which items can still be picked.
      epsilon: float32 `[B]`.
      temperature: float32 `[B]`.
    """
    utility = tf.where(left, utility, tf.float32.min)
    best = tf.one_hot(tf.argmax(utility, axis=1), tf.shape(utility)[1])
    distance = utility - tf.reduce_max(utility, axis=1, keepdims=True)
    soft = tf.nn.softmax(tf.math.divide_no_nan(distance, temperature[:, tf.newaxis]))
    chosen = tf.where(temperature[:, tf.newaxis] > 0, soft, best)
    uniform = tf.math.divide_no_nan(1.0, tf.reduce_sum(tf.cast(left, tf.float32), axis=1, keepdims=True))
    mixed = epsilon[:, tf.newaxis] * uniform + (1 - epsilon[:, tf.newaxis]) * chosen
    return tf.where(left, mixed, 0.0)


def pick(probabilities: tf.Tensor, draws: tf.Tensor) -> tf.Tensor:
    """Returns the columns int64 `[B]` that uniform draws `[B]` from [0, 1) fall on; never one of probability 0."""
    reached = tf.cumsum(probabilities, axis=1)
    return tf.argmax(reached > draws[:, tf.newaxis] * reached[:, -1:], axis=1)


def draws_of(seeds: tf.Tensor, count: tf.Tensor) -> tf.Tensor:
    """Returns draws float32 `[B, count]` from [0, 1), the same for the same of int64 `[B]` seeds, new ones for 0."""
    fresh = tf.random.uniform(tf.shape(seeds), 1, tf.int64.max, tf.int64)
    seeds = tf.where(tf.equal(seeds, 0), fresh, seeds)
    return tf.map_fn(
        lambda seed: tf.random.stateless_uniform([count], tf.stack([seed, 0])),
        seeds,
        fn_output_signature=tf.TensorSpec([None], tf.float32),
    )
