"""A model that counts neighbours, exported around each index and asked from Python or over HTTP."""

import dataclasses
from pathlib import Path

import numpy as np
import tensorflow as tf

from modules.export.scann_export import export_scann
from modules.models.algorithms.base import TwoStageModel
from modules.models.blend import Setting
from modules.models.neighbours import Neighbours, count_directed
from tests.modules import tiny
from tests.modules.export.exports import CANDIDATES, ITEM_IDS, ITEMS, OPTIONS, USERS, export

KINDS = ["exact", "int8", "scann"]
NEIGHBOURS = 12
LAST = tf.float32.min


def counted() -> Neighbours:
    """Returns what follows what in three orders of all items."""
    rng = np.random.default_rng(4)
    items = np.concatenate([rng.permutation(ITEMS) + 1 for _ in range(3)])
    return count_directed([(items, np.repeat(np.arange(3), ITEMS))], ITEMS, NEIGHBOURS)


def counting_model() -> TwoStageModel:
    """Returns SASRec under a residual DIN whose answer is blended with the counts, all weights random."""
    corpus = dataclasses.replace(tiny.make_corpus(ITEMS, USERS), neighbours=counted())
    model = tiny.make_model(
        corpus, retriever=tiny.SASREC, ranker=tiny.DIN, candidates=CANDIDATES, neighbours=NEIGHBOURS
    )
    context = tiny.make_context([1], [[1, 2]])
    model.rank(context, tf.constant([[1]], tf.int64))
    for stage in (model.retriever, model.ranker):
        tiny.randomise(stage)
    model.blend.choose(Setting(1.0, 0.5, 0.3, 0.01, 0.8))
    return model


def export_all(folder: Path, model: TwoStageModel) -> None:
    """Saves the model around each of `KINDS` below `folder`, ScaNN's from the portable one, as in the pipeline."""
    for kind in ("exact", "int8"):
        export(folder, kind, model)
    export_scann(str(folder / "int8"), str(folder / "scann"), OPTIONS)


def strings(rows: list[list[int]]) -> tf.Tensor:
    """Returns the ids of items as strings `[B, S]`, 0 and what a row lacks as ""."""
    texts = [[ITEM_IDS[item - 1].decode() if item else "" for item in row] for row in rows]
    return tf.ragged.constant(texts, tf.string, ragged_rank=1).to_tensor("")


def numbers(item_id: tf.Tensor) -> np.ndarray:
    """Returns the answered items as their numbers, 0 for ""."""
    found = {text: number for number, text in enumerate(ITEM_IDS, start=1)} | {b"": 0}
    return np.vectorize(found.__getitem__, otypes=[np.int64])(item_id.numpy())


def texts(values: tf.Tensor) -> list:
    """Returns strings as JSON has them."""
    return values.numpy().astype(str).tolist()
