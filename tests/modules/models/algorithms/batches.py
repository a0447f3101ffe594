"""A batch of three contexts, and the seed of its draws."""

import tensorflow as tf

from tests.modules import tiny

CONTEXT = tiny.make_context([1, 2, 0], [[1, 2, 3, 4, 5], [6, 7], []])
POSITIVES = tf.constant([6, 8, 9], tf.int64)
BATCH = (CONTEXT, POSITIVES)
SEED = tf.constant([3, 4], tf.int64)
