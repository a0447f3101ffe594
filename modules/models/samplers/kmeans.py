"""Lloyd's K-means in TensorFlow, chunked so that no point-by-centroid matrix of the whole corpus is ever held.

Points may lie in parts on several devices; each part is assigned and summed where it lies.
"""

from collections.abc import Sequence

import tensorflow as tf

_CHUNK = 65_536
_MAX_DISTANCES = 1 << 24
"""Distances that are held at once, 64 MB of them."""


def assign(points: tf.Tensor, centroids: tf.Tensor) -> tf.Tensor:
    """Returns the index int32 `[N]` of the nearest of `centroids` `[K, d]` for each of `points` `[N, d]`."""
    half_norms = tf.reduce_sum(tf.square(centroids), axis=1) / 2

    def nearest(chunk: tf.Tensor) -> tf.Tensor:
        # |p - w|^2 / 2 less the constant |p|^2 / 2.
        distances = half_norms - tf.matmul(chunk, centroids, transpose_b=True)
        return tf.argmin(distances, axis=1, output_type=tf.int32)

    chunk_size = max(1, min(_CHUNK, _MAX_DISTANCES // centroids.shape[0]))
    num_points = tf.shape(points)[0]
    chunks = (num_points + chunk_size - 1) // chunk_size
    codes = tf.TensorArray(tf.int32, size=chunks, infer_shape=False, element_shape=[None])
    _, codes = tf.while_loop(
        lambda i, _: i < chunks,
        lambda i, written: (
            i + 1,
            written.write(i, nearest(points[i * chunk_size : (i + 1) * chunk_size])),
        ),
        (0, codes),
        parallel_iterations=1,
    )
    return codes.concat()


def lloyd(parts: Sequence[tf.Tensor], centroids: tf.Tensor, iterations: int, seed: tf.Tensor) -> tf.Tensor:
    """Returns `centroids` `[K, d]` after some iterations; a centroid left without points moves to a random point.

    Args:
      parts: the points, float32 `[n, d]` each.
      centroids: float32 `[K, d]`, where to start.
      iterations: how many rounds of assignment and averaging.
      seed: integer `[2]`, of the restarts of empty clusters.
    """
    num_centroids = centroids.shape[0]

    def step(iteration: tf.Tensor, centroids: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        totals = [_totals(points, centroids) for points in parts]
        sums, sizes = (tf.add_n(values) for values in zip(*totals, strict=True))
        # One more than the iteration: the first restarts must not repeat the draw of `random_points(.., seed)` that
        # the caller may have started from.
        restarts = random_points(parts, num_centroids, seed + 1 + tf.cast(iteration, seed.dtype))
        means = sums / tf.cast(tf.maximum(sizes, 1), sums.dtype)[:, tf.newaxis]
        return iteration + 1, tf.where((sizes > 0)[:, tf.newaxis], means, restarts)

    _, centroids = tf.while_loop(
        lambda iteration, _: iteration < iterations, step, (0, centroids), parallel_iterations=1
    )
    return centroids


def _totals(points: tf.Tensor, centroids: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns the sum `[K, d]` and the number int32 `[K]` of the points nearest to each centroid."""
    with tf.device(points.device):
        codes = assign(points, centroids)
        sums = tf.math.unsorted_segment_sum(points, codes, centroids.shape[0])
        return sums, tf.math.unsorted_segment_sum(tf.ones_like(codes), codes, centroids.shape[0])


def random_points(parts: Sequence[tf.Tensor], number: int, seed: tf.Tensor) -> tf.Tensor:
    """Returns `[number, d]` of the points in `parts`, drawn with replacement."""
    sizes = [tf.shape(points)[0] for points in parts]
    rows = tf.random.stateless_uniform([number], seed, 0, tf.add_n(sizes), tf.int32)
    drawn = tf.gather(parts[0], tf.minimum(rows, sizes[0] - 1))
    first = sizes[0]
    for points, size in zip(parts[1:], sizes[1:], strict=True):
        with tf.device(points.device):
            own = tf.gather(points, tf.clip_by_value(rows - first, 0, size - 1))
        drawn = tf.where((rows >= first)[:, tf.newaxis], own, drawn)
        first += size
    return drawn
