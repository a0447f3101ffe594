"""Which of a user's items train, which validate and which test."""

import math
from typing import NamedTuple

from modules.data.config import DataConfig


class Split(NamedTuple):
    """A user's items in time order, cut in three; the later parts may be empty."""

    train: list[str]
    valid: list[str]
    test: list[str]


def split_items(items: list[str], data: DataConfig) -> Split:
    """Cuts a user's items (in time order) by the protocol `data.task`.

    A user with fewer than three items only trains. Otherwise:
      sequential: the last tests, the one before validates.
      general: `valid_fraction` and what remains of 1 for the test, each rounded down but at least
        one item; everything else trains, at least one item.

    Args:
      items: oldest first.
      data: the settings.
    """
    count = len(items)
    if count < 3:
        return Split(items, [], [])
    if data.task == "sequential":
        return Split(items[:-2], items[-2:-1], items[-1:])
    test_fraction = 1 - data.train_fraction - data.valid_fraction
    valid = min(_share(count, data.valid_fraction), count - 2)
    test = min(_share(count, test_fraction), count - 1 - valid)
    train = count - valid - test
    return Split(items[:train], items[train : train + valid], items[train + valid :])


def _share(count: int, fraction: float) -> int:
    # 1 - 0.8 - 0.1 is a hair below 0.1, and must not cost a user of ten items the test item.
    return max(1, math.floor(round(count * fraction, 6)))
