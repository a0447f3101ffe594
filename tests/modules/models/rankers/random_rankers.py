"""Rankers of random weights, and what they are asked to score."""

from typing import Any

import numpy as np
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
