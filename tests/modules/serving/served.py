"""A model that counts neighbours, exported around each index and asked from Python or over HTTP."""

from pathlib import Path

import numpy as np
import tensorflow as tf

from modules.export.scann_export import export_scann
from modules.models.algorithms.base import TwoStageModel
from modules.models.neighbours.base import Neighbours
from modules.serving.item_facts import Category, ItemFacts
from modules.serving.rules import Rules, with_named_rules
from tests.modules import tiny
from tests.modules.blends import make_blend
from tests.modules.export.exports import CANDIDATES, ITEM_IDS, ITEMS, OPTIONS, USERS, export

KINDS = ["exact", "int8", "scann"]
NEIGHBOURS = 12
LAST = tf.float32.min


def orders() -> list[list[int]]:
    """Returns three orders of all items."""
    rng = np.random.default_rng(4)
    return [(rng.permutation(ITEMS) + 1).tolist() for _ in range(3)]


def counted() -> Neighbours:
    """Returns what follows what in the three orders."""
    return tiny.count_neighbours(orders(), tiny.make_corpus(ITEMS, USERS).item_counts, NEIGHBOURS)


def counting_model() -> TwoStageModel:
    """Returns SASRec under a residual DIN whose answer is blended with the counts, all weights random."""
    corpus = tiny.make_corpus(ITEMS, USERS)
    model = tiny.make_model(corpus, retriever=tiny.SASREC, ranker=tiny.DIN, candidates=CANDIDATES)
    context = tiny.make_context([1], [[1, 2]])
    model.rank(context, tf.constant([[1]], tf.int64))
    for stage in (model.retriever, model.ranker):
        tiny.randomise(stage)
    model.blend = make_blend(orders(), corpus.item_counts, NEIGHBOURS)
    return model


def facts() -> ItemFacts:
    """Returns features of the items: in turn of FR, DE, both and none; 9 of 10 in stock; of the years from 1801."""
    numbered = np.arange(ITEMS + 1)
    countries = np.array([[1, 0], [2, 0], [1, 2], [0, 0]])[numbered % 4]
    stock = np.where(numbered % 10 == 0, 2, 1)[:, np.newaxis]
    for table in (countries, stock):
        table[0] = 0
    year = np.where(numbered % 7 == 0, np.nan, 1800 + numbered).astype(np.float32)
    categories = {
        "country": Category([b"FR", b"DE and or"], countries),
        "in_stock": Category([b"True", b"False"], stock),
    }
    return ItemFacts(ITEMS, categories, {"year": year})


def rules() -> Rules:
    """Returns rules over the facts, a list `sale` of items 2, 4 and 199, and a rule `cheap` that names it."""
    return with_named_rules(facts(), {"sale": np.array([2, 4, 199])}, {"cheap": "sale or year < 1803"})


def export_all(folder: Path, model: TwoStageModel) -> None:
    """Saves the model around each of `KINDS` below `folder`, ScaNN's from the portable one, as in the pipeline."""
    for kind in ("exact", "int8"):
        export(folder, kind, model, rules())
    export_scann(str(folder / "int8"), str(folder / "scann"), OPTIONS)


def strings(rows: list[list[int]]) -> tf.Tensor:
    """Returns the ids of items as strings `[B, S]`, 0 and what a row lacks as ""."""
    texts = [[ITEM_IDS[item - 1].decode() if item else "" for item in row] for row in rows]
    return tf.ragged.constant(texts, tf.string, ragged_rank=1).to_tensor("")


def numbers(item_id: tf.Tensor) -> np.ndarray:
    """Returns the answered items as their numbers, 0 for ""."""
    found = {text: number for number, text in enumerate(ITEM_IDS, start=1)} | {b"": 0}
    return np.vectorize(found.__getitem__, otypes=[np.int64])(item_id.numpy())
