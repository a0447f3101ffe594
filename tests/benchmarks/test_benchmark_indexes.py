"""The indexes' benchmark as a user would run it, in its smallest sizes."""

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks.item_vectors import item_vectors, queries_near
from tests.paths import ROOT

INDEXES = ["exact_top_k", "TFRS BruteForce", "partitioned, none", "partitioned, int8", "ScaNN"]


def test_it_prints_a_table_a_corpus(tmp_path: Path) -> None:
    output, plot = tmp_path / "results.json", tmp_path / "plots" / "recall.png"
    command = [sys.executable, "-m", "benchmarks.indexes", "--quick", "--output", str(output), "--plot", str(plot)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    tables = [block.splitlines() for block in done.stdout.split("\n\n") if block.startswith("|")]
    assert len(tables) == 2
    for header, rule, *rows in tables:
        assert rule.count("--:") == header.count("|") - 2
        cells = [row.strip("| ").split(" | ") for row in rows]
        assert [row[0] for row in cells] == INDEXES
        assert all(re.fullmatch(r"[\d,.]+%?|-", cell) for row in cells for cell in row[1:])
        recalls = {row[0]: float(row[1]) for row in cells}
        assert recalls["exact_top_k"] == recalls["TFRS BruteForce"] == 1
        assert recalls["partitioned, int8"] > 0.85
    corpora = json.loads(output.read_text())["corpora"]
    assert list(corpora) == ["600 items, clustered", "600 items, normal"]
    assert plot.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("kind", ["clustered", "normal"])
def test_vectors_and_queries_are_seeded(kind: str) -> None:
    vectors = item_vectors(kind, 400, 8)
    np.testing.assert_array_equal(vectors, item_vectors(kind, 400, 8))
    assert (vectors.shape, vectors.dtype) == ((400, 8), np.float32)
    one, other = (queries_near(kind, vectors, 5, seed) for seed in (1, 2))
    assert (one.shape, one.dtype) == ((5, 8), np.float32)
    assert not np.array_equal(one, other)


def test_clustered_lengths_are_log_normal() -> None:
    lengths = np.log(np.linalg.norm(item_vectors("clustered", 4_000, 16), axis=1))
    assert np.mean(lengths) == pytest.approx(0, abs=0.02)
    assert np.std(lengths) == pytest.approx(0.25, rel=0.05)
