"""Histories cut to their latest known items, and what a context excludes."""

import numpy as np
import pytest
import tensorflow as tf

from modules.models.context import latest
from tests.modules import tiny


@pytest.mark.parametrize("length", [1, 3, 8])
def test_latest_known_items_stand_at_the_right(length: int) -> None:
    rng = np.random.default_rng(length)
    rows = [rng.integers(0, 5, rng.integers(0, 10)).tolist() for _ in range(40)]
    expected = []
    for row in rows:
        known = [item for item in row if item > 0][-length:]
        expected.append([0] * (length - len(known)) + known)
    found = latest(tf.ragged.constant(rows, tf.int64, row_splits_dtype=tf.int64), length)
    assert found.dtype == tf.int64
    np.testing.assert_array_equal(found, expected)


def test_an_unknown_item_does_not_take_the_place_of_a_known_one() -> None:
    found = latest(tf.ragged.constant([[7, 8, 0, 0]], tf.int64), 2)
    np.testing.assert_array_equal(found, [[7, 8]])


@pytest.mark.parametrize("rows", [[], [[]], [[], [0, 0]]])
def test_nothing_known_is_all_padding(rows: list[list[int]]) -> None:
    items = tf.RaggedTensor.from_row_lengths(
        tf.constant([item for row in rows for item in row], tf.int64), tf.constant([len(row) for row in rows], tf.int64)
    )
    np.testing.assert_array_equal(latest(items, 3), np.zeros([len(rows), 3]))


def test_the_width_is_known_when_the_graph_is_built() -> None:
    spec = tf.RaggedTensorSpec([None, None], tf.int64, row_splits_dtype=tf.int64)
    traced = tf.function(lambda items: latest(items, 4), input_signature=[spec], autograph=False)
    assert traced.get_concrete_function().structured_outputs.shape.as_list() == [None, 4]
    np.testing.assert_array_equal(traced(tf.ragged.constant([[3]], tf.int64)), [[0, 0, 0, 3]])


def test_a_context_excludes_what_stands_in_its_row() -> None:
    rng = np.random.default_rng(4)
    rows = np.sort(rng.integers(0, 30, [20, 9]), axis=1)
    ids = rng.integers(1, 31, [20, 40])
    context = tiny.make_context([1] * 20, [[]] * 20, exclude=rows)
    expected = [[item in row for item in of_row] for of_row, row in zip(ids, rows, strict=True)]
    np.testing.assert_array_equal(context.excludes(tf.constant(ids)), expected)
    assert 0 < np.mean(expected) < 1


@pytest.mark.parametrize("width", [0, 1, 9])
def test_a_context_excludes_distinct_ids_as_it_does_its_own(width: int) -> None:
    rng = np.random.default_rng(width)
    rows = np.sort(rng.integers(0, 40, [20, width]), axis=1)
    ids = tf.constant(rng.permutation(30)[:20] + 1)
    context = tiny.make_context([1] * 20, [[]] * 20, exclude=rows)
    traced = tf.function(lambda distinct: context.excludes_distinct(distinct), autograph=False)
    np.testing.assert_array_equal(traced(ids), context.excludes(tf.broadcast_to(ids, [20, 20])))


def test_a_context_without_exclusions_excludes_nothing() -> None:
    assert not np.any(tiny.make_context([1, 2], [[], []]).excludes(tf.constant([[1, 2], [3, 4]], tf.int64)))
