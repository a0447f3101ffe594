"""What every ranker promises, whatever its network."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from modules.models.context import Context
from modules.models.corpus import Corpus, FeatureTable
from modules.models.rankers import RANKERS
from modules.models.rankers.base import Ranker
from tests.modules import tiny

ITEMS, USERS = 20, 6
HISTORIES = [[1, 2, 3, 4, 5], [6, 7], []]
CONTEXT = tiny.make_context([1, 2, 0], HISTORIES)
CANDIDATES = tf.constant([[4, 9, 1, 20], [1, 1, 7, 2], [3, 5, 8, 11]], tf.int64)
VARIANTS = {
    "bst-published": ("bst", {"history_sees_target": True}),
    "dcn-low-rank": ("dcn", {"projection_dim": 3}),
}
NAMES = sorted([*RANKERS, *VARIANTS])
LEARNING = [name for name in NAMES if name != "none"]


def make_corpus() -> Corpus:
    """Returns a corpus with a feature of several values an item and one of one value a user."""
    rng = np.random.default_rng(0)
    genres, towns = rng.integers(0, 4, [ITEMS + 1, 2]), np.array([[0], [1], [2], [0], [1], [2], [0]])
    genres[0] = 0
    return tiny.make_corpus(
        ITEMS, USERS, item_features={"genres": FeatureTable(genres, 4)}, user_features={"town": FeatureTable(towns, 3)}
    )


def make_ranker(name: str, length: int = tiny.HISTORY, **options: Any) -> Ranker:
    """Returns a built ranker of random weights; `name` is a registered one or a variant's."""
    name, variant = VARIANTS.get(name, (name, {}))
    if name != "none":
        options = {"hidden_units": [8, 4], **variant, **options}
    config = tiny.make_config(history_length=length)
    ranker = RANKERS[name](make_corpus(), config, RANKERS.options(name, options), seed=1)
    score(ranker, tiny.make_context([1], [[1]], length), CANDIDATES[:1])
    tiny.randomise(ranker)
    return ranker


def score(ranker: Ranker, context: Context, candidates: tf.Tensor, training: bool = False) -> tf.Tensor:
    return ranker.score(ranker.encode(context, training=training), candidates, training=training)


@pytest.mark.parametrize("name", NAMES)
def test_scores_are_finite_and_one_a_candidate(name: str) -> None:
    found = score(make_ranker(name), CONTEXT, CANDIDATES)
    assert found.shape == (3, 4)
    assert found.dtype == tf.float32
    assert np.all(np.isfinite(found))


@pytest.mark.parametrize("name", NAMES)
def test_a_candidates_score_does_not_depend_on_the_others(name: str) -> None:
    ranker = make_ranker(name)
    encoded = ranker.encode(CONTEXT)
    together = ranker.score(encoded, CANDIDATES).numpy()
    for column in range(4):
        alone = score(ranker, CONTEXT, CANDIDATES[:, column : column + 1])
        np.testing.assert_allclose(alone[:, 0], together[:, column], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(ranker.score(encoded, CANDIDATES[:, ::-1]), together[:, ::-1], rtol=1e-4, atol=1e-5)
    if name != "none":
        assert len(np.unique(together[0])) == 4


@pytest.mark.parametrize("name", NAMES)
def test_a_context_is_scored_alike_alone_and_among_others(name: str) -> None:
    ranker = make_ranker(name)
    together = score(ranker, CONTEXT, CANDIDATES).numpy()
    for row in range(3):
        one = tf.nest.map_structure(lambda values, row=row: values[row : row + 1], CONTEXT)
        np.testing.assert_allclose(
            score(ranker, one, CANDIDATES[row : row + 1])[0], together[row], rtol=1e-4, atol=1e-5
        )


@pytest.mark.parametrize("name", NAMES)
def test_no_candidates_and_no_contexts_are_answered(name: str) -> None:
    ranker = make_ranker(name)
    assert score(ranker, CONTEXT, CANDIDATES[:, :0]).shape == (3, 0)
    nobody = tf.nest.map_structure(lambda values: values[:0], CONTEXT)
    assert score(ranker, nobody, CANDIDATES[:0]).shape == (0, 4)


@pytest.mark.parametrize("name", LEARNING)
def test_dropout_works_in_training_alone(name: str) -> None:
    ranker = make_ranker(name, dropout=0.5)
    calm, again = (score(ranker, CONTEXT, CANDIDATES) for _ in range(2))
    np.testing.assert_array_equal(calm, again)
    first, second = (score(ranker, CONTEXT, CANDIDATES, training=True) for _ in range(2))
    assert np.abs(first - calm).max() > 1e-3
    assert np.abs(first - second).max() > 1e-3


@pytest.mark.parametrize("name", LEARNING)
def test_every_weight_learns(name: str) -> None:
    ranker = make_ranker(name)
    with tf.GradientTape() as tape:
        total = tf.reduce_sum(score(ranker, CONTEXT, CANDIDATES) ** 2)
    for variable, gradient in zip(
        ranker.trainable_variables, tape.gradient(total, ranker.trainable_variables), strict=True
    ):
        # A softmax does not feel a constant added to all its logits, or to all its keys.
        if (variable.shape == (1,) and name == "din" and "dense/bias" in variable.name) or "key/bias" in variable.name:
            continue
        assert np.abs(tf.convert_to_tensor(gradient)).max() > 0, variable.name


@pytest.mark.parametrize("name", LEARNING)
def test_a_saved_ranker_scores_as_it_did(name: str, tmp_path: Path) -> None:
    ranker = make_ranker(name)
    specification = tf.nest.map_structure(lambda values: tf.TensorSpec([None, *values.shape[1:]], tf.int64), CONTEXT)
    ids = tf.TensorSpec([None, None], tf.int64)
    module = tf.Module()
    module.ranker = ranker
    module.score = tf.function(lambda *args: score(ranker, Context(*args[:-1]), args[-1]), [*specification, ids])
    tf.saved_model.save(module, str(tmp_path))
    loaded = tf.saved_model.load(str(tmp_path))
    for candidates in (CANDIDATES, CANDIDATES[:, :1], tf.tile(CANDIDATES, [1, 20])):
        np.testing.assert_allclose(
            loaded.score(*CONTEXT, candidates), score(ranker, CONTEXT, candidates), rtol=1e-4, atol=1e-5
        )


@pytest.mark.parametrize("name", LEARNING)
def test_a_few_positives_are_learnt_by_heart(name: str) -> None:
    users = [1, 2, 3, 4, 5, 6]
    context = tiny.make_context(users, [[user, user + 7, 20 - user] for user in users])
    everything = tf.tile(tf.range(1, ITEMS + 1, dtype=tf.int64)[tf.newaxis], [6, 1])
    positives = tf.constant([[3, 14, 15, 9, 2, 6]], tf.int64)[0]
    ranker = make_ranker(name, dropout=0.0)
    tiny.randomise(ranker, scale=0.1)
    optimizer = tf.keras.optimizers.Adam(0.02)

    @tf.function(autograph=False)
    def step() -> tf.Tensor:
        with tf.GradientTape() as tape:
            logits = score(ranker, context, everything, training=True)
            loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(positives - 1, logits))
        gradients = tape.gradient(loss, ranker.trainable_variables)
        optimizer.apply_gradients(zip(gradients, ranker.trainable_variables, strict=True))
        return loss

    for _ in range(150):
        loss = step()
    assert loss < 0.1
    np.testing.assert_array_equal(1 + tf.argmax(score(ranker, context, everything), axis=1), positives)


def test_none_leaves_every_order_alone() -> None:
    ranker = make_ranker("none")
    np.testing.assert_array_equal(score(ranker, CONTEXT, CANDIDATES), np.zeros([3, 4]))
    assert ranker.weights == []
