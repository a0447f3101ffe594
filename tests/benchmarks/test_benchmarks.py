"""Both commands as a user would run them, in their smallest sizes: what they print has the right shape."""

import json
from pathlib import Path

import pytest

from tests.benchmarks.quick_runs import run

PROPOSALS = ["uniform", "popularity", "MIDX, K=4", "exact softmax", "exact softmax, one pass (peer)"]


def test_training(tmp_path: Path) -> None:
    speed, parts = run("benchmarks.training", "--output", str(tmp_path / "results.json"))
    assert [row[0] for row in speed[1:]] == ["this package", "plain: all three"]
    assert speed[1][-1] == "1.00"
    assert len(parts) == 1 + 7
    results = json.loads((tmp_path / "results.json").read_text())
    assert results["machine"]["threads"] == 1
    package = results["items"]["200"]["this package"]
    assert sum(package["cpu_seconds_by_part"].values()) == pytest.approx(package["cpu_seconds_a_step"])


def test_samplers(tmp_path: Path) -> None:
    output, plot = tmp_path / "results.json", tmp_path / "plots" / "draws.png"
    draws, refresh = run("benchmarks.samplers", "--output", str(output), "--plot", str(plot))
    assert draws[0] == ["Draws / CPU s", "N=100", "N=1,000", "time ~ N^p, p ="]
    assert [row[0] for row in draws[1:]] == PROPOSALS
    assert [row[0] for row in refresh[1:]] == ["MIDX, K=4"]
    results = json.loads(output.read_text())
    assert list(results["items"]) == ["100", "1000"]
    assert list(results["items"]["100"]["draws"]) == PROPOSALS
    assert plot.read_bytes().startswith(b"\x89PNG")


def test_epochs(tmp_path: Path) -> None:
    output = tmp_path / "results.json"
    by_interactions, by_items = run("benchmarks.epochs", "--output", str(output))
    assert by_interactions[0][1:-1] == ["200 interactions", "400 interactions"]
    assert by_items[0][1:-1] == ["100 items", "200 items"]
    for epochs in json.loads(output.read_text())["items"].values():
        assert epochs["cpu_seconds"] > 0
        assert epochs["peak_bytes"] > epochs["base_bytes"] > 0


def test_validation(tmp_path: Path) -> None:
    output = tmp_path / "results.json"
    (users,) = run("benchmarks.validation", "--output", str(output))
    assert [row[0] for row in users[1:]] == ["sequential, 200", "general, 200"]
    assert json.loads(output.read_text())["general, 200"]["this"]["users_a_cpu_second"] > 0
