"""Tables in one piece and in shards."""

import numpy as np
import pytest
import tensorflow as tf

from modules.models.layers.embeddings import ShardedVariable, lookup, shards

TABLE = np.arange(21, dtype=np.float32).reshape(7, 3)
IDS = np.array([[6, 0, 3], [3, 2, 5]])


def in_shards(sizes: list[int]) -> ShardedVariable:
    return ShardedVariable([tf.Variable(part) for part in np.split(TABLE, np.cumsum(sizes)[:-1])])


# As `tf.distribute` cuts: the first shards are one row longer where the rows do not divide evenly.
@pytest.mark.parametrize("sizes", [[7], [4, 3], [3, 2, 2]])
@pytest.mark.parametrize("in_graph", [True, False])
def test_rows_are_found_in_whichever_shard_they_lie(sizes: list[int], in_graph: bool) -> None:
    table = in_shards(sizes)
    find = tf.function(lambda ids: lookup(table, ids)) if in_graph else lambda ids: lookup(table, ids)
    np.testing.assert_array_equal(find(tf.constant(IDS)), TABLE[IDS])
    assert [part.shape[0] for part in shards(table)] == sizes


def test_a_shard_has_the_gradient_of_its_rows() -> None:
    table, whole = in_shards([4, 3]), tf.Variable(TABLE)
    weights = tf.constant(np.random.default_rng(0).normal(size=[*IDS.shape, 3]).astype(np.float32))
    with tf.GradientTape(persistent=True) as tape:
        ours, theirs = (tf.reduce_sum(weights * lookup(values, tf.constant(IDS))) for values in (table, whole))
    parts = [tf.convert_to_tensor(gradient) for gradient in tape.gradient(ours, list(shards(table)))]
    expected = tf.convert_to_tensor(tape.gradient(theirs, whole))
    np.testing.assert_allclose(tf.concat(parts, axis=0), expected, rtol=1e-6)


def test_a_table_in_one_piece_is_its_own_shard() -> None:
    table = tf.Variable(TABLE)
    assert shards(table) == [table]
    np.testing.assert_array_equal(lookup(table, IDS), TABLE[IDS])
