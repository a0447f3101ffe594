"""Dropout whose masks are counted, so that a resumed run goes on with the next one."""

import numpy as np
import pytest
import tensorflow as tf

from modules.models.layers.dropout import Dropout

ONES = tf.ones([100, 100])


def test_the_rate_is_dropped_and_the_rest_scaled_up() -> None:
    found = Dropout(0.3, seed=1)(ONES, training=True).numpy()
    np.testing.assert_allclose(np.unique(found), [0, 1 / 0.7], rtol=1e-6)
    # A binomial of 10,000 has a standard deviation of 46; five of them.
    assert abs(np.sum(found == 0) - 3_000) < 5 * 46


def test_at_inference_nothing_is_dropped_and_no_mask_used_up() -> None:
    layer = Dropout(0.3, seed=1)
    np.testing.assert_array_equal(layer(ONES), ONES)
    np.testing.assert_array_equal(layer(ONES, training=False), ONES)
    first = layer(ONES, training=True)
    np.testing.assert_array_equal(first, Dropout(0.3, seed=1)(ONES, training=True))


def test_a_rate_of_zero_drops_nothing_in_training() -> None:
    np.testing.assert_array_equal(Dropout(0.0, seed=1)(ONES, training=True), ONES)


@pytest.mark.parametrize("in_graph", [True, False])
def test_masks_are_determined_by_seed_and_number_of_calls(in_graph: bool) -> None:
    def masks(seed: int) -> list[np.ndarray]:
        layer = Dropout(0.5, seed)
        call = tf.function(lambda x: layer(x, training=True), autograph=False) if in_graph else None
        return [(call or (lambda x: layer(x, training=True)))(ONES).numpy() for _ in range(3)]

    first, again, other = masks(1), masks(1), masks(2)
    np.testing.assert_array_equal(first, again)
    assert np.any(first[0] != first[1])
    assert np.any(first[1] != first[2])
    assert np.any(first[0] != other[0])


def test_a_checkpoint_restores_the_count(tmp_path) -> None:
    layer, resumed = Dropout(0.5, seed=1), Dropout(0.5, seed=1)
    for _ in range(3):
        layer(ONES, training=True)
    path = tf.train.Checkpoint(layer=layer).save(str(tmp_path / "dropout"))
    tf.train.Checkpoint(layer=resumed).restore(path)
    np.testing.assert_array_equal(resumed(ONES, training=True), layer(ONES, training=True))


@pytest.mark.parametrize("rate", [-0.1, 1.0])
def test_rate_must_leave_something(rate: float) -> None:
    with pytest.raises(ValueError, match=rf"`rate` must be in \[0, 1\). Received: rate={rate}"):
        Dropout(rate, seed=1)
