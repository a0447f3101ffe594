"""The look at the data before a run."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from tfx_pipeline.check import main

# Of user a: x and y have one time, x comes twice; u has too few; the last row has no time.
ROWS = """user_id;item_id;timestamp
a;x;1600000000
a;y;1600000000
a;x;1600000060
a;z;1600000120
b;x;1600000000
b;y;1600000060
b;z;1600000060
u;x;1600000180
b;x;soon
"""


def check(folder: Path, capsys: pytest.CaptureFixture[str], *flags: str, **data: Any) -> tuple[int, str]:
    (folder / "rows.csv").write_text(ROWS)
    settings = {"source": "csv", "min_user_interactions": 2, "min_item_interactions": 2, "max_bad_row_share": 0.2}
    (folder / "config.yaml").write_text(yaml.safe_dump({"name": "mine", "data": {**settings, **data}}))
    status = main([f"--config={folder / 'config.yaml'}", f"--data={folder / 'rows.csv'}", *flags])
    return status, capsys.readouterr().out


def test_it_tells_what_the_table_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, output = check(tmp_path, capsys, "--json")
    found = json.loads(output)
    assert status == 0
    expected = {
        "format": "csv",
        "delimiter": ";",
        "columns": ["user_id", "item_id", "timestamp"],
        "rows": 9,
        "set_aside": 1,
        "users": 3,
        "items": 3,
        "first": "2020-09-13T12:26:40+00:00",
        "last": "2020-09-13T12:29:40+00:00",
        "repeats": 1,
        # a: (x, y) or (y, x), then z; b: x, then (y, z): one tie of two pairs each.
        "tied_neighbours": 0.5,
        "tied_tests": 0.5,
        "kept": {"users": 2, "items": 3, "interactions": 6},
        "problems": [],
    }
    assert {key: found[key] for key in expected} == expected
    assert found["encoding"].lower().startswith("utf")
    assert "`model.candidates` is 100, and 3 items are left" in found["notes"][0]


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"columns": {"user": "who"}}, "who"),
        ({"max_bad_row_share": 0.0}, "1 of 9 rows of"),
        ({"min_user_interactions": 9}, "The filters must leave a user of three or more items"),
        ({"max_tied_share": 0.4}, "Of 50.0% of the users the last item has the time of the one before"),
        ({"delimter": ";"}, "`data.delimter`: is not a known key"),
    ],
)
def test_what_keeps_a_run_from_starting_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], settings: dict[str, Any], problem: str
) -> None:
    status, output = check(tmp_path, capsys, **settings)
    assert status == 2
    assert problem in output
    assert output.endswith("A run would not start.\n")
