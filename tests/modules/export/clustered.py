"""Item vectors as training leaves them: in clusters of unequal size and of unequal length; and queries near them."""

import numpy as np
import tensorflow as tf


def clustered_vectors(num_items: int, width: int = 16, seed: int = 0) -> np.ndarray:
    """Returns float32 `[N, d]`: sqrt(N) normal clusters whose sizes fall as a power, lengths log-normal."""
    random = np.random.default_rng(seed)
    clusters = round(num_items**0.5)
    shares = np.arange(1, clusters + 1) ** -0.8
    cluster = random.choice(clusters, num_items, p=shares / shares.sum())
    vectors = random.normal(size=(clusters, width))[cluster] + 0.5 * random.normal(size=(num_items, width))
    lengths = np.exp(0.25 * random.normal(size=(num_items, 1)))
    return (lengths * vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def near(vectors: np.ndarray, number: int, seed: int = 1) -> np.ndarray:
    """Returns float32 `[number, d]`: some of the vectors with a little noise."""
    random = np.random.default_rng(seed)
    chosen = vectors[random.choice(len(vectors), number)]
    return (chosen + 0.05 * random.normal(size=chosen.shape)).astype(np.float32)


def as_candidates(vectors: np.ndarray) -> tf.Variable:
    """Returns the vectors behind a row of padding."""
    return tf.Variable(np.concatenate([np.zeros_like(vectors[:1]), vectors]))
