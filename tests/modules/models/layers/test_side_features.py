"""Side features: the mean of an id's embeddings, looked up in either of two ways."""

import numpy as np
import pytest
import tensorflow as tf

from modules.models.corpus import FeatureTable
from modules.models.layers import side_features
from modules.models.layers.embeddings import embedding_initializer
from modules.models.layers.side_features import SideFeatureEmbeddings
from tests.modules import tiny

# Id 1 has one value, 2 two, 3 none, 4 three with a gap.
GENRES = FeatureTable(np.array([[0, 0, 0], [2, 0, 0], [1, 3, 0], [0, 0, 0], [3, 0, 1]]), size=4)
TOWNS = FeatureTable(np.array([[0], [1], [2], [1], [0]]), size=3)
IDS = tf.constant([[0, 1, 2], [3, 4, 4]], tf.int64)


def make_layer() -> SideFeatureEmbeddings:
    layer = SideFeatureEmbeddings({"genres": GENRES, "towns": TOWNS}, 4)
    tiny.randomise(layer)
    return layer


@pytest.fixture(params=["few values", "many values"])
def layer(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> SideFeatureEmbeddings:
    if request.param == "many values":
        monkeypatch.setattr(side_features, "_MULTI_HOT_VALUES", 0)
    return make_layer()


def test_a_field_is_the_mean_over_the_values(layer: SideFeatureEmbeddings) -> None:
    genres, towns = (weight.numpy() for weight in layer.trainable_variables)
    nothing = np.zeros(4)
    of_genres = [nothing, genres[2], (genres[1] + genres[3]) / 2, nothing, (genres[3] + genres[1]) / 2]
    of_towns = [nothing, towns[1], towns[2], towns[1], nothing]
    found = layer(IDS)
    assert [field.shape for field in found] == [(2, 3, 4)] * 2
    for field, expected in zip(found, (of_genres, of_towns), strict=True):
        np.testing.assert_allclose(field, np.array(expected)[IDS], rtol=1e-6)


def test_ids_may_have_any_rank(layer: SideFeatureEmbeddings) -> None:
    flat = layer(tf.reshape(IDS, [-1]))
    for field, same in zip(layer(IDS), flat, strict=True):
        np.testing.assert_array_equal(tf.reshape(field, [-1, 4]), same)


def test_only_the_embeddings_are_trained(layer: SideFeatureEmbeddings) -> None:
    assert [weight.shape for weight in layer.trainable_variables] == [(4, 4), (3, 4)]


def test_both_ways_have_the_same_gradient(monkeypatch: pytest.MonkeyPatch) -> None:
    found = []
    for most in (256, 0):
        monkeypatch.setattr(side_features, "_MULTI_HOT_VALUES", most)
        layer = make_layer()
        with tf.GradientTape() as tape:
            total = tf.add_n([tf.reduce_sum(field**2) for field in layer(IDS)])
        found.append([tf.convert_to_tensor(g).numpy() for g in tape.gradient(total, layer.trainable_variables)])
    for few, many in zip(*found, strict=True):
        np.testing.assert_allclose(few, many, rtol=1e-5, atol=1e-7)
        # Index 0 is nobody's value.
        np.testing.assert_array_equal(many[0], np.zeros(4))


def test_without_features_there_are_no_fields() -> None:
    assert SideFeatureEmbeddings({}, 4)(IDS) == []


def test_two_tables_do_not_start_alike() -> None:
    first, second = (embedding_initializer()(shape=[50, 8]) for _ in range(2))
    assert np.any(first != second)
    assert abs(float(tf.math.reduce_std(first)) - 0.05) < 0.01
