"""DSSM against its equations, and what of the corpus its item tower runs over."""

import numpy as np
import pytest
import tensorflow as tf

from modules.models.corpus import FeatureTable
from modules.models.retrievers import dssm
from modules.models.retrievers.base import inner_products
from modules.models.retrievers.dssm import DSSM
from tests.modules import tiny
from tests.modules.models.algorithms.batches import BATCH
from tests.modules.models.retrievers.random_retrievers import CONTEXT, ITEMS, make_corpus, make_retriever


def tower(layer: tf.keras.layers.Layer, features: dict[str, FeatureTable], number: int) -> np.ndarray:
    """Returns the vector of id `number`: relu, relu, linear over its embedding and the mean of each feature's."""
    fields = [layer._fields._ids.numpy()[number]]
    for name, table in features.items():
        values = table.values[number][table.values[number] > 0]
        embeddings = layer._fields._side_features._embeddings[name].numpy()
        fields.append(embeddings[values].sum(axis=0) / max(1, len(values)))
    hidden = np.concatenate(fields)
    for dense in layer._hidden.dense:
        hidden = np.maximum(hidden @ dense.kernel.numpy() + dense.bias.numpy(), 0)
    return hidden @ layer._output.kernel.numpy() + layer._output.bias.numpy()


def test_the_score_is_the_product_of_two_towers_over_ids_and_side_features() -> None:
    retriever, corpus = make_retriever("dssm"), make_corpus()
    ids = np.array([[4, 9, 20], [1, 1, 5], [2, 3, 4], [5, 6, 7], [8, 9, 10]])
    found = inner_products(retriever.query(CONTEXT), retriever.candidates(tf.constant(ids)))
    expected = [
        [
            tower(retriever._user_tower, corpus.user_features, user)
            @ tower(retriever._item_tower, corpus.item_features, item)
            for item in row
        ]
        for user, row in zip(CONTEXT.user.numpy(), ids, strict=True)
    ]
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_side_features_and_hidden_layers_may_be_missing() -> None:
    retriever = DSSM(tiny.make_corpus(), tiny.make_config(), DSSM.Options(hidden_units=[]), seed=1)
    found = retriever.query(tiny.make_context([3, 6], [[], []]))
    table, kernel, bias = (weight.numpy() for weight in retriever._user_tower.trainable_variables)
    np.testing.assert_allclose(found, table[[3, 6]] @ kernel + bias, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("chunk", [1, 5, 20, 21, 22])
def test_a_large_corpus_is_embedded_chunk_by_chunk(chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    retriever = make_retriever("dssm")
    weights = retriever._item_tower.trainable_variables

    def embed() -> tuple[np.ndarray, list[np.ndarray]]:
        with tf.GradientTape() as tape:
            table = retriever.all_candidates()
            total = tf.reduce_sum(table**2)
        return table.numpy(), [tf.convert_to_tensor(g).numpy() for g in tape.gradient(total, weights)]

    whole, gradients = embed()
    assert whole.shape == (ITEMS + 1, tiny.WIDTH)
    monkeypatch.setattr(dssm, "_CHUNK", chunk)
    table, others = embed()
    np.testing.assert_allclose(table, whole, rtol=1e-5, atol=1e-6)
    for ours, theirs in zip(others, gradients, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-4)


def test_training_embeds_the_corpus_where_the_index_is_due_and_nowhere_else(monkeypatch: pytest.MonkeyPatch) -> None:
    model = tiny.make_model(retriever={"name": "dssm"}, sampler={"name": "exact", "refresh_steps": 3})
    embed, embedded = model.retriever.all_candidates, tf.Variable(0)

    def count() -> tf.Tensor:
        embedded.assign_add(1)
        return embed()

    monkeypatch.setattr(model.retriever, "all_candidates", count)
    step = tf.function(model.train_step)
    counts = []
    for _ in range(5):
        step(BATCH)
        counts.append(int(embedded))
    assert counts == [1, 1, 1, 2, 2]
