"""The split protocols."""

import collections

import pytest

from modules.data.config import DataConfig
from modules.data.examples.splitting import Split, split_events
from modules.data.grouping.sequences import Event


def events_of(baskets: str) -> list[Event]:
    """Returns events of items of one letter; baskets are told apart by blanks, and their times are 0, 1, 2 ..."""
    return [(float(time), item) for time, basket in enumerate(baskets.split()) for item in basket]


def cut(count: int, **settings: object) -> tuple[int, int, int]:
    items = [str(number) for number in range(count)]
    split = split_events("u", list(enumerate(map(str, range(count)))), DataConfig(**settings))
    assert split.train + split.valid + split.test == items
    assert list(split.train_starts) == list(range(len(split.train)))
    return len(split.train), len(split.valid), len(split.test)


@pytest.mark.parametrize("task", ["sequential", "general"])
@pytest.mark.parametrize("count", [0, 1, 2])
def test_users_with_less_than_three_items_only_train(task: str, count: int) -> None:
    assert cut(count, task=task) == (count, 0, 0)


@pytest.mark.parametrize("count", [3, 4, 50])
def test_sequential_holds_out_the_last_two(count: int) -> None:
    assert cut(count, task="sequential") == (count - 2, 1, 1)


@pytest.mark.parametrize(
    ("count", "parts"),
    [
        (3, (1, 1, 1)),
        (9, (7, 1, 1)),
        (10, (8, 1, 1)),
        (19, (17, 1, 1)),
        (20, (16, 2, 2)),
        (35, (29, 3, 3)),
        (100, (80, 10, 10)),
    ],
)
def test_general_rounds_the_held_out_parts_down_to_at_least_one(count: int, parts: tuple[int, int, int]) -> None:
    assert cut(count, task="general") == parts


@pytest.mark.parametrize("count", range(3, 40))
@pytest.mark.parametrize(("train", "valid"), [(0.01, 0.01), (0.01, 0.98), (0.5, 0.25), (0.98, 0.01)])
def test_general_leaves_something_in_every_part(count: int, train: float, valid: float) -> None:
    assert min(cut(count, task="general", train_fraction=train, valid_fraction=valid)) >= 1


def test_the_split_need_not_be_the_one_of_the_task() -> None:
    assert cut(20, task="general", split="leave_one_out") == (18, 1, 1)
    assert cut(20, task="sequential", split="fractions") == (16, 2, 2)


def test_baskets_are_counted_and_not_cut() -> None:
    split = split_events("u", events_of("ab c de fgh"), DataConfig(ties="basket"))
    assert split == Split(["a", "b", "c"], ["d", "e"], ["f", "g", "h"], [0, 0, 2])


@pytest.mark.parametrize(
    ("baskets", "parts"),
    [
        ("a b c d e f", ("ab", "cd", "ef")),
        ("abc", ("abc", "", "")),
        ("a b c", ("ab", "c", "")),
    ],
)
def test_a_date_cuts_all_users_alike(baskets: str, parts: tuple[str, str, str]) -> None:
    dates = {"valid_from": "1970-01-01T00:00:02", "test_from": "1970-01-01T00:00:04"}
    split = split_events("u", events_of(baskets), DataConfig(split="date", **dates))
    assert tuple(map("".join, split[:3])) == parts


def test_by_date_a_user_may_only_test() -> None:
    dates = {"valid_from": "1969-01-01", "test_from": "1970-01-01"}
    assert split_events("u", [(0.0, "a")], DataConfig(split="date", **dates)) == Split([], [], ["a"], [])


def test_random_parts_are_of_every_place_and_stay_in_order() -> None:
    data = DataConfig(task="general", split="random")
    events = events_of("a b c d e f g h i j")
    tested: collections.Counter[str] = collections.Counter()
    for user in range(400):
        split = split_events(f"u{user}", events, data)
        assert (len(split.train), len(split.valid), len(split.test)) == (8, 1, 1)
        assert split.train == sorted(split.train)
        assert sorted(split.train + split.valid + split.test) == list("abcdefghij")
        tested.update(split.test)
    # 40 of 400 each, give or take four standard deviations of 6.
    assert all(abs(tested[item] - 40) < 24 for item in "abcdefghij")
    assert split_events("u", events, data) == split_events("u", events, data)
