"""The load test as a user would run it, in its smallest size, and what it makes of failures."""

import itertools
import json
import math
from pathlib import Path

from benchmarks.serving_load import Load, measure, row
from tests.benchmarks.quick_runs import run

COLUMNS = ["answers / s", "p50 ms", "p95 ms", "p99 ms", "errors", "old version", "new version"]


def test_serving_load(tmp_path: Path) -> None:
    output, plot = tmp_path / "results.json", tmp_path / "plots/serving.png"
    tables = run("benchmarks.serving_load", "--output", str(output), "--plot", str(plot))
    names = ["REST", "gRPC", "REST, batched", "gRPC, batched"]
    assert [table[0] for table in tables] == [[f"{name}: clients", *COLUMNS] for name in names]
    for _, cells in tables:
        clients, errors, old, new = (int(cells[column].replace(",", "")) for column in (0, 5, 6, 7))
        assert (clients, errors) == (2, 0)
        # Ten answers before the push and ten after it; what was under way when it was seen may be the old version's.
        assert old >= 10
        assert new >= 10 - clients
    loads = json.loads(output.read_text())["loads"]
    assert list(loads) == names
    assert plot.read_bytes().startswith(b"\x89PNG")


def test_errors_are_counted_and_not_timed() -> None:
    turns, version = itertools.count(), [1]

    def ask() -> int:
        if next(turns) % 5 == 0:
            raise ConnectionResetError("gone")
        return version[0]

    load = measure([ask], 100, lambda: version.__setitem__(0, 2))
    assert set(load.errors) == {"ConnectionResetError: gone"}
    assert len(load.seconds) == sum(load.versions.values())
    total = len(load.seconds) + sum(load.errors.values())
    assert sum(load.errors.values()) == math.ceil(total / 5)
    assert total >= 100
    assert set(load.versions) == {1, 2}


def test_row_without_any_answer() -> None:
    assert row("8", Load([], {"oops": 3}, {}, 2.0)) == ["8", "0", "nan", "nan", "nan", "3", "0", "0"]
    load = Load([0.001, 0.003], {}, {1: 1, 2: 1}, 0.5)
    assert row("1", load) == ["1", "4", "2.0", "2.9", "3.0", "0", "1", "1"]
