"""Files as people have them: what is read of each."""

from pathlib import Path
from typing import Any, NamedTuple

import pytest

from modules.data import locating
from modules.data.config import DataConfig
from modules.data.reading.parsing import rows_of
from modules.data.reading.rows import BadRow, Interaction

INPUTS = Path(__file__).parent / "inputs"
DECEMBER = 1322697600.0
"""The 1st of December 2011."""
SEPTEMBER = 1600000000.0
RATING = {"columns": {"rating": "rating"}}


class Read(NamedTuple):
    """What came of a file."""

    rows: list[Interaction]
    left_out: int
    reasons: dict[str, int]


def path_of(case: str) -> Path:
    (folder,) = INPUTS.glob(f"{case}-*")
    return next(path for path in sorted(folder.iterdir()) if path.name != "README.txt")


def read(case: str, work: Path, **settings: Any) -> Read:
    data = DataConfig(source="csv", path=str(path_of(case)), **settings)
    locating.check(data, "")
    source = locating.source_for(data)
    inline = {"items": source.wants_items, "users": False}
    parts = source.convert("/".join(source.locate("")), source.columns_read(**inline), str(work)).parts
    found = Read([], 0, {})
    for row in (row for part in parts for row in rows_of(part)):
        try:
            if row.counts:
                found.rows.append(source.interaction(row.cells, **inline))
            else:
                found = found._replace(left_out=found.left_out + 1)
        except BadRow as error:
            found.reasons[str(error)] = found.reasons.get(str(error), 0) + 1
    return found


@pytest.mark.parametrize(
    ("case", "settings", "seconds"),
    [
        ("01", {"timestamp_format": "%d-%m-%Y %H:%M"}, DECEMBER + 8 * 3600 + 26 * 60),
        ("02", {"timestamp_format": "%m/%d/%Y %H:%M"}, DECEMBER + 8 * 3600 + 26 * 60),
        ("03", {}, DECEMBER + 26 * 60),
        ("04", {}, DECEMBER + 8 * 3600 + 26 * 60),
        ("06", {}, SEPTEMBER),
        ("07", {}, SEPTEMBER),
        ("08", {"timestamp_format": "%Y%m%d"}, DECEMBER),
        # New York is five hours behind in winter.
        ("10", {}, DECEMBER + 13 * 3600 + 26 * 60),
        ("12", {}, 0.0),
        ("13", {}, pytest.approx(DECEMBER + 8 * 3600 + 26 * 60 + 0.123456789, abs=1e-6)),
    ],
)
def test_times_as_people_write_them(tmp_path: Path, case: str, settings: dict[str, Any], seconds: float) -> None:
    found = read(case, tmp_path, **settings)
    assert (len(found.rows), found.reasons) == (96, {})
    assert found.rows[0].timestamp == seconds


@pytest.mark.parametrize(
    "case", ["20", "21", "22", "24", "25", "27", "29", "31", "40", "41", "44", "46", "47", "48", "52", "54"]
)
def test_text_and_containers(tmp_path: Path, case: str) -> None:
    found = read(case, tmp_path)
    assert (len(found.rows), found.reasons) == (96, {})
    assert found.rows[0][:2] == ("u0", "i0")
    assert found.rows[0].timestamp == SEPTEMBER


@pytest.mark.parametrize(
    ("case", "settings", "title"),
    [
        ("21", {"encoding": "latin-1"}, "café i0"),
        ("21", {}, "caf\ufffd i0"),
        ("24", {"quote": ""}, '"Heroes" i0'),
        ("24", {}, '"Heroes" i0'),
    ],
)
def test_titles(tmp_path: Path, case: str, settings: dict[str, Any], title: str) -> None:
    assert read(case, tmp_path, columns={"title": "title"}, **settings).rows[0].item_side == (title,)


@pytest.mark.parametrize(
    ("case", "settings", "rows", "left_out", "reasons"),
    [
        ("32", {}, 192, 0, {"the header line again": 1}),
        ("50", {}, 0, 0, {}),
        ("61", {}, 64, 0, {"no user id": 32}),
        ("64", {}, 96, 0, {}),
        ("73", {"decimal": ",", **RATING}, 96, 0, {}),
        ("76", {"empty_ratings": "keep", **RATING}, 96, 0, {}),
        ("78", {"where": "rating > 0"}, 80, 16, {}),
        ("84", {"where": "event = 'transaction'", "columns": {"user": "visitorid", "item": "itemid"}}, 32, 64, {}),
        ("88", {}, 91, 0, {"no timestamp": 5}),
        ("R1", {}, 60, 0, {"no user id": 20}),
    ],
)
def test_rows_that_count(
    tmp_path: Path, case: str, settings: dict[str, Any], rows: int, left_out: int, reasons: dict[str, int]
) -> None:
    found = read(case, tmp_path, **settings)
    assert (len(found.rows), found.left_out, found.reasons) == (rows, left_out, reasons)


def test_ids_stay_as_they_are_written(tmp_path: Path) -> None:
    assert read("60", tmp_path).rows[0].user == "17850.0"


def test_groceries(tmp_path: Path) -> None:
    columns = {"user": "Member_number", "item": "itemDescription", "timestamp": "Date"}
    found = read("R3", tmp_path, columns=columns, timestamp_format=["%Y-%m-%d", "%d-%m-%Y"])
    # The 13th of July 2015.
    assert found.rows[0] == Interaction("1000", "soda", None, 1436745600.0)


@pytest.mark.parametrize(
    ("case", "message"),
    [
        ("45", "rows.csv.gz ends too early"),
        ("49", "`data.columns.user` must be a column of .*<!DOCTYPE html>"),
        ("89", "`data.columns.item` must be a column of .* more.* A matrix of users and items is not read"),
        ("90", "`data.columns.user` must be a column of .*Is 'User_ID' meant"),
        ("R7", r"`data.columns.user` must be a column of .*\['itemA', 'itemB'\]"),
    ],
)
def test_what_cannot_be_read_is_refused(tmp_path: Path, case: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read(case, tmp_path)
