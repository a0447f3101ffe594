"""A blend of counts, and a baseline that is all counts, are served as they were judged."""

import dataclasses
from pathlib import Path

import numpy as np
import tensorflow as tf

from modules.models.algorithms.base import TwoStageModel
from modules.models.blend import Setting
from modules.models.neighbours import Sequences, count_directed
from tests.modules import tiny
from tests.modules.export.exports import CANDIDATES, ITEM_IDS, ITEMS, USERS, export

HISTORY = [3, 77, 12]
SHOWN = [5, 77, 200, 41]


def sequences() -> Sequences:
    rng = np.random.default_rng(4)
    return np.concatenate([rng.permutation(ITEMS) + 1 for _ in range(3)]), np.repeat(np.arange(3), ITEMS)


def serve_ranks(path: str) -> np.ndarray:
    """Returns the served scores of `SHOWN` for an unknown user with a history."""
    rank = tf.saved_model.load(path).signatures["rank"]
    texts = [tf.constant([[ITEM_IDS[item - 1] for item in items]]) for items in (HISTORY, SHOWN)]
    return rank(user_id=tf.constant(["stranger"]), history=texts[0], candidate_id=texts[1])["score"].numpy()


def rank(model: TwoStageModel) -> np.ndarray:
    return model.rank(tiny.make_context([0], [HISTORY]), tf.constant([SHOWN], tf.int64)).numpy()


def test_a_served_blend_is_the_chosen_one(tmp_path: Path) -> None:
    corpus = dataclasses.replace(tiny.make_corpus(ITEMS, USERS), neighbours=count_directed([sequences()], ITEMS, 60))
    model = tiny.make_model(corpus, retriever=tiny.SASREC, ranker=tiny.DIN, candidates=CANDIDATES, neighbours=60)
    without = rank(model)
    model.blend.choose(Setting(1.0, 0.5, 3.0, 0.001, 0.8))
    served = serve_ranks(export(tmp_path, "exact", model))
    np.testing.assert_allclose(served, rank(model), rtol=1e-4, atol=1e-5)
    assert np.abs(served - without).max() > 1e-2


def test_a_served_baseline_answers_unknown_users_by_their_history(tmp_path: Path) -> None:
    stages = {"retriever": {"name": "item_knn"}, "ranker": {"name": "none"}, "algorithm": {"name": "closed_form"}}
    model = tiny.make_model(tiny.make_corpus(ITEMS, USERS), candidates=CANDIDATES, **stages)
    items, users = sequences()
    # Each user has the first twenty of theirs.
    first = np.tile(np.arange(ITEMS) < 20, 3)
    model.retriever.fit([(items[first], users[first])])
    served = serve_ranks(export(tmp_path, "exact", model))
    np.testing.assert_allclose(served, rank(model), rtol=1e-5, atol=1e-6)
