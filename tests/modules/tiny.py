"""Tiny corpora, configurations, models and records the tests of the modules share."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from modules.models.algorithms.base import TwoStageModel
from modules.models.build import build_model
from modules.models.config import ModelConfig
from modules.models.context import Context
from modules.models.corpus import Corpus, FeatureTable
from modules.models.neighbours.base import Neighbours, Sequences
from modules.models.neighbours.directed import Directed
from modules.training.fit import keep_autograph_away

# As in training; without it each traced function costs seconds.
keep_autograph_away()

WIDTH = 8
HISTORY = 5
MF = {"name": "mf"}
SASREC = {"name": "sasrec", "blocks": 1}
DEEPFM = {"name": "deepfm", "hidden_units": [8]}
DIN = {"name": "din", "attention_units": 4, "hidden_units": [8]}
UNIFORM = {"name": "uniform"}
MIDX = {"name": "midx", "codewords": 4}


def make_corpus(num_items: int = 20, num_users: int = 6, **features: Mapping[str, FeatureTable]) -> Corpus:
    """Returns a corpus whose item 1 is the most popular; `features` are `item_features` and `user_features`."""
    counts = np.concatenate([[0], np.arange(num_items, 0, -1)]).astype(np.float32)
    return Corpus(counts, num_users, **features)


def make_config(**changes: Any) -> ModelConfig:
    """Returns a configuration of the smallest model, MF under DeepFM with uniform draws, with some `changes`."""
    sizes = {"embedding_dim": WIDTH, "history_length": HISTORY, "num_negatives": 4, "candidates": 10, "neighbours": 0}
    stages = {"retriever": MF, "ranker": DEEPFM, "sampler": UNIFORM}
    return ModelConfig(**{**sizes, **stages, **changes})


def make_model(corpus: Corpus | None = None, clip: float | None = None, **changes: Any) -> TwoStageModel:
    """Returns a compiled model of `make_config(**changes)`; both optimisers are Adam."""
    model = build_model(make_config(**changes), corpus or make_corpus(), seed=1)
    model.compile(tf.keras.optimizers.Adam(0.01), tf.keras.optimizers.Adam(0.01), clip)
    return model


def make_context(
    users: Sequence[int],
    histories: Sequence[Sequence[int]],
    length: int = HISTORY,
    exclude: Sequence[Sequence[int]] | None = None,
) -> Context:
    """Returns a context of `users`, whose `histories` (oldest first, any length) are cut or padded to `length`."""
    rows = np.zeros([len(users), length], np.int64)
    for row, history in zip(rows, histories, strict=True):
        kept = list(history)[-length:]
        if kept:
            row[-len(kept) :] = kept
    excluded = tf.zeros([len(users), 0], tf.int64) if exclude is None else tf.constant(exclude, tf.int64)
    return Context(tf.constant(users, tf.int64), tf.constant(rows), excluded)


def as_sequences(users: Sequence[Sequence[int]]) -> Sequences:
    """Returns the users' items, each of which came alone."""
    items = np.array([item for user in users for item in user], np.int64)
    return Sequences(items, np.repeat(np.arange(len(users)), [len(user) for user in users]), np.arange(len(items)))


def count_neighbours(users: Sequence[Sequence[int]], item_counts: np.ndarray, most: int) -> Neighbours:
    """Returns what follows what among the users' items."""
    return Directed.find([as_sequences(users)], item_counts, most)


def randomise(layer: tf.keras.layers.Layer, seed: int = 3, scale: float = 0.5) -> None:
    """Gives every trainable variable of a built `layer` normal values, so that nothing is zero by chance."""
    rng = np.random.default_rng(seed)
    for variable in layer.trainable_variables:
        variable.assign(rng.normal(0, scale, variable.shape).astype(np.float32))


def weights_by_name(layer: tf.keras.layers.Layer) -> dict[str, np.ndarray]:
    """Returns the last part of each variable's name -> its value; of equal names ("kernel") the last."""
    return {variable.name.rpartition("/")[2].removesuffix(":0"): variable.numpy() for variable in layer.weights}


def write_records(path: Path, rows: Sequence[Mapping[str, Sequence[int]]]) -> str:
    """Writes transformed examples, gzipped as Transform does, one a row, and returns the file's name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tf.io.TFRecordWriter(str(path), tf.io.TFRecordOptions(compression_type="GZIP")) as writer:
        for row in rows:
            example = tf.train.Example()
            for name, values in row.items():
                if values:
                    example.features.feature[name].int64_list.value.extend(values)
            writer.write(example.SerializeToString())
    return str(path)
