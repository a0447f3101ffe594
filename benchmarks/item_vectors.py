"""Made-up item vectors to search in, and queries."""

from typing import Literal

import numpy as np

VectorKind = Literal["clustered", "normal"]
"""`clustered` stands for learned embeddings, `normal` for the hardest case: no structure to search by."""

_SPREAD = 0.7
_NOISE = 0.5


def item_vectors(kind: VectorKind, num_items: int, width: int, seed: int = 0) -> np.ndarray:
    """Returns float32 `[N, width]`.

    `clustered` vectors come from sqrt(N) normal clusters, the i-th of a size proportional to i^-0.8, 0.7 times as wide
    as their centres are scattered; the i-th axis of both is narrower than the first by sqrt(i), as the spectrum of
    learned embeddings falls; lengths are log-normal with a standard deviation of 0.25. `normal` vectors are standard
    normal.
    """
    random = np.random.default_rng(seed)
    if kind == "normal":
        return random.normal(size=(num_items, width)).astype(np.float32)
    clusters = max(1, round(num_items**0.5))
    shares = np.arange(1, clusters + 1) ** -0.8
    axes = np.arange(1, width + 1) ** -0.5
    centres = random.normal(size=(clusters, width)) * axes
    vectors = centres[random.choice(clusters, num_items, p=shares / shares.sum())].astype(np.float32)
    vectors += _SPREAD * random.normal(size=(num_items, width)).astype(np.float32) * axes.astype(np.float32)
    lengths = np.exp(0.25 * random.normal(size=(num_items, 1))).astype(np.float32)
    return vectors * (lengths / np.linalg.norm(vectors, axis=1, keepdims=True))


def queries_near(kind: VectorKind, vectors: np.ndarray, number: int, seed: int) -> np.ndarray:
    """Returns float32 `[number, width]`: directions of items with noise of half the scatter of each axis, or normal."""
    random = np.random.default_rng(seed)
    noise = random.normal(size=(number, vectors.shape[1]))
    if kind == "normal":
        return noise.astype(np.float32)
    chosen = vectors[random.choice(len(vectors), number)]
    chosen = chosen / np.linalg.norm(chosen, axis=1, keepdims=True)
    return (chosen + _NOISE * chosen.std(axis=0) * noise).astype(np.float32)
