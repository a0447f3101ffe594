"""Recall, NDCG and MRR of one user's list, in plain Python.

Beam hands TFMA's metrics one user at a time, where a TensorFlow operation costs more than the whole
computation; for batches of users see `modules.metrics.ranking`, which the tests hold to the same
values.
"""

import math
from collections.abc import Iterable, Sequence

PADDING = b""
"""Fills up lists of item ids to a common length; never an item."""


def hit_ranks(ranked: Iterable[bytes], targets: Iterable[bytes]) -> list[int]:
    """Returns the ranks, from 1 and ascending, at which a target first appears in `ranked`."""
    sought = set(targets) - {PADDING}
    ranks = []
    for rank, item in enumerate(ranked, start=1):
        if item in sought:
            sought.remove(item)
            ranks.append(rank)
    return ranks


def recall(ranks: Sequence[int], num_targets: int, k: int) -> float:
    """Returns the share of the user's `num_targets` targets (at least one) found within `k`."""
    return sum(rank <= k for rank in ranks) / num_targets


def ndcg(ranks: Sequence[int], num_targets: int, k: int) -> float:
    """Returns the discounted gain within `k`, as a share of that of the ideal list cut at `k`."""
    ideal = sum(_discount(rank) for rank in range(1, min(num_targets, k) + 1))
    return sum(_discount(rank) for rank in ranks if rank <= k) / ideal


def mrr(ranks: Sequence[int], num_targets: int, k: int) -> float:
    """Returns 1 / rank of the first hit within `k`, or 0; `num_targets` plays no part."""
    del num_targets
    return 1.0 / ranks[0] if ranks and ranks[0] <= k else 0.0


def _discount(rank: int) -> float:
    return 1.0 / math.log2(rank + 1)
