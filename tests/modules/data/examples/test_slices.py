"""Bands of length and popularity."""

import pytest

from modules.data.examples import slices


@pytest.mark.parametrize(
    ("count", "band"),
    [
        (0, "0"),
        (1, "1-4"),
        (4, "1-4"),
        (5, "5-9"),
        (9, "5-9"),
        (10, "10-19"),
        (19, "10-19"),
        (20, "20-49"),
        (50, "50-99"),
        (99, "50-99"),
        (100, "100+"),
        (10**9, "100+"),
    ],
)
def test_length_bands(count: int, band: str) -> None:
    assert slices.length_band(count) == band
    assert band in slices.LENGTH_BANDS


def test_the_head_is_the_most_popular_fifth_with_its_ties() -> None:
    # Ten items: two make a fifth. The second most popular has 8, as does a third.
    assert slices.popularity_thresholds({9: 1, 8: 2, 1: 7}).head == 8
    assert slices.popularity_thresholds({9: 2, 8: 2, 1: 6}).head == 9
    # Eleven items: a fifth is 2.2, rounded up to three.
    assert slices.popularity_thresholds({9: 2, 8: 1, 1: 8}).head == 8


def test_the_torso_ends_in_the_middle() -> None:
    # Ten items: five make a half.
    assert slices.popularity_thresholds({9: 2, 5: 3, 1: 5}) == (9, 5)
    assert slices.popularity_thresholds({9: 2, 5: 2, 4: 2, 1: 4}) == (9, 4)


def test_no_band_but_the_cold_one_holds_items_without_interactions() -> None:
    assert slices.popularity_thresholds({0: 10}) == (1, 1)
    assert slices.popularity_thresholds({}) == (1, 1)


@pytest.mark.parametrize(
    ("count", "band"), [(0, "cold"), (1, "tail"), (3, "tail"), (4, "torso"), (7, "torso"), (8, "head")]
)
def test_popularity_bands(count: int, band: str) -> None:
    assert slices.popularity_band(count, slices.PopularityThresholds(head=8, torso=4)) == band
    assert band in slices.POPULARITY_BANDS
