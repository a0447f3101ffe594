"""Training, search and export over a corpus of many items, stage by stage in one process."""

import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from benchmarks.capacity.generate import population
from benchmarks.capacity.process import Taken, measure
from modules.data.examples.encoding import make_example
from modules.export.config import ExportOptions, IndexOptions
from modules.export.index_choice import choose_index
from modules.export.server_model import ServerModel
from modules.export.towers import Towers
from modules.models.algorithms.base import TwoStageModel
from modules.models.config import ModelConfig
from modules.models.corpus import Corpus
from modules.trainer import validation_queries
from modules.training.config import TrainingConfig
from modules.training.fit import TrainingData, fit
from modules.training.inputs import evaluation_users
from modules.training.validation import evaluate_batch


class Sizes(NamedTuple):
    """What is trained, and on how much.

    Attributes:
      items: in the corpus.
      interactions: that the items' popularity is counted over.
      steps: training steps of an epoch, about; the second of two epochs is timed.
      evaluated_users: in the validation, and asked of the export.
      exhaustive_users: of those, how many have the whole corpus ranked.
    """

    items: int = 1_000_000
    interactions: int = 2_000_000
    steps: int = 100
    evaluated_users: int = 256
    exhaustive_users: int = 2
    embedding_dim: int = 32


QUICK = Sizes(items=300, interactions=20_000, steps=2, evaluated_users=8, embedding_dim=4)

_BATCH = 256


class ItemLookup(tf.Module):
    """Looks ids up as the Transform layer does: a hash table of the corpus's ids, and one of no users.

    Args:
      item_ids: as bytes, in the order of the model's ids 1..N.
    """

    def __init__(self, item_ids: list[bytes]) -> None:
        super().__init__()
        values = tf.range(1, len(item_ids) + 1, dtype=tf.int64)
        self._items = tf.lookup.StaticHashTable(tf.lookup.KeyValueTensorInitializer(tf.constant(item_ids), values), 0)

    def __call__(self, features: dict[str, Any]) -> dict[str, tf.SparseTensor]:
        """Maps user_id `[B, 1]` and history, sparse `[B, H]`, to sparse indices."""
        history = features["history"]
        return {
            "user": tf.sparse.from_dense(tf.ones_like(features["user_id"], tf.int64)),
            "history": history.with_values(self._items.lookup(history.values)),
        }


def measure_stages(sizes: Sizes) -> Iterator[tuple[str, Taken, dict[str, float]]]:
    """Yields (stage, what it took, further figures) for each stage; to be used up in a new process."""
    with tempfile.TemporaryDirectory() as folder:
        data = _write_data(sizes, Path(folder))
        model_config = ModelConfig(embedding_dim=sizes.embedding_dim)
        result, taken = measure(lambda: fit(model_config, TrainingConfig(epochs=2), data, f"{folder}/checkpoints"))
        model, last = result.model, result.history[-1]
        step = last["cpu_seconds"] / sizes.steps
        yield "training", taken, {"cpu_milliseconds_a_step": 1000 * step, "trained_numbers": _trained_numbers(model)}

        refresh = tf.function(lambda: model.sampler.refresh(model.retriever.candidate_parts()), autograph=False)
        yield "refresh of the sampler's index", _second(refresh), {}

        users = next(iter(evaluation_users(data.valid, model_config.history_length, sizes.evaluated_users)))
        evaluate = tf.function(lambda: evaluate_batch(model, users, model_config.candidates), autograph=False)
        yield "validation of a batch of users", _second(evaluate), {"users": len(users.targets)}

        yield from _export(model, data, sizes, folder)


def _trained_numbers(model: TwoStageModel) -> int:
    return sum(weight.shape.num_elements() for weight in model.trainable_weights)


def _second(work: Callable[[], Any]) -> Taken:
    """Returns what the second call takes; the first one compiles."""
    work()
    return measure(work)[1]


def _export(
    model: TwoStageModel, data: TrainingData, sizes: Sizes, folder: str
) -> Iterator[tuple[str, Taken, dict[str, float]]]:
    item_ids = [str(item).encode() for item in range(1, sizes.items + 1)]
    towers = Towers(model, ItemLookup(item_ids), item_ids, data.corpus)
    queries = validation_queries(model, data.valid)
    candidates = model.config.candidates
    # What is measured is the partitioned index, whether or not so little training gives it anything to find.
    options = IndexOptions(kind="partitioned")
    index, taken = measure(lambda: choose_index(towers.candidates, candidates, options, queries))
    yield "index: cells and calibration", taken, {"cells": index.num_cells, "looked_into": int(index.probes)}

    sizes_of_answers = ExportOptions(top_k=10, candidates=candidates, evaluated_k=20, full_ranking_share=1.0)
    path = os.path.join(folder, "model")
    _, taken = measure(lambda: ServerModel(towers, index, sizes_of_answers).save(path))
    saved = sum(file.stat().st_size for file in Path(path).rglob("*") if file.is_file())
    yield "export", taken, {"saved_bytes": saved}

    loaded, taken = measure(lambda: tf.saved_model.load(path))
    yield "loading the export", taken, {}
    history = tf.constant([[b"1", b"2", b"3"]] * 32)
    ask = loaded.signatures["serving_default"]
    taken = _second(lambda: ask(user_id=tf.fill([32], b"1"), history=history))
    yield "answering 32 requests", taken, {}

    example = make_example({"user_id": [b"1"], "history": [b"1", b"2", b"3"]})
    evaluate = loaded.signatures["evaluate"]
    taken = measure(lambda: evaluate(examples=tf.constant([example] * sizes.exhaustive_users)))[1]
    yield "ranking the whole corpus", taken, {"users": sizes.exhaustive_users}


def _write_data(sizes: Sizes, folder: Path) -> TrainingData:
    """Writes transformed examples of as many users as fill the steps; items are numbered by popularity."""
    source = population(sizes.interactions, items=sizes.items)
    blocks = [source.draw(block) for block in range(len(source.blocks))]
    item = np.concatenate([rows.item for rows in blocks])
    counts = np.bincount(item, minlength=sizes.items + 1)[1:]
    order = np.argsort(-counts, kind="stable")
    number = np.empty(sizes.items + 1, np.int64)
    number[1 + order] = np.arange(1, sizes.items + 1)
    corpus = Corpus(np.concatenate([[0], counts[order]]).astype(np.float32), num_users=int(blocks[-1].user[-1]))
    train, valid = str(folder / "train.gz"), str(folder / "valid.gz")
    left, users = sizes.steps * _BATCH, 0
    with tf.io.TFRecordWriter(train, "GZIP") as training, tf.io.TFRecordWriter(valid, "GZIP") as validation:
        for rows in blocks:
            starts = np.flatnonzero(np.diff(rows.user, prepend=0))
            for user, items in zip(rows.user[starts], np.split(number[rows.item], starts[1:]), strict=True):
                sequence = list(dict.fromkeys(items.tolist()))
                if left > 0 and len(sequence) > 1:
                    training.write(make_example({"user": [int(user)], "target": sequence[: left + 1]}))
                    left -= len(sequence) - 1
                if users < sizes.evaluated_users and len(sequence) > 1:
                    validation.write(
                        make_example({"user": [int(user)], "history": sequence[:-1], "target": sequence[-1:]})
                    )
                    users += 1
    return TrainingData([train], [valid], corpus, "sequential")
