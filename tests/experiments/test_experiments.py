"""Tables of experiments: what a cell is made of, and what the report makes of results."""

import csv
import json
import math
from pathlib import Path

import pytest

from experiments import report
from experiments.cells import finished_cells, result_path
from experiments.config import Cell, Table, load_table, merge

_TABLES = Path(__file__).parents[2] / "experiments"


def _table(**values) -> Table:
    methods = {
        "plain": {"label": "Plain", "baseline": True, "model": {"ranker": {"name": "none"}}},
        "both": {"label": "Both", "model": {"ranker": {"name": "din", "dropout": 0.1}}},
    }
    settings = {
        "title": "A table",
        "datasets": {"small": {"label": "Small", "data": {}, "methods": methods}},
        "training": {"epochs": 3},
        **values,
    }
    return Table(**settings)


@pytest.mark.parametrize("path", sorted(_TABLES.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_cell_of_the_tables_is_valid(path: Path) -> None:
    table = load_table(path)
    for cell in table.search_cells():
        model, training = table.settings(cell)
        assert training.seed == cell.seed
        assert model.algorithm.name


def test_search_is_the_same_grid_for_every_method() -> None:
    table = _table(search={"training.weight_decay": [0.0, 0.1], "training.epochs": [1, 2]}, seeds=[5, 6])
    cells = list(table.search_cells())
    points = {method: {cell.point for cell in cells if cell.method == method} for method in ("plain", "both")}
    assert points["plain"] == points["both"]
    assert len(points["both"]) == 4
    assert {cell.seed for cell in cells} == {5}


def test_a_data_set_may_have_settings_and_a_search_of_its_own() -> None:
    values = _table(search={"training.weight_decay": [0.0, 0.1]}).model_dump()
    values["datasets"]["other"] = {**values["datasets"]["small"], "training": {"epochs": 5}, "search": {}}
    table = Table(**values)
    assert len(table.points("small")) == 2
    assert table.points("other") == [()]
    epochs = [table.settings(Cell(name, "both", (), 1))[1].epochs for name in ("small", "other")]
    assert epochs == [3, 5]


def test_the_smoke_run_is_one_epoch_of_one_cell_a_method() -> None:
    table = _table(search={"training.weight_decay": [0.1, 0.2]}, seeds=[5, 6]).quick()
    cells = list(table.search_cells())
    assert [(cell.method, cell.seed) for cell in cells] == [("plain", 5), ("both", 5)]
    assert all(table.settings(cell)[1].epochs == 1 for cell in cells)
    assert all(table.settings(cell)[1].weight_decay == 0.1 for cell in cells)


def test_cell_settings_come_in_layers() -> None:
    cell = Cell("small", "both", (("training.epochs", 7), ("model.*.dropout", 0.5)), 9)
    model, training = _table().settings(cell)
    assert (training.epochs, training.seed) == (7, 9)
    assert model.ranker.options == {"dropout": 0.5}


def test_component_of_another_name_replaces_the_whole() -> None:
    lower = {"ranker": {"name": "din", "dropout": 0.1}}
    assert merge(lower, {"ranker": {"name": "deepfm"}}) == {"ranker": {"name": "deepfm"}}
    assert merge(lower, {"ranker": {"hidden_units": [4]}})["ranker"] == {
        "name": "din",
        "dropout": 0.1,
        "hidden_units": [4],
    }


def _result(seed: int, two_stage: list[float], retriever: list[float]) -> dict:
    history = [
        {"epoch": i + 1, "cpu_seconds": 10.0, "val_two_stage_ndcg@10": two, "val_retriever_ndcg@10": one}
        for i, (two, one) in enumerate(zip(two_stage, retriever, strict=True))
    ]
    test = dict.fromkeys(report.METRICS, 0.1 * seed)
    cell = {"dataset": "small", "method": "both", "point": [], "seed": seed}
    best = max(two_stage)
    return {"cell": cell, "history": history, "validation": best, "best_epoch": 1, "test": test, "seconds": 9.0}


def test_times_to_quality_count_from_the_start() -> None:
    result = _result(1, two_stage=[0.1, 0.3, 0.39, 0.4], retriever=[0.2, 0.2, 0.2, 0.2])
    assert report.seconds_to_pass_retriever(result) == 20.0
    assert report.seconds_to_quality(result) == 30.0
    never = _result(1, two_stage=[0.1, 0.1], retriever=[0.2, 0.2])
    assert math.isnan(report.seconds_to_pass_retriever(never))


def test_report_has_mean_and_deviation_over_seeds(tmp_path: Path) -> None:
    runs = [_result(seed, [0.1, 0.2], [0.1, 0.1]) for seed in (1, 2, 3)]
    report.write(_table(), {("small", "plain"): runs[:1], ("small", "both"): runs}, tmp_path, "table")
    text = (tmp_path / "table.md").read_text()
    assert "| Both |" in text
    # 0.1, 0.2, 0.3: mean 0.2, sample deviation 0.1.
    assert "0.2000 ± 0.1000" in text
    assert (tmp_path / "table-small.png").stat().st_size > 1000
    with (tmp_path / "table.csv").open() as file:
        assert [row["seed"] for row in csv.DictReader(file)] == ["1", "1", "2", "3"]


def test_what_a_method_is_not_measured_by_is_left_empty(tmp_path: Path) -> None:
    run = _result(1, [0.1, 0.2], [0.1, 0.1])
    del run["test"]["retriever_recall@100"]
    report.write(_table(), {("small", "both"): [run]}, tmp_path, "table")
    assert "| 0.1000 ± 0.0000 | – |" in (tmp_path / "table.md").read_text()
    with (tmp_path / "table.csv").open() as file:
        assert [row["retriever_recall@100"] for row in csv.DictReader(file)] == [""]


def test_a_cell_of_other_settings_is_another_cell(tmp_path: Path) -> None:
    cell = Cell("small", "both", (), 1)
    first, again = (result_path(_table(), cell, tmp_path) for _ in range(2))
    assert first == again
    changed = [_table(training={"epochs": 4}), _table(model={"embedding_dim": 8})]
    assert len({first, *(result_path(table, cell, tmp_path) for table in changed)}) == 3


def test_unfinished_cells_and_methods_are_left_out(tmp_path: Path) -> None:
    table = _table(search={"training.weight_decay": [0.0, 0.1]}, seeds=[1, 2, 3])
    better = (("training.weight_decay", 0.1),)
    for point, seed, validation in ((better, 1, 0.4), ((("training.weight_decay", 0.0),), 1, 0.3), (better, 3, 0.2)):
        cell = Cell("small", "both", point, seed)
        result_path(table, cell, tmp_path).write_text(json.dumps({"cell": cell._asdict(), "validation": validation}))
    results = finished_cells(table, ["small"], tmp_path)
    assert list(results) == [("small", "both")]
    assert [result["validation"] for result in results["small", "both"]] == [0.4, 0.2]
