"""Interactions with the statistics of Taobao's user behaviour, a block of users at a time.

Users' activity and items' popularity follow bounded power laws. A user has a few favourite categories and acts in
sessions, whose next item is often of the last one's category. An item is asked for more on some days than on others.
Favourites are drawn by the categories' popularity, so that on the whole each item is drawn by its own.
"""

import dataclasses
import functools
from typing import NamedTuple

import numpy as np

from benchmarks.capacity import power_law

BEHAVIOURS = ("pv", "cart", "fav", "buy")
_BEHAVIOUR_SHARES = (0.895, 0.055, 0.030, 0.020)
_DAY = 86_400
# The Saturday, in China, with which the data set begins.
FIRST_SECOND = 1_511_539_200
# Shares of the hours of a day in China, from midnight.
_HOURS = (34, 15, 8, 6, 5, 6, 11, 22, 33, 45, 58, 54, 52, 56, 56, 57, 54, 48, 44, 55, 65, 76, 79, 64)
_ITEMS_A_CATEGORY = 200
_LEAST_CATEGORIES = 20
_BLOCK_INTERACTIONS = 250_000


@dataclasses.dataclass(frozen=True)
class Statistics:
    """What the interactions are like; the defaults are Taobao's, see docs/capacity.md for where they come from.

    Attributes:
      user_exponent: of the density of interactions a user.
      user_ratio: interactions of the most active user / of the least active.
      item_exponent: of the density of interactions an item.
      item_ratio: interactions of the most popular item / of the least popular.
      session_length: mean number of interactions of a session.
      log_gap_mean: mean of the natural logarithm of the seconds between two interactions of a session.
      log_gap_deviation: its standard deviation.
      favourites: categories a user has; the k-th is chosen 1 / k times as often as the first.
      stays: chance that the next interaction of a session keeps to the last one's category, chosen or not.
      drift: how far an item's popularity swings over the days, as a share of its mean; less than 1.
      days: how many there are.
    """

    user_exponent: float = 2.2
    user_ratio: float = 50.0
    item_exponent: float = 2.2
    item_ratio: float = 3_000.0
    session_length: float = 5.0
    log_gap_mean: float = 5.3
    log_gap_deviation: float = 1.3
    favourites: int = 8
    stays: float = 0.24
    drift: float = 0.5
    days: int = 9


class Rows(NamedTuple):
    """Interactions, one an entry of each array int64 `[n]`; `behaviour` indexes `BEHAVIOURS`."""

    user: np.ndarray
    item: np.ndarray
    category: np.ndarray
    behaviour: np.ndarray
    time: np.ndarray


class Population:
    """Users and items before they meet: what memory holds for as long as interactions are drawn.

    Args:
      interactions: how many there are to be in all.
      users: how many take part, each at least once.
      items: how many can be asked for.
      seed: of everything.
      statistics: see there.

    Raises:
      ValueError: on sizes that cannot be.
    """

    def __init__(self, interactions: int, users: int, items: int, seed: int, statistics: Statistics) -> None:
        for name, size in (("interactions", interactions), ("users", users), ("items", items)):
            if size < 1:
                raise ValueError(f"`{name}` must be at least 1. Received: {size}.")
        if users > interactions:
            raise ValueError(f"`users` must be at most `interactions`, {interactions}. Received: {users}.")
        self.statistics = statistics
        self._seed = seed
        random = np.random.default_rng([seed, 0])
        activity = power_law.counts_with_total(users, interactions, statistics.user_exponent, statistics.user_ratio)
        self._activity = random.permutation(activity)
        # Squares make a few categories large and many small.
        categories = max(_LEAST_CATEGORIES, items // _ITEMS_A_CATEGORY)
        self._category = np.sort((categories * random.random(items) ** 2).astype(np.int32))
        weights = random.permutation(power_law.evenly_spread(items, statistics.item_exponent, statistics.item_ratio))
        self._cumulative = np.concatenate([[0.0], np.cumsum(weights)])
        starts = np.searchsorted(self._category, np.arange(categories + 1))
        self._category_bounds = self._cumulative[starts]
        self._phase = random.random(items).astype(np.float32)
        # Neither place among the items nor popularity can be read off an id.
        self._item_id = 1 + random.permutation(items).astype(np.int32)
        hours = np.tile(np.asarray(_HOURS, np.float64), statistics.days)
        self._hours = np.concatenate([[0.0], np.cumsum(hours / hours.sum())])

    @functools.cached_property
    def blocks(self) -> list[tuple[int, int]]:
        """(first, last + 1) of the users that are drawn together: some 250,000 interactions' worth."""
        ends = np.cumsum(self._activity)
        cuts = np.searchsorted(ends, np.arange(_BLOCK_INTERACTIONS, ends[-1], _BLOCK_INTERACTIONS), side="left") + 1
        edges = np.unique([0, *cuts, len(ends)])
        return list(zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True))

    def draw(self, block: int) -> Rows:
        """Returns the interactions of a block of `blocks`, by user, then by time; equal calls draw the same."""
        first, stop = self.blocks[block]
        random = np.random.default_rng([self._seed, 1, block])
        user = np.repeat(np.arange(stop - first), self._activity[first:stop])
        starts = np.concatenate([[True], user[1:] != user[:-1]])
        starts |= random.random(len(user)) < 1 / self.statistics.session_length
        time = self._times(random, starts)
        place = self._items(random, self._categories(random, user, stop - first, starts), time)
        order = np.lexsort((place, time, user))
        place = place[order]
        return Rows(
            user=first + user[order] + 1,
            item=self._item_id[place].astype(np.int64),
            category=self._category[place] + 1,
            behaviour=random.choice(len(BEHAVIOURS), len(user), p=_BEHAVIOUR_SHARES),
            time=FIRST_SECOND + time[order].astype(np.int64),
        )

    def _times(self, random: np.random.Generator, starts: np.ndarray) -> np.ndarray:
        """Returns seconds from the beginning float64 `[n]` of interactions, given which of them start a session."""
        session = np.cumsum(starts) - 1
        hour = np.interp(random.random(int(starts.sum())), self._hours, np.arange(len(self._hours)))
        gaps = random.lognormal(self.statistics.log_gap_mean, self.statistics.log_gap_deviation, len(starts))
        elapsed = np.cumsum(np.where(starts, 0.0, gaps))
        elapsed -= elapsed[starts][session]
        return np.minimum(3_600 * hour[session] + elapsed, self.statistics.days * _DAY - 1)

    def _categories(self, random: np.random.Generator, user: np.ndarray, users: int, starts: np.ndarray) -> np.ndarray:
        """Returns the category int64 `[n]` of each interaction."""
        favourites = self.statistics.favourites
        total = self._cumulative[-1]
        liked = np.searchsorted(self._category_bounds, total * random.random((users, favourites)), side="right") - 1
        weights = 1 / np.arange(1, favourites + 1)
        chosen = liked[user, random.choice(favourites, len(user), p=weights / weights.sum())]
        kept = ~starts & (random.random(len(user)) < self.statistics.stays)
        last_choice = np.maximum.accumulate(np.where(kept, 0, np.arange(len(user))))
        return chosen[last_choice]

    def _items(self, random: np.random.Generator, category: np.ndarray, time: np.ndarray) -> np.ndarray:
        """Returns the place int64 `[n]` of an item of each category, drawn by its popularity at that time."""
        low, high = self._category_bounds[category], self._category_bounds[category + 1]
        place = np.zeros(len(category), np.int64)
        left = np.arange(len(category))
        turns = time / (self.statistics.days * _DAY)
        while len(left):
            drawn = low[left] + (high - low)[left] * random.random(len(left))
            found = np.searchsorted(self._cumulative, drawn, side="right") - 1
            place[left] = np.clip(found, 0, len(self._item_id) - 1)
            swing = self.statistics.drift * np.cos(2 * np.pi * (turns[left] - self._phase[place[left]]))
            left = left[random.random(len(left)) * (1 + self.statistics.drift) > 1 + swing]
        return place
