"""A synthetic corpus and batch: skewed like real ones, with full histories, so that no padding flatters the figures."""

from pathlib import Path

import numpy as np
import tensorflow as tf

from modules.data.examples.encoding import make_example
from modules.models.context import Context
from modules.models.corpus import Corpus
from modules.training.config import TrainingConfig

_USERS = 1000
_VALIDATION_USERS = 100


def popular_corpus(num_items: int, num_users: int = _USERS) -> Corpus:
    """Returns a corpus whose counts fall as 1 / rank (Zipf's law), in an order unrelated to the ids."""
    ranks = 1 + np.random.default_rng(num_items).permutation(num_items)
    return Corpus(np.concatenate([[0], np.ceil(num_items / ranks)]).astype(np.float32), num_users=num_users)


def write_users(corpus: Corpus, num_users: int, length: int, folder: Path) -> tuple[str, str]:
    """Writes transformed examples of users with `length` items drawn by their counts; returns the two splits' files.

    All of them train; a hundred validate, so that the time is training's.
    """
    rng = np.random.default_rng(num_users)
    cumulative = np.cumsum(corpus.item_counts.astype(np.float64))
    train, valid = str(folder / "train.gz"), str(folder / "valid.gz")
    with tf.io.TFRecordWriter(train, "GZIP") as training, tf.io.TFRecordWriter(valid, "GZIP") as validation:
        for user in range(1, num_users + 1):
            items = np.searchsorted(cumulative, cumulative[-1] * rng.random(length + 1), side="right").tolist()
            training.write(make_example({"user": [user], "target": items[:-1]}))
            if user <= _VALIDATION_USERS:
                validation.write(make_example({"user": [user], "history": items[:-1], "target": items[-1:]}))
    return train, valid


def training_batch(corpus: Corpus, batch_size: int, history_length: int) -> tuple[Context, tf.Tensor]:
    """Returns contexts and positives int64 `[B]`, all items drawn by their counts, histories and known items full."""
    rng = np.random.default_rng(corpus.num_items)
    counts = corpus.item_counts.astype(np.float64)

    def items(*shape: int) -> tf.Tensor:
        return tf.constant(rng.choice(len(counts), size=shape, p=counts / counts.sum()), tf.int64)

    users = tf.constant(rng.integers(1, _USERS + 1, batch_size), tf.int64)
    known = tf.sort(items(batch_size, TrainingConfig().known_items), axis=1)
    return Context(users, items(batch_size, history_length), exclude=known), items(batch_size)
