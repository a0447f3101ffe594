"""The blend against its formula, its pool against a search of the union, and what it leaves alone."""

import numpy as np
import tensorflow as tf

from modules.models.algorithms.base import TwoStageModel
from modules.models.context import Context
from tests.modules import tiny
from tests.modules.blends import make_blend

ITEMS = 20
HISTORIES = [[1, 2, 3, 4, 5], [6, 7, 0, 0, 0], [8, 0, 0, 0, 0]]
CONTEXT = tiny.make_context([1, 2, 0], [list(filter(None, items)) for items in HISTORIES], exclude=HISTORIES)
CANDIDATES = tf.constant([[4, 9, 1, 20], [1, 11, 8, 2], [3, 5, 8, 11]], tf.int64)


def make_model() -> TwoStageModel:
    """Returns MF, which knows nothing of user 0, under a residual DeepFM, with a blend of one table."""
    rng = np.random.default_rng(2)
    corpus = tiny.make_corpus(ITEMS)
    users = [(rng.permutation(ITEMS)[:9] + 1).tolist() for _ in range(12)]
    model = tiny.make_model(corpus, ranker={**tiny.DEEPFM, "dropout": 0.0})
    model.rank(CONTEXT, CANDIDATES)
    for stage in (model.retriever, model.ranker):
        tiny.randomise(stage)
    model.blend = make_blend(users, corpus.item_counts)
    return model


def test_the_answer_is_the_weighted_sum_and_evidence_alone_where_the_context_is_cold() -> None:
    model = make_model()
    stages = [part.numpy() for part in model.stage_scores(CONTEXT, CANDIDATES)]
    features = model.blend.evidence.features(CONTEXT.exclude, CANDIDATES).numpy()
    alone, both = model.blend.alone.numpy(), model.blend.both.numpy()
    expected = both[0] * stages[0] + both[1] * stages[1] + features @ both[2:]
    expected[2] = features[2] @ alone
    np.testing.assert_allclose(model.rank(CONTEXT, CANDIDATES), expected, rtol=1e-4, atol=1e-4)


def test_training_sees_no_counts() -> None:
    model = make_model()
    in_training = model.ranker_scores(CONTEXT, CANDIDATES, tf.ones([3, 4]), training=True)
    model.blend = None
    np.testing.assert_array_equal(in_training, model.ranker_scores(CONTEXT, CANDIDATES, tf.ones([3, 4])))
    assert all("blend" not in weight.name for weight in make_model().trainable_variables)


def test_the_pool_holds_the_best_of_both_channels() -> None:
    model = make_model()
    count = 4
    retrieved, products = model.retrieve(CONTEXT, count)
    pool, pool_products = model.pool(CONTEXT, retrieved, products)
    alone, first = model.blend.alone, model.blend.first.numpy()
    evidence = model.blend.evidence
    for row, cold in enumerate([False, False, True]):
        one = Context(*(values[row : row + 1] for values in CONTEXT))
        found = evidence.best(one.exclude, tf.concat([one.exclude, retrieved[row : row + 1]], axis=1), alone, count)
        union = [item for item in [*retrieved[row].numpy(), *found[0].numpy()] if item]
        assert len(set(union)) == len(union)
        ids = tf.constant([union], tf.int64)
        products, _ = model.stage_scores(one, ids)
        features = evidence.features(one.exclude, ids)[0].numpy()
        scores = features @ alone.numpy() if cold else first[0] * products[0] + features @ first[1:]
        best = np.argsort(-np.asarray(scores), kind="stable")[:count]
        assert pool[row].numpy().tolist() == [union[column] for column in best]
        np.testing.assert_allclose(pool_products[row], products[0].numpy()[best], rtol=1e-4, atol=1e-5)
    assert (np.sort(pool) != np.sort(retrieved)).any()
