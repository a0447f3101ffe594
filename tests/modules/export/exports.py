"""A model with random weights behind the serving contract, exported around each index."""

from pathlib import Path

import numpy as np
import tensorflow as tf

from modules.export.cells import cut_into_cells
from modules.export.config import ExportOptions
from modules.export.indexes import ExactIndex, Index, ScannIndex
from modules.export.partitioned_index import PartitionedIndex
from modules.export.server_model import ServerModel
from modules.export.towers import Towers
from modules.models.algorithms.base import TwoStageModel
from modules.models.context import Context
from modules.serving.rules import Rules
from tests.modules.tiny import DIN, SASREC, make_corpus, make_model, randomise

ITEMS, USERS, CANDIDATES = 200, 6, 30
ITEM_IDS = [f"item {n}".encode() for n in range(1, ITEMS + 1)]
OPTIONS = ExportOptions(top_k=10, candidates=CANDIDATES, evaluated_k=20, full_ranking_share=1.0)


class VocabularyTransform(tf.Module):
    """Looks ids up as TFX's transform layer does: dense and sparse strings to sparse indices, 0 for unknown ones."""

    def __init__(self) -> None:
        super().__init__()
        users = [f"user {n}".encode() for n in range(1, USERS + 1)]
        self._items, self._users = (
            tf.lookup.StaticHashTable(
                tf.lookup.KeyValueTensorInitializer(tf.constant(ids), tf.range(1, len(ids) + 1, dtype=tf.int64)), 0
            )
            for ids in (ITEM_IDS, users)
        )

    def __call__(self, features: dict) -> dict[str, tf.SparseTensor]:
        """Maps user_id `[B, 1]` and history, sparse `[B, H]`."""
        history = features["history"]
        users = self._users.lookup(features["user_id"])
        shape = tf.shape(users, tf.int64)
        rows = tf.range(shape[0])
        return {
            "user": tf.SparseTensor(tf.stack([rows, tf.zeros_like(rows)], 1), tf.reshape(users, [-1]), shape),
            "history": tf.SparseTensor(history.indices, self._items.lookup(history.values), history.dense_shape),
        }


def random_model() -> TwoStageModel:
    """Returns SASRec under a residual DIN over 200 items, with random weights."""
    corpus = make_corpus(ITEMS, USERS)
    model = make_model(corpus, retriever=SASREC, ranker=DIN, candidates=CANDIDATES)
    context_ids = tf.ones([1, 5], tf.int64)
    model.rank(Context(tf.ones([1], tf.int64), context_ids, context_ids), context_ids)
    for stage in (model.retriever, model.ranker):
        randomise(stage)
    return model


def make_towers(model: TwoStageModel, rules: Rules | None = None) -> Towers:
    """Returns the model as an export carries it."""
    return Towers(model, VocabularyTransform(), ITEM_IDS, make_corpus(ITEMS, USERS), rules)


def make_index(kind: str, candidates: tf.Variable) -> Index:
    """Returns an index that finds what an exact search finds: `exact`, `partitioned`, `int8` or `scann`."""
    if kind == "exact":
        return ExactIndex(candidates)
    if kind == "scann":
        return ScannIndex(candidates, CANDIDATES)
    vectors = np.asarray(candidates)[1:]
    cells = cut_into_cells(vectors, 20)
    return PartitionedIndex(candidates, cells, 10**6, "int8" if kind == "int8" else "none")


def export(folder: Path, kind: str, model: TwoStageModel | None = None, rules: Rules | None = None) -> str:
    """Saves the model around an index and returns the folder."""
    towers = make_towers(model or random_model(), rules)
    path = str(folder / kind)
    ServerModel(towers, make_index(kind, towers.candidates), OPTIONS).save(path)
    return path
