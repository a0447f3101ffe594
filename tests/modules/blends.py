"""Blends of random weights over real counts."""

from collections.abc import Sequence

import numpy as np

from modules.models.blend import Blend, Setting
from modules.models.evidence import Evidence
from tests.modules import tiny


def make_blend(users: Sequence[Sequence[int]], item_counts: np.ndarray, most: int = 6, seed: int = 2) -> Blend:
    """Returns a blend of both stages with what follows what among some users' items."""
    rng = np.random.default_rng(seed)
    table = tiny.count_neighbours(users, item_counts, most)
    evidence = Evidence({"directed": table}, item_counts)
    sizes = (evidence.size, evidence.size + 1, evidence.size + 2)
    return Blend(evidence, Setting(*(rng.normal(size=size).astype(np.float32) for size in sizes)))
