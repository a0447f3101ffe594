"""A synthetic corpus and batch: skewed like real ones, with full histories, so that no padding flatters the figures."""

import numpy as np
import tensorflow as tf

from modules.config import TrainingConfig
from modules.context import Context
from modules.corpus import Corpus

_USERS = 1000


def popular_corpus(num_items: int) -> Corpus:
    """Returns a corpus whose counts fall as 1 / rank (Zipf's law), in an order unrelated to the ids."""
    ranks = 1 + np.random.default_rng(num_items).permutation(num_items)
    return Corpus(np.concatenate([[0], np.ceil(num_items / ranks)]).astype(np.float32), num_users=_USERS)


def training_batch(corpus: Corpus, batch_size: int, history_length: int) -> tuple[Context, tf.Tensor]:
    """Returns contexts and positives int64 `[B]`, all items drawn by their counts, histories and known items full."""
    rng = np.random.default_rng(corpus.num_items)
    counts = corpus.item_counts.astype(np.float64)

    def items(*shape: int) -> tf.Tensor:
        return tf.constant(rng.choice(len(counts), size=shape, p=counts / counts.sum()), tf.int64)

    users = tf.constant(rng.integers(1, _USERS + 1, batch_size), tf.int64)
    known = tf.sort(items(batch_size, TrainingConfig().known_items), axis=1)
    return Context(users, items(batch_size, history_length), exclude=known), items(batch_size)
