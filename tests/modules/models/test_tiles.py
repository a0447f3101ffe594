"""Tiles of rows."""

import numpy as np
import pytest
import tensorflow as tf

from modules.models.tiles import in_tiles


@pytest.mark.parametrize(("rows", "sizes"), [(0, [0]), (1, [1]), (4, [4]), (9, [4, 4, 1])])
@pytest.mark.parametrize("in_graph", [True, False])
def test_rows_come_back_in_their_places(rows: int, sizes: list[int], in_graph: bool) -> None:
    rng = np.random.default_rng(1)
    factors, values = rng.normal(size=[rows, 1]).astype(np.float32), rng.normal(size=[rows, 3]).astype(np.float32)
    seen = tf.Variable(tf.zeros([0], tf.int32), shape=[None])

    def score(nest: dict[str, tf.Tensor], values: tf.Tensor) -> tf.Tensor:
        seen.assign(tf.concat([seen, [tf.shape(values)[0]]], axis=0))
        return nest["factor"] * values

    @tf.function(input_signature=[tf.TensorSpec([None, 1]), tf.TensorSpec([None, 3])], autograph=False)
    def tiled(factors: tf.Tensor, values: tf.Tensor) -> tf.Tensor:
        return in_tiles(score, {"factor": factors}, values, rows=4)

    found = tiled(factors, values) if in_graph else in_tiles(score, {"factor": factors}, tf.constant(values), rows=4)
    np.testing.assert_array_equal(found, factors * values)
    assert seen.numpy().tolist() == sizes
