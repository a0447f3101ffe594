"""What is measured, kept and told of the growth."""

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks.capacity import __main__ as command
from benchmarks.capacity import growth, items
from benchmarks.capacity.data_half import COMPONENTS, configuration, run_component
from benchmarks.capacity.generate import generate, population, proportions
from benchmarks.capacity.growth import (
    Line,
    data_half_table,
    extrapolation_table,
    line_through,
    put_tables,
    stages_table,
)
from benchmarks.capacity.process import Taken, measure
from benchmarks.capacity.results import Cell, Results
from modules.data.report import read_report

MEGABYTE = 10**6


def cell(name: str, size: int, cpu: float, added: float, base: float = 900) -> Cell:
    return Cell(name, size, Taken(cpu, 2 * cpu, int(base * MEGABYTE), int((base + added) * MEGABYTE)), {})


def test_a_peak_is_seen_after_it_is_over_and_is_not_seen_by_the_next() -> None:
    def hold() -> int:
        # Written to, or the system does not give the memory out.
        return int(np.ones(25_000_000).sum())

    total, held = measure(hold)
    _, nothing = measure(lambda: None)
    assert total == 25_000_000
    assert 190 * MEGABYTE < held.added_bytes < 260 * MEGABYTE
    assert nothing.added_bytes < 30 * MEGABYTE
    assert held.cpu_seconds > 0


def test_finished_measurements_are_not_made_again(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "results.jsonl"
    first = Results(path)
    assert not first.has("Transform", 10)
    made = cell("Transform", 10, 1.5, 3)._replace(figures={"users": 7})
    first.add(made)
    again = Results(path)
    assert again.has("Transform", 10)
    assert not again.has("Transform", 11)
    assert again.cells == [made]


@pytest.mark.parametrize("line", ["{", "[]", '{"name": "a"}', '{"name": "a", "size": 1, "taken": {"cpu": 1}}'])
def test_a_line_that_is_no_measurement_is_named(tmp_path: Path, line: str) -> None:
    path = tmp_path / "results.jsonl"
    Results(path).add(cell("Transform", 10, 1.5, 3))
    path.write_text(path.read_text() + line + "\n")
    with pytest.raises(ValueError, match=r"results.jsonl, line 2, must be a measurement"):
        Results(path)


def test_the_line_goes_through_the_two_largest_sizes() -> None:
    line = line_through([300, 1, 100], [7.0, 50.0, 3.0])
    assert line == Line(pytest.approx(1.0), pytest.approx(0.02))
    assert line.at(1_000) == pytest.approx(21)
    with pytest.raises(ValueError, match="at least two to extrapolate from. Received: \\[5\\]."):
        line_through([5], [1.0])


def cells_of(table: str, name: str) -> list[str]:
    (row,) = (line for line in table.splitlines() if line.startswith(f"| {name} "))
    return [text.strip() for text in row.strip("|").split("|")]


def test_the_table_tells_exponents_and_what_a_million_more_adds() -> None:
    cells = [cell("ExampleGen", 10**n, cpu=2.0 * 10 ** (n - 5), added=30 * 10 ** (0.5 * (n - 5))) for n in (7, 5, 6)]
    table = data_half_table([*cells, cell("Transform", 10**5, 4.0, 50)])
    per_million = 30 * (10 - 10**0.5) / 9
    assert cells_of(table, "ExampleGen") == [
        *["ExampleGen", "2.0", "20.0", "200.0", "1.00"],
        *["30 (930)", "95 (995)", "300 (1,200)", "0.50", f"{per_million:.1f}"],
    ]
    assert cells_of(table, "Transform") == ["Transform", "4.0", "-", "-", "-", "50 (950)", "-", "-", "-", "-"]


def test_more_cores_share_what_grows_but_not_what_is_fixed() -> None:
    # Ten seconds a run and 36 a million interactions.
    cells = [cell("ExampleGen", n * 10**6, cpu=10 + 36 * n, added=100) for n in (1, 3)]
    row = cells_of(extrapolation_table(cells, 100 * 10**6), "ExampleGen")
    spread = [(10 + 3_600 / (cluster.cores * growth.EFFICIENCY)) / 60 for cluster in growth.CLUSTERS]
    assert row == ["ExampleGen", "60.2", *(f"{minutes:.1f}" for minutes in spread), "1.0"]
    assert extrapolation_table(cells[:1]) == ""


def test_stages_stand_apart_from_components() -> None:
    stage = cell("export", 1_000, 3.0, 20)._replace(figures={"saved_bytes": 4_000})
    table = stages_table([stage, cell("ExampleGen", 10, 1, 1), cell("Generator", 10, 1, 1)])
    assert cells_of(table, "export, 1,000 items") == ["export, 1,000 items", "3.0", "20", "920", "saved bytes: 4,000"]
    assert len(table.splitlines()) == 3


def test_tables_are_put_between_their_comments_again_and_again(tmp_path: Path) -> None:
    path = tmp_path / "capacity.md"
    comments = [f"<!-- {name} -->\nold\n<!-- end of {name} -->" for name in ("components", "extrapolation", "stages")]
    path.write_text("# Title\n" + "\ntext\n".join(comments) + "\nend\n")
    cells = [cell("ExampleGen", n, 1.0 * n, 9) for n in (10, 100)] + [cell("export", 5, 1, 1)]
    put_tables(cells, path)
    once = path.read_text()
    assert "old" not in once
    assert once.startswith("# Title\n")
    assert once.count("\ntext\n") == 2
    for table in (data_half_table(cells), extrapolation_table(cells), stages_table(cells)):
        assert table in once
    put_tables(cells, path)
    assert path.read_text() == once


def test_a_file_without_the_comments_is_refused(tmp_path: Path) -> None:
    (tmp_path / "capacity.md").write_text("# Title\n")
    with pytest.raises(ValueError, match="must hold the lines '<!-- components -->' and"):
        put_tables([], tmp_path / "capacity.md")


def test_the_plot_is_a_picture(tmp_path: Path) -> None:
    path = tmp_path / "images" / "capacity.png"
    growth.plot_growth([cell(name, size, 1.0 * size, 10 * size) for name in COMPONENTS for size in (1, 10)], path)
    assert path.read_bytes().startswith(b"\x89PNG")


def test_a_component_is_measured_at_its_work(tmp_path: Path) -> None:
    path = tmp_path / "rows" / "UserBehavior.csv"
    generate(population(6_000, seed=2), path)
    taken = run_component(configuration(path, tmp_path / "runs"), "ExampleGen")
    assert taken.cpu_seconds > 0
    # What the process held before may be given back meanwhile.
    assert taken.peak_bytes > 0.9 * taken.base_bytes
    (artifact,) = (tmp_path / "runs" / "pipelines" / "capacity" / "InteractionExampleGen" / "examples").iterdir()
    report_of_data = read_report(str(artifact))
    assert report_of_data["rows"]["read"] == 6_000
    assert report_of_data["splits"]["test"]["users"] > 50


def test_users_and_items_can_be_held_while_interactions_grow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "COMPONENTS", {})
    command.main(["--population", "10000", "--sizes", "12000", "20000", "--items", "--root", str(tmp_path)])
    root = tmp_path / "population-10000"
    users, least_items = proportions(10_000)[0], 0.9 * proportions(10_000)[1]
    for size in (12_000, 20_000):
        lines = (root / str(size) / "UserBehavior.csv").read_text().splitlines()
        assert len(lines) == size
        assert len({line.split(",")[0] for line in lines}) == users
        assert least_items < len({line.split(",")[1] for line in lines}) <= proportions(10_000)[1]
    assert [(made.name, made.size) for made in Results(root / "results.jsonl").cells] == [
        ("Generator", 12_000),
        ("Generator", 20_000),
    ]


def test_every_stage_of_many_items_is_measured() -> None:
    measured = {stage: (taken, figures) for stage, taken, figures in items.measure_stages(items.QUICK)}
    assert list(measured) == [
        "training",
        "refresh of the sampler's index",
        "validation of a batch of users",
        "index: cells and calibration",
        "export",
        "loading the export",
        "answering 32 requests",
        "ranking the whole corpus",
    ]
    assert all(taken.cpu_seconds > 0 for taken, _ in measured.values())
    assert measured["training"][1]["trained_numbers"] > 2 * items.QUICK.items * items.QUICK.embedding_dim
    assert measured["export"][1]["saved_bytes"] > 4 * items.QUICK.items * items.QUICK.embedding_dim
    assert json.dumps([figures for _, figures in measured.values()])
