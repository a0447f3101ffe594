"""Several workers, or several devices, step as one replica would."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from modules.training.distributed.cluster import Cluster
from modules.training.distributed.rendezvous import free_ports
from modules.training.distributed.tf_config import local_cluster
from tests.modules.training import runs
from tests.modules.training.distributed import replicas
from tests.paths import ROOT

Record = Mapping[str, Any]

# Of a loss around 7: sums over the batch are taken in another order, and Adam's steps follow.
TOLERANCE = 1e-5
TOGETHER = ("corr", "corr_weighted", "independent", "plain")


def start(data: Path, folder: Path, strategy: str, *algorithms: str, **environment: str) -> subprocess.Popen:
    folder.mkdir(exist_ok=True)
    command = [
        sys.executable,
        "-m",
        "tests.modules.training.distributed.replicas",
        str(data),
        str(folder),
        strategy,
        *algorithms,
    ]
    return subprocess.Popen(
        command,
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1", **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def finish(process: subprocess.Popen) -> None:
    output, _ = process.communicate()
    assert process.returncode == 0, output


def alone(data: Path, folder: Path, algorithm: str) -> Record:
    return replicas.record(data, folder, Cluster(), algorithm)


def read(folder: Path, algorithm: str, worker: int = 0) -> Record:
    return json.loads((folder / f"{algorithm}-{worker}.json").read_text())


def assert_same_steps(many: Record, one: Record) -> None:
    assert len(many["losses"]) == replicas.EPOCHS * runs.STEPS
    assert many["losses"] == pytest.approx(one["losses"], abs=TOLERANCE)
    for ours, theirs in zip(many["history"], one["history"], strict=True):
        assert ours.keys() == theirs.keys()
        for name in ours.keys() - {"seconds", "cpu_seconds"}:
            assert ours[name] == pytest.approx(theirs[name], rel=1e-3, abs=1e-4), name


@pytest.fixture(scope="module")
def two_workers(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of what two processes did together."""
    folder = tmp_path_factory.mktemp("two")
    processes = [
        start(data, folder, "worker", *TOGETHER, TF_CONFIG=task.to_json()) for task in local_cluster(free_ports(2))
    ]
    for process in processes:
        finish(process)
    return folder


@pytest.mark.parametrize("algorithm", TOGETHER)
def test_two_workers_step_as_one(data: Path, tmp_path: Path, two_workers: Path, algorithm: str) -> None:
    one = alone(data, tmp_path, algorithm)
    for worker in range(2):
        assert_same_steps(read(two_workers, algorithm, worker), one)


def test_all_workers_have_the_same_index_after_every_step(two_workers: Path) -> None:
    first, second = (read(two_workers, "corr", worker) for worker in range(2))
    assert first["index"] == second["index"]
    # Refreshed every second step, and so anew each time.
    steps = [index for (index,) in first["index"]]
    assert steps[0::2] == steps[1::2]
    assert len(set(steps)) == len(steps) / 2


def test_all_workers_report_the_same(two_workers: Path) -> None:
    for algorithm in ("corr", "independent"):
        first, second = (read(two_workers, algorithm, worker) for worker in range(2))
        assert first["losses"] == second["losses"]
        for ours, theirs in zip(first["history"], second["history"], strict=True):
            assert {**ours, "seconds": 0, "cpu_seconds": 0} == {**theirs, "seconds": 0, "cpu_seconds": 0}


def test_two_devices_of_one_process_step_as_one(data: Path, tmp_path: Path) -> None:
    # The loss whose mean is over a number that the parts of the batch do not know.
    finish(start(data, tmp_path / "two", "mirrored", "masked_items"))
    assert_same_steps(read(tmp_path / "two", "masked_items"), alone(data, tmp_path / "one", "masked_items"))
