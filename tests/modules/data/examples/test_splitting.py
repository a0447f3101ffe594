"""Both split protocols."""

import pytest

from modules.data.config import DataConfig
from modules.data.examples.splitting import split_items


def cut(count: int, **settings: object) -> tuple[int, int, int]:
    items = [str(number) for number in range(count)]
    split = split_items([[item] for item in items], DataConfig(**settings))
    assert split.train + split.valid + split.test == items
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
