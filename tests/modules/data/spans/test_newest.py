"""The newest span's own examples: every event of it, with what its rows say of items and users."""

from pathlib import Path
from typing import Any

import apache_beam as beam
import pytest

from modules.data.config import DataConfig
from modules.data.facts import read_facts
from modules.data.locating import source_for
from modules.data.spans.newest import id_format, newest_examples
from tests.modules.data.beam_runs import Parsed, make_pipeline, parse_examples

ROWS = """user,item,when,kinds,price,town,rating
a 1,x-2,3,k|l,7,rome,1
a 1,x-1,1,k,,,5
a 1,x-1,2,k,,,5
b,y-9,1,,2.5,,4
c,,1,,,,3
"""
# The in-memory runner works in this process.
_collected: list[bytes] = []


def run(folder: Path, **changes: Any) -> tuple[list[Parsed], dict[str, Any]]:
    (folder / "rows.csv").write_text(ROWS)
    data = DataConfig(
        source="csv",
        path=str(folder / "rows.csv"),
        columns={"user": "user", "item": "item", "timestamp": "when", "rating": "rating"},
        item_features={
            "kinds": {"column": "kinds", "separator": "|"},
            "price": {"column": "price", "kind": "numeric"},
        },
        user_features={"town": {"column": "town"}},
        **changes,
    )
    _collected.clear()
    facts, path = str(folder / "facts.json"), str(folder / "rows.csv")
    with make_pipeline() as pipeline:
        examples = newest_examples(pipeline, source_for(data), str(folder), path, str(folder), facts)
        _ = examples | beam.Map(_collect)
    return parse_examples(_collected), read_facts(facts)


def test_every_event_counts_in_order_of_time(tmp_path: Path) -> None:
    records, facts = run(tmp_path)
    assert records == [
        {
            "user_id": [b"a 1"],
            "user_format": [b"a 9"],
            "user_activity": [b"1-4"],
            "target": [b"x-1", b"x-1", b"x-2"],
            "item_format": [b"a-9"] * 3,
            "target_kinds": [b"k", b"k", b"k", b"l"],
            "town": [b"rome"],
        },
        {
            "user_id": [b"b"],
            "user_format": [b"a"],
            "user_activity": [b"1-4"],
            "target": [b"y-9"],
            "item_format": [b"a-9"],
        },
    ]
    assert (facts["interactions/read"], facts["interactions/bad"]) == (5, 1)


def test_what_tables_beside_the_rows_say_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "items.csv").write_text("item,kinds,price\nx-1,k,1\n")
    records, _ = run(tmp_path, items_path=str(tmp_path / "items.csv"))
    assert not any("target_kinds" in record for record in records)
    assert records[0]["town"] == [b"rome"]


def _collect(example: bytes) -> None:
    _collected.append(example)


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("12345", "9"),
        ("SKU-123", "a-9"),
        ("B00A1X", "x"),
        ("café 7, №", "a 9, №"),
        ("0b9f-12-zz", "x-9-a"),
        ("-" * 60, "-" * 40),
    ],
)
def test_an_id_has_the_form_of_its_runs(text: str, form: str) -> None:
    assert id_format(text) == form
