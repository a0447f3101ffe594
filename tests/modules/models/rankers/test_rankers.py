"""What every ranker promises, whatever its network."""

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from modules.models.context import Context
from modules.models.rankers import RANKERS
from tests.modules import tiny
from tests.modules.models.rankers.random_rankers import CANDIDATES, CONTEXT, ITEMS, VARIANTS, make_ranker, score

NAMES = sorted([*RANKERS, *VARIANTS])
LEARNING = [name for name in NAMES if name != "none"]


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
