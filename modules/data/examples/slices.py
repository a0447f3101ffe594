"""Names of the groups of users and targets that metrics are reported for.

The bands are fixed numbers, so that the same name means the same thing in every run.
"""

import math
from typing import NamedTuple

from modules import names
from modules.data.config import DataConfig

_LENGTHS = ((100, "100+"), (50, "50-99"), (20, "20-49"), (10, "10-19"), (5, "5-9"), (1, "1-4"))
LENGTH_BANDS = ("0", *(name for _, name in reversed(_LENGTHS)))
"""Values of `user_activity` and `history_length`."""

HEAD, TORSO, TAIL, COLD = "head", "torso", "tail", "cold"
POPULARITY_BANDS = (HEAD, TORSO, TAIL, COLD)
"""Values of `target_popularity`."""
HEAD_SHARE, TORSO_SHARE = 0.2, 0.3


class PopularityThresholds(NamedTuple):
    """The least number of train interactions of an item in the head and in the torso."""

    head: int
    torso: int


def length_band(count: int) -> str:
    """Returns the band a number of interactions falls in, as "10-19"."""
    return next((name for least, name in _LENGTHS if count >= least), "0")


def popularity_thresholds(histogram: dict[int, int]) -> PopularityThresholds:
    """Returns where the head, the most popular fifth of the items, and the torso, the next three tenths, end.

    Items as popular as the last one of a band belong to it.

    Args:
      histogram: number of train interactions -> how many items have that many.
    """
    items = sum(histogram.values())
    return PopularityThresholds(
        head=_least_count(histogram, HEAD_SHARE * items),
        torso=_least_count(histogram, (HEAD_SHARE + TORSO_SHARE) * items),
    )


def _least_count(histogram: dict[int, int], wanted: float) -> int:
    """Returns the number of interactions of the last of the `wanted` most popular items; at least 1."""
    # Shares of whole numbers come out a hair above them in floating point.
    left = math.ceil(round(wanted, 6))
    for count in sorted(histogram, reverse=True):
        left -= histogram[count]
        if left <= 0:
            return max(1, count)
    return 1


def popularity_band(count: int, thresholds: PopularityThresholds) -> str:
    """Returns the band of an item with `count` train interactions; "cold" for one that never trains."""
    if count == 0:
        return COLD
    if count >= thresholds.head:
        return HEAD
    return TORSO if count >= thresholds.torso else TAIL


def slice_features(data: DataConfig) -> list[str]:
    """Returns the features of the test examples that metrics are sliced by."""
    of_items = [names.target_feature(n) for n, f in data.item_features.items() if f.kind == "categorical"]
    of_users = [name for name, f in data.user_features.items() if f.kind == "categorical"]
    return [
        names.USER_ACTIVITY,
        names.HISTORY_LENGTH,
        names.TARGET_POPULARITY,
        *of_items,
        *of_users,
    ]
