"""A table from its file to its report, through the pipeline's own data half and training."""

import csv
import json
from pathlib import Path

import pytest
import yaml

from experiments import run
from tests.tfx_pipeline.small_table import write_table


def _write_experiment(folder: Path) -> Path:
    write_table(folder / "table.csv")
    data = {
        "source": "csv",
        "task": "general",
        "path": str(folder / "table.csv"),
        "columns": {"user": "who", "item": "what", "timestamp": "when"},
        "min_user_interactions": 5,
        "min_item_interactions": 5,
    }
    alone = {"ranker": {"name": "none"}, "algorithm": {"name": "retriever_only"}}
    methods = {
        "alone": {"label": "Alone", "baseline": True, "model": alone},
        "both": {"label": "Both", "model": {"ranker": {"name": "deepfm", "hidden_units": [4]}}},
    }
    table = {
        "title": "A small table",
        "datasets": {"small": {"label": "Small", "data": data, "methods": methods}},
        "model": {
            "embedding_dim": 4,
            "history_length": 4,
            "num_negatives": 4,
            "candidates": 20,
            "retriever": {"name": "mf"},
            "sampler": {"name": "uniform"},
        },
        "training": {"epochs": 3, "batch_size": 128},
        "search": {"points": [{}, {"training.weight_decay": 0.1}], "epochs": 2},
        "compared": "both",
        "seeds": [1, 2],
    }
    path = folder / "small.yaml"
    path.write_text(yaml.safe_dump(table))
    return path


def _results(root: Path) -> dict[str, tuple[int, dict]]:
    files = sorted((root / "cells").glob("*.json"))
    return {file.name: (file.stat().st_mtime_ns, json.loads(file.read_text())) for file in files}


def _of(results: dict[str, tuple[int, dict]], epochs: int) -> list[tuple[str, dict]]:
    return [(name, result) for name, (_, result) in results.items() if result["training"]["epochs"] == epochs]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where a smoke run, a piece of the table, and the whole table have been run."""
    folder = tmp_path_factory.mktemp("experiment")
    table = _write_experiment(folder)
    root = ["--root", str(folder / "root")]
    assert run.main([str(table), "--quick", *root]) == 0
    assert run.main([str(table), "--output", str(folder / "piece"), "--methods", "both", "--seeds", "2", *root]) == 0
    assert run.main([str(table), "--output", str(folder / "report"), *root]) == 0
    return folder


def test_a_smoke_run_reports_beside_its_results(folder: Path) -> None:
    smoke = _of(_results(folder / "root"), epochs=1)
    assert len(smoke) == 2
    assert all(len(result["history"]) == 1 for _, result in smoke)
    assert "| Both |" in (folder / "root" / "quick" / "small.md").read_text()


def test_a_piece_is_the_search_and_the_seeds_asked_for(folder: Path) -> None:
    with (folder / "piece" / "small.csv").open() as file:
        assert [(row["method"], row["seed"]) for row in csv.DictReader(file)] == [("both", "2")]


def test_every_method_gets_the_search_and_the_seeds(folder: Path) -> None:
    results = _results(folder / "root")
    for ranker in ("none", "deepfm"):
        searched, final = (
            sorted(
                (result["training"]["seed"], result["training"]["weight_decay"])
                for name, result in _of(results, epochs)
                if f"-{ranker}-" in name
            )
            for epochs in (2, 3)
        )
        assert searched == [(1, 0.0), (1, 0.1)]
        assert [seed for seed, _ in final] == [1, 2]
        assert len({decay for _, decay in final}) == 1
    text = (folder / "report" / "small.md").read_text()
    assert "| Alone |" in text
    assert "| Both |" in text


def test_every_users_value_is_kept(folder: Path) -> None:
    for _, result in _results(folder / "root").values():
        users = result["users"]["two_stage_ndcg@10"]
        assert sum(users) / len(users) == pytest.approx(result["test"]["two_stage_ndcg@10"], abs=1e-5)


def test_a_finished_cell_is_never_run_twice(folder: Path) -> None:
    before = _results(folder / "root")
    (lost,) = (name for name, _ in _of(before, epochs=3) if "-deepfm-" in name and "seed=2" in name)
    (folder / "root" / "cells" / lost).unlink()
    assert (
        run.main([str(folder / "small.yaml"), "--output", str(folder / "report"), "--root", str(folder / "root")]) == 0
    )
    after = _results(folder / "root")
    assert after.keys() == before.keys()
    assert [name for name in after if after[name][0] != before[name][0]] == [lost]
    # Equal settings and seed end where they did before.
    assert after[lost][1]["test"] == pytest.approx(before[lost][1]["test"], abs=1e-6)
    assert not list((folder / "root" / "cells" / "checkpoints").iterdir())
