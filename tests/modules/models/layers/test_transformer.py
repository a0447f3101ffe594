"""The transformer block against the published equations, and what its mask hides."""

import numpy as np
import pytest
import tensorflow as tf

from modules.models.layers.transformer import TransformerBlock
from tests.modules import tiny
from tests.modules.models.layers.transformer_equations import HEADS, WIDTH, reference

LENGTH = 5
INPUTS = tf.constant(np.random.default_rng(0).normal(size=[3, LENGTH, WIDTH]), tf.float32)
CAUSAL = np.tril(np.ones([1, LENGTH, LENGTH], bool))
# The second row has two items, the third one.
PRESENT = np.array([[1, 1, 1, 1, 1], [0, 0, 0, 1, 1], [0, 0, 0, 0, 1]], bool)[:, np.newaxis]


def make_block(activation: str = "relu", dropout: float = 0.0) -> TransformerBlock:
    """Returns a built block of random weights."""
    block = TransformerBlock(WIDTH, HEADS, dropout, seed=1, activation=activation)
    block(INPUTS, tf.constant(PRESENT))
    tiny.randomise(block)
    return block


@pytest.mark.parametrize("activation", ["relu", "gelu"])
@pytest.mark.parametrize("attendable", [PRESENT, CAUSAL & PRESENT | np.eye(LENGTH, dtype=bool)])
def test_outputs_are_those_of_the_published_equations(attendable: np.ndarray, activation: str) -> None:
    block = make_block(activation)
    everyone = np.broadcast_to(attendable, [3, LENGTH, LENGTH])
    expected = [reference(block, row, seen, activation) for row, seen in zip(INPUTS.numpy(), everyone, strict=True)]
    found = block(INPUTS, tf.constant(attendable))
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


def test_the_last_position_alone_is_the_last_of_all() -> None:
    block = make_block()
    last = block(INPUTS, tf.constant(PRESENT), first=-1)
    assert last.shape == (3, 1, WIDTH)
    whole = block(INPUTS, tf.constant(PRESENT))
    np.testing.assert_allclose(last, whole[:, -1:], rtol=1e-4, atol=1e-5)


def test_positions_from_the_first_asked_for_on_are_those_of_all() -> None:
    block = make_block()
    attendable = CAUSAL & PRESENT | np.eye(LENGTH, dtype=bool)
    some = block(INPUTS, tf.constant(attendable[:, 3:]), first=3)
    assert some.shape == (3, 2, WIDTH)
    whole = block(INPUTS, tf.constant(attendable))
    np.testing.assert_allclose(some, whole[:, 3:], rtol=1e-4, atol=1e-5)


def test_what_may_not_be_attended_to_is_not_seen() -> None:
    block = make_block()
    changed = tf.concat([INPUTS[:, :3], INPUTS[:, 3:] + 1.0], axis=1)
    first, second = (block(inputs, tf.constant(CAUSAL)).numpy() for inputs in (INPUTS, changed))
    np.testing.assert_allclose(first[:, :3], second[:, :3], rtol=1e-5)
    assert np.all(np.abs(first[:, 3:] - second[:, 3:]).max(axis=2) > 1e-3)


def test_dropout_works_in_training_alone() -> None:
    block = make_block(dropout=0.5)
    calm, again = (block(INPUTS, tf.constant(PRESENT)) for _ in range(2))
    np.testing.assert_array_equal(calm, again)
    first, second = (block(INPUTS, tf.constant(PRESENT), training=True) for _ in range(2))
    assert np.abs(first - calm).max() > 1e-3
    assert np.abs(first - second).max() > 1e-3
