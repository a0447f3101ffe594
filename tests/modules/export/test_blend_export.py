"""A blend of counts, and a baseline that is all counts, are served as they were judged."""

from pathlib import Path

import numpy as np
import tensorflow as tf

from modules.models.algorithms.base import TwoStageModel
from tests.modules import tiny
from tests.modules.blends import make_blend
from tests.modules.export.exports import CANDIDATES, ITEM_IDS, ITEMS, USERS, export

HISTORY = [3, 77, 12]
SHOWN = [5, 77, 200, 41]


def orders() -> list[list[int]]:
    rng = np.random.default_rng(4)
    return [(rng.permutation(ITEMS) + 1).tolist() for _ in range(3)]


def serve_ranks(path: str) -> np.ndarray:
    """Returns the served scores of `SHOWN` for an unknown user with a history."""
    rank = tf.saved_model.load(path).signatures["rank"]
    texts = [tf.constant([[ITEM_IDS[item - 1] for item in items]]) for items in (HISTORY, SHOWN)]
    return rank(user_id=tf.constant(["stranger"]), history=texts[0], candidate_id=texts[1])["score"].numpy()


def rank(model: TwoStageModel) -> np.ndarray:
    return model.rank(tiny.make_context([0], [HISTORY], exclude=[HISTORY]), tf.constant([SHOWN], tf.int64)).numpy()


def test_a_served_blend_is_the_chosen_one(tmp_path: Path) -> None:
    corpus = tiny.make_corpus(ITEMS, USERS)
    model = tiny.make_model(corpus, retriever=tiny.SASREC, ranker=tiny.DIN, candidates=CANDIDATES)
    without = rank(model)
    model.blend = make_blend(orders(), corpus.item_counts, most=60)
    served = serve_ranks(export(tmp_path, "exact", model))
    np.testing.assert_allclose(served, rank(model), rtol=1e-4, atol=1e-5)
    assert np.abs(served - without).max() > 1e-2


def test_a_served_baseline_answers_unknown_users_by_their_history(tmp_path: Path) -> None:
    stages = {"retriever": {"name": "item_knn"}, "ranker": {"name": "none"}, "algorithm": {"name": "closed_form"}}
    model = tiny.make_model(tiny.make_corpus(ITEMS, USERS), candidates=CANDIDATES, **stages)
    model.retriever.fit([tiny.as_sequences([order[:20] for order in orders()])])
    served = serve_ranks(export(tmp_path, "exact", model))
    np.testing.assert_allclose(served, rank(model), rtol=1e-5, atol=1e-6)
