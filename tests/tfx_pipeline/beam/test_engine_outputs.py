"""Every component that runs on Beam writes the same on workers of their own processes as in this one's memory."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from benchmarks.engines.outputs import read_outputs
from tests.paths import ROOT

ENGINES = ("in_memory", "job_server")
KINDS = ("examples", "statistics", "vocabularies", "transformed examples", "metrics", "recommendations")


class Benchmark(NamedTuple):
    """What the benchmark printed, and what each engine's components wrote."""

    table: list[list[str]]
    results: dict[str, Any]
    outputs: dict[str, dict[str, Any]]
    folder: Path


@pytest.fixture(scope="module")
def benchmark(tmp_path_factory: pytest.TempPathFactory) -> Benchmark:
    folder = tmp_path_factory.mktemp("engines")
    arguments = ["--quick", f"--root={folder}", f"--output={folder / 'results.json'}", "--engines", *ENGINES]
    command = [sys.executable, "-m", "benchmarks.engines", *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=1800)
    assert done.returncode == 0, done.stderr
    table = [line.strip("| ").split(" | ") for line in done.stdout.splitlines() if line.startswith("|")]
    outputs = {engine: read_outputs(str(folder / engine / "pipelines" / "corr")) for engine in ENGINES}
    return Benchmark(table, json.loads((folder / "results.json").read_text()), outputs, folder)


@pytest.mark.parametrize("kind", KINDS)
def test_processes_of_their_own_write_the_same(benchmark: Benchmark, kind: str) -> None:
    in_memory, job_server = (benchmark.outputs[engine][kind] for engine in ENGINES)
    assert in_memory == job_server


def test_there_is_something_to_be_equal(benchmark: Benchmark) -> None:
    outputs = benchmark.outputs["job_server"]
    assert set(outputs) == set(KINDS)
    users = {"Split-train": 60, "Split-valid": 60, "Split-test": 60, "Split-catalog": 40}
    for kind in ("examples", "transformed examples"):
        assert {split: records.total() for split, records in outputs[kind].items()} == users
    assert set(outputs["statistics"]) == {"Split-train", "Split-valid", "Split-test"}
    assert len(outputs["vocabularies"]["items"].split()) > 40
    assert {"items", "users", "item_kind"} <= set(outputs["vocabularies"])
    assert len({of_slice for of_slice, _ in outputs["metrics"]}) > 3
    assert 0 < outputs["metrics"]["", "two_stage/ndcg@10"] < 1
    assert outputs["recommendations"].total() == 60
    assert all(len(items) == len(scores) == 10 for _, items, scores in outputs["recommendations"])


def test_each_beam_pipeline_had_a_worker_in_a_process_of_its_own(benchmark: Benchmark) -> None:
    folder = benchmark.folder / "job_server" / "engine"
    workers = re.findall(
        r'Starting worker with command.*worker_id="(\w+)"', (folder / "worker_pool_main.log").read_text()
    )
    jobs = re.findall(r"Completed job in .* with state (\w+)", (folder / "local_job_service_main.log").read_text())
    assert set(jobs) == {"DONE"}
    # ExampleGen takes two pipelines at least, each other component one at least.
    assert len(jobs) >= 6
    assert len(set(workers)) == len(workers) == len(jobs)


def test_the_command_prints_what_each_engine_took(benchmark: Benchmark) -> None:
    header, rule, *rows = benchmark.table
    assert header == ["Engine", "wall s", "CPU s", "peak MB, driver", "peak MB, all others", "equal output"]
    assert rule == [":--", *["--:"] * 5]
    assert [row[0] for row in rows] == ["direct, in memory", "job server, 1 worker process"]
    assert [row[-1] for row in rows] == ["-", "yes"]
    engines = benchmark.results["engines"]
    assert all(engines[engine]["cpu_seconds"] > 1 and engines[engine]["driver_bytes"] > 1e8 for engine in ENGINES)
    assert engines["job_server"]["rest_bytes"] > 2e8
