"""Field embeddings: those of the ids, then those of the side features."""

import numpy as np
import pytest
import tensorflow as tf

from modules.models.corpus import FeatureTable
from modules.models.layers.field_embeddings import FieldEmbeddings
from modules.models.layers.side_features import SideFeatureEmbeddings
from tests.modules import tiny

TABLES = {
    "genres": FeatureTable(np.array([[0, 0], [2, 0], [1, 3], [0, 0], [3, 1]]), size=4),
    "towns": FeatureTable(np.array([[0], [1], [2], [1], [0]]), size=3),
}
IDS = tf.constant([[0, 1, 2], [3, 4, 4]], tf.int64)


def make_layer() -> FieldEmbeddings:
    layer = FieldEmbeddings("item", 4, TABLES, 8)
    tiny.randomise(layer)
    return layer


@pytest.mark.parametrize("ids", [IDS, IDS[0], IDS[..., tf.newaxis]], ids=["matrix", "vector", "rank 3"])
def test_the_fields_are_the_ids_rows_and_the_side_features(ids: tf.Tensor) -> None:
    layer = make_layer()
    table, *of_features = layer.trainable_variables
    features = SideFeatureEmbeddings(TABLES, 8)
    for ours, theirs in zip(features.trainable_variables, of_features, strict=True):
        ours.assign(theirs)
    expected = [tf.gather(table, ids), *features(ids)]
    found = layer(ids)
    for field, same in zip(found, expected, strict=True):
        assert field.dtype == tf.float32
        assert field.shape == [*ids.shape, 8]
        np.testing.assert_array_equal(field, same)


def test_every_id_has_a_row_and_so_has_padding() -> None:
    weights = tiny.weights_by_name(make_layer())
    assert {name: values.shape for name, values in weights.items() if name.endswith("_embeddings")} == {
        "item_embeddings": (5, 8),
        "genres_embeddings": (4, 8),
        "towns_embeddings": (3, 8),
    }


def test_every_table_learns() -> None:
    layer = make_layer()
    with tf.GradientTape() as tape:
        total = tf.add_n([tf.reduce_sum(field**2) for field in layer(IDS)])
    gradients = tape.gradient(total, layer.trainable_variables)
    assert all(np.any(tf.convert_to_tensor(gradient).numpy() != 0) for gradient in gradients)


def test_without_side_features_the_id_is_the_only_field() -> None:
    layer = FieldEmbeddings("user", 4, {}, 8)
    (field,) = layer(IDS)
    (table,) = layer.trainable_variables
    np.testing.assert_array_equal(field, table.numpy()[IDS.numpy()])
