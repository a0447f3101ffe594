"""Tables of experiments: what a cell is made of, and what the report makes of results."""

import csv
import json
import math
from pathlib import Path

import numpy as np
import pydantic
import pytest
import scipy.stats

from experiments import report
from experiments.cells import finished_cells, result_path, run_cells
from experiments.config import Cell, Table, load_table
from tests.paths import ROOT

_TABLES = ROOT / "experiments"


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


_DECAY = [{"training.weight_decay": 0.1}, {}]


@pytest.mark.parametrize("path", sorted(_TABLES.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_cell_of_the_tables_is_valid(path: Path) -> None:
    table = load_table(path)
    for cell in (cell for pair in table.pairs() for cell in table.search_cells(*pair)):
        model, training = table.settings(cell)
        assert training.seed == cell.seed
        assert model.algorithm.name


def test_search_is_the_same_for_every_method() -> None:
    table = _table(search={"points": [*_DECAY, {"training.patience": 1}], "epochs": 2}, seeds=[5, 6])
    cells = {method: table.search_cells("small", method) for method in ("plain", "both")}
    assert [cell.point for cell in cells["plain"]] == [cell.point for cell in cells["both"]]
    assert {(cell.seed, table.settings(cell)[1].epochs) for cell in cells["both"]} == {(5, 2)}
    assert len(cells["both"]) == 3


def test_where_there_is_nothing_to_choose_no_training_is_short() -> None:
    table = _table(search={"epochs": 2})
    (cell,) = table.search_cells("small", "both")
    assert table.settings(cell)[1].epochs == 3


def test_a_data_set_may_have_settings_and_a_search_of_its_own() -> None:
    values = _table(search={"points": _DECAY}).model_dump()
    values["datasets"]["other"] = {**values["datasets"]["small"], "training": {"epochs": 5}, "search": {}}
    table = Table(**values)
    assert len(table.search_cells("small", "both")) == 2
    assert [cell.point for cell in table.search_cells("other", "both")] == [()]
    epochs = [table.settings(Cell(name, "both", (), 1))[1].epochs for name in ("small", "other")]
    assert epochs == [3, 5]


def test_the_smoke_run_is_one_epoch_of_one_cell_a_method() -> None:
    table = _table(search={"points": _DECAY}, seeds=[5, 6]).quick()
    cells = [cell for pair in table.pairs() for cell in table.search_cells(*pair)]
    assert [(cell.method, cell.seed) for cell in cells] == [("plain", 5), ("both", 5)]
    assert all(table.settings(cell)[1].epochs == 1 for cell in cells)
    assert table.seeds == [5]


def test_a_wildcard_reaches_every_component_that_has_the_option() -> None:
    model, _ = _table().settings(Cell("small", "plain", (("model.*.dropout", 0.5),), 1))
    # SASRec has dropout, left to its default; the ranker `none` has not.
    assert model.retriever.options == {"dropout": 0.5}
    assert model.ranker.options == {}


def test_the_compared_method_must_be_in_the_table() -> None:
    with pytest.raises(pydantic.ValidationError, match="`compared` must be one of the methods of `small`.*'best'"):
        _table(compared="best")


@pytest.mark.parametrize(
    ("chosen", "message"),
    [
        ({"datasets": ["large"]}, r"`--only` must be among \['small'\]. Received: \['large'\]"),
        ({"methods": ["neither"]}, r"`--methods` must be among \['both', 'plain'\]. Received: \['neither'\]"),
        ({"seeds": [9]}, r"`--seeds` must be among \[1, 2, 3\]. Received: \[9\]"),
    ],
)
def test_a_piece_that_is_not_in_the_table_is_refused(chosen: dict, message: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=message):
        run_cells(_table(), tmp_path, str(tmp_path), **chosen)


def test_cell_settings_come_in_layers() -> None:
    cell = Cell("small", "both", (("training.epochs", 7), ("model.*.dropout", 0.5)), 9)
    model, training = _table().settings(cell)
    assert (training.epochs, training.seed) == (7, 9)
    assert model.ranker.options == {"dropout": 0.5}


def _result(seed: int, two_stage: list[float], retriever: list[float]) -> dict:
    history = [
        {"epoch": i + 1, "cpu_seconds": 10.0, "val_two_stage_ndcg@10": two, "val_retriever_ndcg@10": one}
        for i, (two, one) in enumerate(zip(two_stage, retriever, strict=True))
    ]
    test = dict.fromkeys(report.METRICS, 0.1 * seed)
    cell = Cell("small", "both", (), seed)
    best = max(two_stage)
    model = {"candidates": 100}
    return {
        "cell": cell,
        "model": model,
        "history": history,
        "validation": best,
        "best_epoch": 1,
        "test": test,
        "seconds": 9.0,
    }


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
    # One seed has no deviation.
    assert "| Plain | – | 1 | 0.1000 |" in text
    assert (tmp_path / "table-small.png").stat().st_size > 1000
    with (tmp_path / "table.csv").open() as file:
        assert [row["seed"] for row in csv.DictReader(file)] == ["1", "1", "2", "3"]


def test_what_a_method_is_not_measured_by_is_left_empty(tmp_path: Path) -> None:
    run = _result(1, [0.1, 0.2], [0.05, 0.05])
    run["model"]["candidates"] = "all"
    del run["test"]["retriever_recall@100"]
    report.write(_table(), {("small", "both"): [run]}, tmp_path, "table")
    (row,) = (line for line in (tmp_path / "table.md").read_text().splitlines() if line.startswith("| Both |"))
    # Its retriever's NDCG and recall, and the time to pass it.
    assert row.split(" | ")[3] == row.split(" | ")[7] == row.split(" | ")[9] == "–"
    assert row.count("–") == 4
    with (tmp_path / "table.csv").open() as file:
        assert [row["retriever_recall@100"] for row in csv.DictReader(file)] == [""]


def _with_users(run: dict, values: np.ndarray) -> dict:
    return {**run, "users": {"two_stage_ndcg@10": values.tolist()}}


def test_p_value_is_of_users_paired_over_the_seeds_both_ran() -> None:
    generator = np.random.default_rng(3)
    theirs, noise = generator.random([3, 50]), 0.02 + 0.05 * generator.standard_normal([3, 50])
    runs = [_result(seed, [0.1], [0.1]) for seed in (1, 2, 3)]
    # Two of the three seeds are common to both.
    other = [_with_users(run, values) for run, values in zip(runs, theirs, strict=True)]
    own = [_with_users(run, values) for run, values in zip(runs[:2], (theirs + noise)[:2], strict=True)]
    difference = noise[:2].mean(axis=0)
    statistic = difference.mean() / (difference.std(ddof=1) / np.sqrt(50))
    expected = 2 * scipy.stats.t.sf(abs(statistic), df=49)
    assert report.paired_p_value(own, other) == pytest.approx(expected, rel=1e-9)
    assert [report.mark(p) for p in (0.2, 0.04, 0.009)] == ["", "*", "**"]


def test_report_compares_with_the_others(tmp_path: Path) -> None:
    users = np.linspace(0.1, 0.9, 20)
    plain = _with_users(_result(1, [0.1], [0.1]), users)
    both = _with_users(_result(1, [0.1], [0.1]), users + np.resize([0.04, 0.06], 20))
    both["test"] = dict.fromkeys(report.METRICS, 0.11)
    results = {("small", "plain"): [plain], ("small", "both"): [both]}
    report.write(_table(compared="both"), results, tmp_path, "table")
    text = (tmp_path / "table.md").read_text()
    assert "| Plain | +10.0%** |" in text
    assert "| Both |  |" in text


def test_a_cell_of_other_settings_is_another_cell(tmp_path: Path) -> None:
    cell = Cell("small", "both", (), 1)
    first, again = (result_path(_table(), cell, tmp_path) for _ in range(2))
    assert first == again
    changed = [_table(training={"epochs": 4}), _table(model={"embedding_dim": 8})]
    assert len({first, *(result_path(table, cell, tmp_path) for table in changed)}) == 3
    # Where a training runs, and what it begins from in a pipeline, are none of a result's.
    elsewhere = _table(training={"epochs": 3, "warm_start": True, "distribution": {"strategy": "mirrored"}})
    assert result_path(elsewhere, cell, tmp_path) == first


def test_what_settings_have_in_common_is_one_cell(tmp_path: Path) -> None:
    cell, dropout = Cell("small", "both", (), 1), (("model.*.dropout", 0.2),)
    values = _table().model_dump()
    # The same settings under another name, a default written out.
    ranker = {"name": "din", "dropout": 0.1, "hidden_units": [64, 32]}
    values["datasets"]["small"]["methods"] = {"same": {"label": "Same", "model": {"ranker": ranker}}}
    assert result_path(Table(**values), Cell("small", "same", (), 1), tmp_path) == result_path(_table(), cell, tmp_path)
    assert result_path(_table(), cell._replace(point=dropout), tmp_path) != result_path(_table(), cell, tmp_path)


def test_unfinished_cells_and_methods_are_left_out(tmp_path: Path) -> None:
    table = _table(search={"points": _DECAY, "epochs": 1}, seeds=[1, 2, 3])
    decay, none = (cell.point for cell in table.search_cells("small", "both"))
    finished = [
        (Cell("small", "both", none, 1, 1), 0.3),
        (Cell("small", "both", none, 3), 0.2),
        (Cell("small", "both", decay, 1), 0.1),
    ]
    for cell, validation in finished:
        result_path(table, cell, tmp_path).write_text(json.dumps({"validation": validation}))
    # Nothing is chosen before the search is over.
    assert finished_cells(table, tmp_path) == {}
    searched = Cell("small", "both", decay, 1, 1)
    result_path(table, searched, tmp_path).write_text(json.dumps({"validation": 0.4}))
    results = finished_cells(table, tmp_path)
    assert list(results) == [("small", "both")]
    assert [result["validation"] for result in results["small", "both"]] == [0.1]
