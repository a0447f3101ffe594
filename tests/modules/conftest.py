"""Settings of every test of the modules."""

import contextlib

import tensorflow as tf

# Tiny tensors gain nothing from threads, and one thread adds up in the same order every time.
with contextlib.suppress(RuntimeError):
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
