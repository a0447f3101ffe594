"""Raw cells to values."""

import pytest

from modules.data.config import SideFeature
from modules.data.examples.side_features import all_values, feature_values

GENRES = SideFeature(column="genres", separator="|")
YEAR = SideFeature(column="year", kind="numeric")


@pytest.mark.parametrize(
    ("cell", "values"),
    [
        ("Comedy|Drama", [b"Comedy", b"Drama"]),
        ("Comedy||Comedy|", [b"Comedy"]),
        ("Thé à la menthe", ["Thé à la menthe".encode()]),
        ("", []),
    ],
)
def test_categories(cell: str, values: list[bytes]) -> None:
    assert feature_values(GENRES, cell) == values


def test_a_category_without_a_separator_is_one_value() -> None:
    assert feature_values(SideFeature(column="city"), "a|b c") == [b"a|b c"]


@pytest.mark.parametrize(("cell", "values"), [("1995", [1995.0]), ("", []), ("?", []), ("nan", [])])
def test_numbers(cell: str, values: list[float]) -> None:
    assert feature_values(YEAR, cell) == values


def test_values_come_by_name_and_are_empty_where_nothing_is_known() -> None:
    features = {"genres": GENRES, "year": YEAR}
    assert all_values(features, ["A", "1"]) == {"genres": [b"A"], "year": [1.0]}
    assert all_values(features, []) == {"genres": [], "year": []}
