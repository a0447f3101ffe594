"""The data protocol once more, in plain Python over lists: slow, and what Beam must match."""

import collections
import fractions
import hashlib
import math
from typing import Any, NamedTuple

from modules.data.config import DataConfig


class Row(NamedTuple):
    """One interaction; `cells` are the item's title and genres and the user's city."""

    user: str
    item: str
    rating: float
    time: float
    title: str
    genres: str
    city: str


Example = dict[str, list]


def sequences_of(rows: list[Row], data: DataConfig) -> dict[str, list[str]]:
    """Returns each user's items in time order, after all filters."""
    if data.min_rating is not None:
        rows = [row for row in rows if row.rating >= data.min_rating]
    first: dict[tuple[str, str], float] = {}
    for row in rows:
        pair = row.user, row.item
        first[pair] = min(first.get(pair, math.inf), row.time)
    while True:
        users = collections.Counter(user for user, _ in first)
        items = collections.Counter(item for _, item in first)
        kept = {
            (user, item): time
            for (user, item), time in first.items()
            if users[user] >= data.min_user_interactions and items[item] >= data.min_item_interactions
        }
        if len(kept) == len(first):
            break
        first = kept
    events = collections.defaultdict(list)
    for (user, item), time in first.items():
        events[user].append((time, _shuffled(user, item, data.seed), item))
    return {user: [item for *_, item in sorted(of_user)] for user, of_user in events.items()}


def _shuffled(user: str, item: str, seed: int) -> str:
    """Returns what orders equal times: hexadecimal digits of one length order as their numbers do."""
    return hashlib.blake2b(f"{seed}\0{user}\0{item}".encode(), digest_size=8).hexdigest()


def cut(items: list[str], data: DataConfig) -> tuple[list[str], list[str], list[str]]:
    """Returns (train, valid, test)."""
    if len(items) < 3:
        return items, [], []
    if data.task == "sequential":
        return items[:-2], [items[-2]], [items[-1]]
    valid = fractions.Fraction(str(data.valid_fraction))
    test = 1 - fractions.Fraction(str(data.train_fraction)) - valid
    n_valid = max(1, int(len(items) * valid))
    n_test = max(1, int(len(items) * test))
    n_train = len(items) - n_valid - n_test
    return items[:n_train], items[n_train : n_train + n_valid], items[n_train + n_valid :]


def band(count: int) -> bytes:
    """Returns the name of a length's band."""
    for low, high in [(1, 4), (5, 9), (10, 19), (20, 49), (50, 99)]:
        if low <= count <= high:
            return f"{low}-{high}".encode()
    return b"100+" if count else b"0"


def examples_of(rows: list[Row], data: DataConfig) -> dict[str, list[Example]]:
    """Returns the examples by split, each sorted by id."""
    splits = {user: cut(items, data) for user, items in sequences_of(rows, data).items()}
    counts: collections.Counter[str] = collections.Counter()
    for train, valid, test in splits.values():
        counts.update(dict.fromkeys(valid + test, 0))
        counts.update(train)
    ranked = sorted(counts.values(), reverse=True)
    # Two tenths are the head, five tenths head and torso.
    head, torso = (max(1, ranked[math.ceil(tenths * len(ranked) / 10) - 1]) for tenths in (2, 5))
    sides = {item: _fullest(rows, item) for item in counts}
    cities = {user: _fullest_city(rows, user) for user in splits}

    def popularity(item: str) -> bytes:
        if not counts[item]:
            return b"cold"
        if counts[item] >= head:
            return b"head"
        return b"torso" if counts[item] >= torso else b"tail"

    examples: dict[str, list[Example]] = {"train": [], "valid": [], "test": [], "catalog": []}
    for user, (train, valid, test) in sorted(splits.items()):
        common: dict[str, Any] = {
            "user_id": [user.encode()],
            "user_activity": [band(len(train))],
            "city": [cities[user].encode()] if cities[user] else [],
        }
        examples["train"].append({**common, "target": _encoded(train)})
        for name, history, target in [("valid", train, valid), ("test", train + valid, test)]:
            if target:
                genres = {g for item in target for g in _genres(sides[item])}
                examples[name].append(
                    {
                        **common,
                        "history": _encoded(history),
                        "target": _encoded(target),
                        "history_length": [band(len(history))],
                        "target_popularity": sorted({popularity(item) for item in target}),
                        "target_genres": sorted(genres),
                    }
                )
    for item in sorted(counts):
        title = sides[item][0]
        examples["catalog"].append(
            {
                "item_id": [item.encode()],
                "item_title": [title.encode()] if title else [],
                "item_count": [counts[item]],
                "genres": _genres(sides[item]),
            }
        )
    return {
        name: [{k: v for k, v in example.items() if v} for example in of_split] for name, of_split in examples.items()
    }


def _fullest(rows: list[Row], item: str) -> tuple[str, str]:
    of_item = [(row.time, (row.title, row.genres)) for row in rows if row.item == item]
    return min(of_item, key=lambda side: (side[1].count(""), *side))[1]


def _fullest_city(rows: list[Row], user: str) -> str:
    return min((row.time, row.city) if row.city else (math.inf, "") for row in rows if row.user == user)[1]


def _genres(side: tuple[str, str]) -> list[bytes]:
    return [genre.encode() for genre in side[1].split("|") if genre]


def _encoded(items: list[str]) -> list[bytes]:
    return [item.encode() for item in items]
