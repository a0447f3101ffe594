"""K-means: assignment, averaging, empty clusters."""

import numpy as np
import pytest
import tensorflow as tf

from modules.models.samplers import kmeans

SEED = tf.constant([5, 7], tf.int32)


def clouds(points: int, width: int = 3, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=[points, width]).astype(np.float32)


def squared_distances(points: np.ndarray, centroids: np.ndarray) -> np.ndarray:
    return ((points[:, np.newaxis] - centroids[np.newaxis]) ** 2).sum(axis=2)


@pytest.mark.parametrize("points", [1, 6, 7, 8, 20])
def test_each_point_goes_to_its_nearest_centroid_on_either_side_of_a_chunk(
    points: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kmeans, "_CHUNK", 7)
    data, centroids = clouds(points), clouds(4, seed=1)
    expected = squared_distances(data, centroids).argmin(axis=1)
    np.testing.assert_array_equal(kmeans.assign(tf.constant(data), tf.constant(centroids)), expected)
    traced = tf.function(kmeans.assign, autograph=False)
    np.testing.assert_array_equal(traced(tf.constant(data), tf.constant(centroids)), expected)


def test_points_of_unknown_number_are_assigned() -> None:
    specs = [tf.TensorSpec([None, 3], tf.float32), tf.TensorSpec([4, 3], tf.float32)]
    traced = tf.function(kmeans.assign, input_signature=specs, autograph=False)
    data, centroids = clouds(9), clouds(4, seed=1)
    np.testing.assert_array_equal(traced(data, centroids), squared_distances(data, centroids).argmin(axis=1))


def test_one_iteration_moves_centroids_to_the_means() -> None:
    data = tf.constant([[0.0, 0.0], [2.0, 0.0], [10.0, 10.0]])
    moved = kmeans.lloyd([data], tf.constant([[1.0, 1.0], [9.0, 9.0]]), 1, SEED)
    np.testing.assert_allclose(moved, [[1.0, 0.0], [10.0, 10.0]])


def test_points_may_lie_in_parts() -> None:
    data, start = clouds(20), tf.constant(clouds(4, seed=1))
    whole, parts = [tf.constant(data)], [tf.constant(part) for part in np.split(data, [1, 12])]
    # An empty cluster too, which moves to a random point.
    start = tf.concat([start, [[1e6] * 3]], axis=0)
    np.testing.assert_allclose(kmeans.lloyd(parts, start, 3, SEED), kmeans.lloyd(whole, start, 3, SEED), rtol=1e-5)
    np.testing.assert_array_equal(kmeans.random_points(parts, 50, SEED), kmeans.random_points(whole, 50, SEED))


def test_no_iteration_leaves_the_centroids() -> None:
    centroids = clouds(4, seed=1)
    np.testing.assert_array_equal(kmeans.lloyd([tf.constant(clouds(20))], tf.constant(centroids), 0, SEED), centroids)


def test_the_objective_never_rises() -> None:
    data, centroids = clouds(60), clouds(8, seed=1) * 5
    losses = []
    for iterations in range(8):
        moved = kmeans.lloyd([tf.constant(data)], tf.constant(centroids), iterations, SEED)
        losses.append(squared_distances(data, moved.numpy()).min(axis=1).sum())
    assert all(after <= before * (1 + 1e-6) for before, after in zip(losses, losses[1:], strict=False))
    assert losses[-1] < 0.5 * losses[0]


def test_separate_groups_are_found() -> None:
    centers = np.array([[0, 0, 0], [100, 0, 0], [0, 100, 0]], np.float32)
    data = np.concatenate([center + clouds(10, seed=i) for i, center in enumerate(centers)])
    found = kmeans.lloyd([tf.constant(data)], tf.constant(data[[0, 10, 20]]), 5, SEED).numpy()
    np.testing.assert_allclose(found, [data[i : i + 10].mean(axis=0) for i in (0, 10, 20)], rtol=1e-3, atol=1e-3)


def test_a_centroid_without_points_moves_to_a_point() -> None:
    data = clouds(20)
    start = np.concatenate([clouds(2, seed=1), np.full([1, 3], 1e6, np.float32)])
    moved = kmeans.lloyd([tf.constant(data)], tf.constant(start), 1, SEED).numpy()
    assert np.all(np.isfinite(moved))
    assert squared_distances(data, moved[2:]).min() == 0


def test_equal_starts_part_in_the_first_iteration() -> None:
    """Centroids drawn twice from one point must not be sent back to it by the draw that put them there."""
    data, seed = tf.constant(clouds(50)), tf.constant([2, 3], tf.int32)
    start = kmeans.random_points([data], 30, seed)
    spare = np.setdiff1d(np.arange(30), kmeans.assign(data, start))
    assert len(spare) > 5
    moved = kmeans.lloyd([data], start, 1, seed).numpy()[spare]
    assert np.sum(np.any(moved != start.numpy()[spare], axis=1)) >= len(spare) - 1


@pytest.mark.parametrize("dtype", [tf.int32, tf.int64])
def test_seeds_of_either_width_give_the_same_in_a_graph_as_outside(dtype: tf.DType) -> None:
    data, start = tf.constant(clouds(20)), tf.fill([6, 3], 1e6)
    seed = tf.constant([5, 7], dtype)
    traced = tf.function(lambda: kmeans.lloyd([data], start, 3, seed), autograph=False)
    np.testing.assert_array_equal(traced(), kmeans.lloyd([data], start, 3, seed))


def test_random_points_are_points() -> None:
    data = clouds(5)
    drawn = kmeans.random_points([tf.constant(data)], 200, SEED).numpy()
    assert drawn.shape == (200, 3)
    distances = squared_distances(drawn, data)
    assert np.all(distances.min(axis=1) == 0)
    assert set(distances.argmin(axis=1)) == set(range(5))
