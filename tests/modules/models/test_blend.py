"""The blend against sums over pairs one by one, and what it leaves alone."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from modules.models.algorithms.base import TwoStageModel
from modules.models.blend import Blend, Setting
from modules.models.neighbours import Neighbours, count_directed
from tests.modules import tiny

ITEMS = 20
HISTORIES = [[1, 2, 3, 4, 5], [6, 7], []]
CONTEXT = tiny.make_context([1, 2, 0], HISTORIES)
CANDIDATES = tf.constant([[4, 9, 1, 20], [1, 0, 8, 2], [3, 5, 8, 11]], tf.int64)


def counted() -> Neighbours:
    rng = np.random.default_rng(2)
    items = np.concatenate([rng.permutation(ITEMS)[:9] + 1 for _ in range(12)])
    return count_directed([(items, np.repeat(np.arange(12), 9))], ITEMS, most=6)


def make_model(residual: bool = True) -> TwoStageModel:
    corpus = dataclasses.replace(tiny.make_corpus(ITEMS), neighbours=counted())
    changes = {"ranker": {**tiny.DEEPFM, "dropout": 0.0}, "algorithm": {"name": "corr", "residual": residual}}
    model = tiny.make_model(corpus, neighbours=6, **changes)
    model.rank(CONTEXT, CANDIDATES)
    tiny.randomise(model.ranker)
    return model


def pointing_one_by_one(decay: float) -> np.ndarray:
    found, counts = counted(), tiny.make_corpus(ITEMS).item_counts
    table = {(i, j): c for i in range(ITEMS + 1) for j, c in zip(found.ids[i], found.counts[i], strict=True) if c}
    expected = np.zeros([3, 4])
    for row, history in enumerate(HISTORIES):
        for column, item in enumerate(CANDIDATES[row].numpy().tolist()):
            for age, before in enumerate(reversed(history)):
                norm = np.sqrt(max(counts[before], 1) * max(counts[item], 1))
                expected[row, column] += decay**age * table.get((before, item), 0) / norm
    return expected


@pytest.mark.parametrize("decay", [0.5, 1.0])
def test_pointing_is_the_sum_over_the_pairs(decay: float) -> None:
    blend = Blend(counted(), tiny.make_corpus(ITEMS).item_counts, tiny.HISTORY, residual=True)
    expected = pointing_one_by_one(decay)
    assert np.count_nonzero(expected) >= 3
    np.testing.assert_allclose(blend.pointing(CONTEXT.history, CANDIDATES, decay), expected, rtol=1e-5)


@pytest.mark.parametrize("residual", [True, False])
def test_before_anything_is_chosen_the_answer_is_the_trained_models(residual: bool) -> None:
    model = make_model(residual)
    products = tf.constant(np.random.default_rng(0).normal(size=[3, 4]), tf.float32)
    network = model.ranker.score(model.ranker.encode(CONTEXT), CANDIDATES)
    expected = network + products if residual else network
    np.testing.assert_allclose(model.ranker_scores(CONTEXT, CANDIDATES, products), expected, rtol=1e-5, atol=1e-6)


def test_the_parts_are_added_by_their_factors_and_training_sees_no_counts() -> None:
    model = make_model()
    model.blend.choose(Setting(retriever=2.0, ranker=0.5, neighbours=3.0, threshold=0.1, decay=0.8))
    products = tf.constant(np.random.default_rng(0).normal(size=[3, 4]), tf.float32)
    network = model.ranker.score(model.ranker.encode(CONTEXT), CANDIDATES)
    expected = 2 * products + 0.5 * network + 3 * np.log(1 + pointing_one_by_one(0.8) / 0.1)
    np.testing.assert_allclose(model.ranker_scores(CONTEXT, CANDIDATES, products), expected, rtol=1e-4, atol=1e-5)
    in_training = model.ranker_scores(CONTEXT, CANDIDATES, products, training=True)
    model.blend.choose(model.blend.trained)
    np.testing.assert_array_equal(model.ranker_scores(CONTEXT, CANDIDATES, products, training=True), in_training)
    assert all("blend" not in weight.name for weight in model.trainable_variables)


def test_a_model_that_asks_for_counts_must_get_them() -> None:
    with pytest.raises(ValueError, match="`corpus.neighbours` must be counted for `model.neighbours`: 6"):
        tiny.make_model(neighbours=6)
