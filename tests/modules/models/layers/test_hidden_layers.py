"""Stacks of hidden layers by hand."""

import numpy as np
import tensorflow as tf

from modules.models.layers.hidden_layers import HiddenLayers
from tests.modules import tiny

INPUTS = tf.constant([[1.0, -2.0, 3.0]])


def relu(values: np.ndarray) -> np.ndarray:
    return np.maximum(values, 0)


def test_each_layer_is_rectified_and_fed_to_the_next() -> None:
    layers = HiddenLayers([4, 2], dropout=0.0, seed=1)
    layers(INPUTS)
    tiny.randomise(layers)
    first, first_bias, second, second_bias = (weight.numpy() for weight in layers.trainable_weights)
    expected = relu(relu(INPUTS.numpy() @ first + first_bias) @ second + second_bias)
    np.testing.assert_allclose(layers(INPUTS), expected, rtol=1e-5)


def test_sums_are_rectified_before_the_first_layer() -> None:
    layers = HiddenLayers([], dropout=0.0, seed=1, of_sums=True)
    np.testing.assert_array_equal(layers(INPUTS), [[1, 0, 3]])


def test_sums_are_dropped_anew_in_each_step() -> None:
    layers = HiddenLayers([], dropout=0.5, seed=1, of_sums=True)
    ones = tf.ones([1, 100])
    first, second = layers(ones, training=True).numpy(), layers(ones, training=True).numpy()
    assert set(np.unique(first)) == {0, 2}
    assert (first != second).any()
