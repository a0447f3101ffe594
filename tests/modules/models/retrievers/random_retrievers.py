"""Retrievers of random weights, and the contexts they are asked about."""

from typing import Any

import numpy as np

from modules.models.context import Context
from modules.models.corpus import Corpus, FeatureTable
from modules.models.retrievers import RETRIEVERS
from modules.models.retrievers.base import Retriever
from tests.modules import tiny

ITEMS, USERS = 20, 12
HISTORIES = [[1, 2, 3, 4, 5], [6, 7], [20], [8, 9], []]
CONTEXT = tiny.make_context([1, 2, 12, 0, 0], HISTORIES)
OPTIONS = {
    "bert4rec": {"blocks": 2},
    "caser": {"max_height": 3, "horizontal_filters": 4, "vertical_filters": 2},
    "dssm": {"hidden_units": [9, 7]},
    "gru4rec": {"layers": 2, "units": 6},
    "mf": {},
    "sasrec": {"blocks": 2},
}


def make_corpus() -> Corpus:
    """Returns a corpus with a feature of several values an item and one of one value a user."""
    rng = np.random.default_rng(0)
    genres, towns = rng.integers(0, 4, [ITEMS + 1, 2]), rng.integers(0, 3, [USERS + 1, 1])
    genres[0] = towns[0] = 0
    return tiny.make_corpus(
        ITEMS, USERS, item_features={"genres": FeatureTable(genres, 4)}, user_features={"town": FeatureTable(towns, 3)}
    )


def make_retriever(name: str, length: int = tiny.HISTORY, **options: Any) -> Retriever:
    """Returns a built retriever of random weights."""
    options = RETRIEVERS.options(name, {**OPTIONS[name], **options})
    retriever = RETRIEVERS[name](make_corpus(), tiny.make_config(history_length=length), options, seed=1)
    retriever.query(tiny.make_context([1], [[1]], length))
    retriever.all_candidates()
    tiny.randomise(retriever)
    return retriever


def known(retriever: Retriever, context: Context = CONTEXT) -> np.ndarray:
    return np.logical_not(retriever.is_cold(context))
