"""Rules against what Python makes of the same items."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from modules.serving.item_facts import Category, ItemFacts
from modules.serving.item_lists import digest_of_file, read_item_lists
from modules.serving.rules import Rules, with_named_rules
from tests.modules.export.exports import ITEMS
from tests.modules.serving.served import facts, rules


def allowed(rule: str, known: Rules) -> list[int]:
    (mask,) = known.masks(tf.constant([rule])).numpy()
    return list(np.flatnonzero(mask))


def fr(item: int) -> bool:
    return item % 4 in (0, 2)


def de(item: int) -> bool:
    return item % 4 in (1, 2)


def year(item: int) -> float:
    return 1800 + item if item % 7 else np.nan


@pytest.fixture(scope="module")
def known() -> Rules:
    return rules()


@pytest.mark.parametrize(
    ("rule", "holds"),
    [
        ("country = FR", fr),
        (' country="FR" ', fr),
        ('country != "DE and or"', lambda item: not de(item)),
        ('not country != "DE and or"', de),
        ('country = "DE and or"AND country = FR', lambda item: item % 4 == 2),
        ("country = ES", lambda item: False),
        ("country != ES", lambda item: True),
        ("in_stock", lambda item: item % 10),
        ("NOT in_stock", lambda item: item % 10 == 0),
        ("in_stock = False", lambda item: item % 10 == 0),
        ("year >= 1850", lambda item: year(item) >= 1850),
        ("year<=1850", lambda item: year(item) <= 1850),
        ("year > 1850.5", lambda item: year(item) > 1850.5),
        ("year < 1850", lambda item: year(item) < 1850),
        ("year = 1850", lambda item: item == 50),
        ("year != 1850", lambda item: item != 50),
        ("not year < 1850", lambda item: not year(item) < 1850),
        ("sale", lambda item: item in (2, 4, 199)),
        ("cheap", lambda item: item in (1, 2, 4, 199)),
        # `and` goes before `or`.
        ("sale or in_stock and year < 1803", lambda item: item in (1, 2, 4, 199)),
        ("in_stock and year < 1803 or not sale and year > 1998", lambda item: item in (1, 2, 200)),
        ("sale and not cheap", lambda item: False),
    ],
)
def test_a_rule_means_what_it_says(known: Rules, rule: str, holds: Callable[[int], bool]) -> None:
    assert allowed(rule, known) == [item for item in range(1, ITEMS + 1) if holds(item)]


def test_a_model_without_features_names_nothing() -> None:
    known = Rules(ItemFacts(3))
    with pytest.raises(tf.errors.InvalidArgumentError, match="as the model has no features or lists"):
        allowed("in_stock", known)


def test_a_feature_without_values_has_no_items() -> None:
    known = Rules(ItemFacts(2, {"country": Category([], np.zeros([3, 1], np.int64))}))
    assert allowed("country = FR", known) == []
    assert allowed("country != FR", known) == [1, 2]


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ("b", "`serving.rules.a`: `rule` must name some of: country, in_stock, year. Received:.*b"),
        ("year >", "`serving.rules.a`: `rule` must be terms such as"),
    ],
)
def test_a_named_rule_that_is_none_is_refused(rule: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        with_named_rules(facts(), {}, {"a": rule})


def test_a_list_is_a_file_of_ids(tmp_path: Path) -> None:
    path = tmp_path / "sale.txt"
    path.write_bytes("b\n\n  ü \r\nunknown\nb\n".encode())
    found = read_item_lists({"sale": str(path)}, [b"a", b"b", "ü".encode()])
    assert list(found["sale"]) == [2, 3]
    before = digest_of_file(str(path))
    path.write_text("a")
    assert digest_of_file(str(path)) != before
    assert digest_of_file(str(tmp_path / "none")) == ""
