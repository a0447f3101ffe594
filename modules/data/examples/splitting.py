"""Which of a user's items train, which validate and which test."""

import itertools
import math
from collections.abc import Sequence
from typing import NamedTuple

from modules.data.config import DataConfig
from modules.data.grouping.order import tie_break
from modules.data.grouping.sequences import Event


class Basket(NamedTuple):
    """Items that came at one time, which no split cuts."""

    time: float
    items: list[str]


class Split(NamedTuple):
    """A user's items, each part oldest first; any may be empty.

    `train_starts` has for each item of `train` the place there of its basket's first.
    """

    train: list[str]
    valid: list[str]
    test: list[str]
    train_starts: Sequence[int] = ()


def split_events(user: str, events: list[Event], data: DataConfig) -> Split:
    """Cuts a user's items by the protocol `data.protocol`, and never within a basket of `data.ties`.

    By date, what comes before `valid_from` trains, and before `test_from` validates. By the others, a user with fewer
    than three baskets only trains. Otherwise:
      leave_one_out: the last basket tests, the one before validates.
      fractions: `valid_fraction` and what remains of 1 for the test, each rounded down but at least
        one basket; everything else trains, at least one basket.
      random: as many as by fractions, which ones by a hash.

    Args:
      user: id.
      events: oldest first.
      data: the settings.
    """
    baskets = _baskets(events, data)
    if data.protocol == "random":
        order = sorted(range(len(baskets)), key=lambda place: tie_break(user, min(baskets[place].items), data.seed))
    else:
        order = list(range(len(baskets)))
    first, second = _cuts(baskets, data)
    train, valid, test = (
        [baskets[place].items for place in sorted(places)]
        for places in (order[:first], order[first:second], order[second:])
    )
    return Split(_joined(train), _joined(valid), _joined(test), _starts(train))


def _baskets(events: list[Event], data: DataConfig) -> list[Basket]:
    if data.ties == "basket":
        groups = itertools.groupby(events, lambda event: event[0])
        return [Basket(time, [item for _, item in of_time]) for time, of_time in groups]
    return [Basket(time, [item]) for time, item in events]


def _cuts(baskets: list[Basket], data: DataConfig) -> tuple[int, int]:
    """Returns how many baskets train, and how many train or validate."""
    count = len(baskets)
    if data.protocol == "date":
        dates = data.valid_from.timestamp(), data.test_from.timestamp()
        first, second = (sum(basket.time < date for basket in baskets) for date in dates)
        return first, second
    if count < 3:
        return count, count
    if data.protocol == "leave_one_out":
        return count - 2, count - 1
    test_fraction = 1 - data.train_fraction - data.valid_fraction
    valid = min(_share(count, data.valid_fraction), count - 2)
    test = min(_share(count, test_fraction), count - 1 - valid)
    return count - valid - test, count - test


def _joined(baskets: list[list[str]]) -> list[str]:
    return [item for basket in baskets for item in basket]


def _starts(baskets: list[list[str]]) -> list[int]:
    firsts = itertools.accumulate(map(len, baskets), initial=0)
    return [first for first, basket in zip(firsts, baskets, strict=False) for _ in basket]


def _share(count: int, fraction: float) -> int:
    # 1 - 0.8 - 0.1 is a hair below 0.1, and must not cost a user of ten items the test item.
    return max(1, math.floor(round(count * fraction, 6)))
