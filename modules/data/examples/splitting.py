"""Which of a user's items train, which validate and which test."""

import math
from typing import NamedTuple

from modules.data.config import DataConfig


class Split(NamedTuple):
    """A user's items in time order, cut in three; the later parts may be empty."""

    train: list[str]
    valid: list[str]
    test: list[str]


def split_items(baskets: list[list[str]], data: DataConfig) -> Split:
    """Cuts a user's items by the protocol `data.task`, and never within a basket.

    A user with fewer than three baskets only trains. Otherwise:
      sequential: the last basket tests, the one before validates.
      general: `valid_fraction` and what remains of 1 for the test, each rounded down but at least
        one basket; everything else trains, at least one basket.

    Args:
      baskets: oldest first; of one item each where items do not come together.
      data: the settings.
    """
    count = len(baskets)
    if count < 3:
        return Split(_joined(baskets), [], [])
    if data.task == "sequential":
        return Split(_joined(baskets[:-2]), baskets[-2], baskets[-1])
    test_fraction = 1 - data.train_fraction - data.valid_fraction
    valid = min(_share(count, data.valid_fraction), count - 2)
    test = min(_share(count, test_fraction), count - 1 - valid)
    train = count - valid - test
    parts = baskets[:train], baskets[train : train + valid], baskets[train + valid :]
    return Split(*map(_joined, parts))


def _joined(baskets: list[list[str]]) -> list[str]:
    return [item for basket in baskets for item in basket]


def _share(count: int, fraction: float) -> int:
    # 1 - 0.8 - 0.1 is a hair below 0.1, and must not cost a user of ten items the test item.
    return max(1, math.floor(round(count * fraction, 6)))
