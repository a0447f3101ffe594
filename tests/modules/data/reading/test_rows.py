"""Ids, numbers and times of single cells."""

import pytest

from modules.data.reading import rows, times
from modules.data.reading.rows import BadRow


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1260759144", 1260759144.0),
        ("1260759144.5", 1260759144.5),
        ("1.26e9", 1.26e9),
        ("1260759144123", 1260759144.123),
        ("1260759144123.0", 1260759144.123),
        ("0", 0.0),
        ("-86400", -86400.0),
        ("1970-01-02", 86400.0),
        ("1970-01-01T00:01", 60.0),
        ("1970-01-01 00:00:07", 7.0),
        ("1970-01-01T00:00:07Z", 7.0),
        ("1970-01-01 00:00:07 UTC", 7.0),
        ("1970-01-01T00:00:07.5Z", 7.5),
        ("1970-01-01T00:00:07,123456789", 7.123456789),
        ("1970-01-01T02:00:00+02:00", 0.0),
        ("1970-01-01T02:00:00+0200", 0.0),
        ("1970-01-01T02:00:00+02", 0.0),
        ("1969-12-31T19:00:00-05:00", 0.0),
        ("2010-10-19T18:55:27Z", 1287514527.0),
    ],
)
def test_timestamps_of_every_kind_become_unix_seconds(text: str, seconds: float) -> None:
    assert times.seconds(text) == pytest.approx(seconds, abs=1e-6)


@pytest.mark.parametrize(
    "text",
    ["soon", "inf", "1_000", "2010-13-01", "2010-10-19T25:00:00", "19/10/2010", "1e20"],
)
def test_what_is_no_timestamp_is_a_bad_row(text: str) -> None:
    with pytest.raises(BadRow, match="unreadable timestamp"):
        times.seconds(text)


@pytest.mark.parametrize("text", ["good", "-inf", "4,5", "1_0"])
def test_what_is_no_rating_is_a_bad_row(text: str) -> None:
    with pytest.raises(BadRow, match="unreadable rating"):
        rows.rating(text)


@pytest.mark.parametrize("text", ["a b", 'say "hi"', "a\tb", "日本", "a\u2028b", " x "])
def test_ids_are_kept_exactly(text: str) -> None:
    assert rows.identifier(text, "user") == text


@pytest.mark.parametrize(("text", "reason"), [("", "no item id"), ("a\nb", "line break"), ("a\rb", "line break")])
def test_ids_that_no_vocabulary_can_hold_are_bad_rows(text: str, reason: str) -> None:
    with pytest.raises(BadRow, match=reason):
        rows.identifier(text, "item")
