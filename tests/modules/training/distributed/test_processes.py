"""Worker processes: one that is killed, ones that cannot start, and what the process that started them makes of it."""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from modules.training.distributed.config import DistributionConfig
from modules.training.distributed.processes import AGAIN, WRONG
from modules.training.distributed.rendezvous import free_ports
from modules.training.distributed.tf_config import TaskConfig, local_cluster
from modules.training.fit import FitResult, fit
from modules.training.job import Job, find_job, remove_job, write_job
from tests.modules import tiny
from tests.modules.training import runs
from tests.paths import ROOT

EPOCHS = 3
CLOCKS = {"seconds", "cpu_seconds"}
SIMPLE = {"retriever": tiny.MF, "ranker": {"name": "none"}, "algorithm": {"name": "retriever_only"}}
WORKER = "modules.training.worker"
BOUND_SECONDS = 300
"""Of a loaded machine; alone, a worker hears of another's death within some 15 seconds."""


def run(data: Path, directory: Path, callbacks: list[tf.keras.callbacks.Callback], **distribution: object) -> FitResult:
    training = runs.training_config(
        epochs=EPOCHS, distribution=DistributionConfig(strategy="multi_worker", **distribution)
    )
    return fit(tiny.make_config(**runs.SEQUENTIAL), training, runs.training_data(data), str(directory), callbacks)


def start(task: TaskConfig, module: str, *arguments: str) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-m", module, *arguments],
        cwd=ROOT,
        env={**os.environ, "TF_CONFIG": task.to_json(), "OMP_NUM_THREADS": "1", "TF_NUM_INTRAOP_THREADS": "1"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


class Epochs(tf.keras.callbacks.Callback):
    """Keeps what callbacks are told."""

    def __init__(self) -> None:
        super().__init__()
        self.told: list[tuple[int, dict[str, float]]] = []

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        self.told.append((epoch, dict(logs)))


def test_a_killed_worker_ends_the_others_and_started_again_the_run_ends_at_the_same_place(
    data: Path, tmp_path: Path
) -> None:
    # Mid-epoch: the second of the second epoch's three steps.
    distribution = DistributionConfig(strategy="multi_worker", peer_timeout_seconds=BOUND_SECONDS)
    training = runs.training_config(epochs=EPOCHS, distribution=distribution)
    model = tiny.make_config(**runs.SEQUENTIAL)
    directory = tmp_path / "run"
    write_job(Job(model, training, runs.training_data(data)), str(directory))
    first, second = local_cluster(free_ports(2))
    survivor = start(first, WORKER, "--job", str(directory))
    victim = start(second, "tests.modules.training.distributed.killed_worker", str(directory), "1", "1")
    victim_output, _ = victim.communicate()
    assert victim.returncode == -signal.SIGKILL, victim_output
    output, _ = survivor.communicate(timeout=BOUND_SECONDS)
    assert survivor.returncode == AGAIN, output
    assert f"error: this worker cannot go on without worker 1 ({first.addresses[1]}):" in output, output
    assert len(json.loads((directory / "history.json").read_text())) == 1

    epochs = Epochs()
    board = tf.keras.callbacks.TensorBoard(str(tmp_path / "board"), profile_batch=0)
    resumed = run(data, directory, [epochs, board], local_workers=2, restarts=0)
    assert list((tmp_path / "board").rglob("events.out.*"))
    unbroken = runs.run(data, tmp_path / "alone", epochs=EPOCHS)
    assert resumed.best_epoch == unbroken.best_epoch
    for ours, theirs in zip(resumed.history, unbroken.history, strict=True):
        assert ours.keys() == theirs.keys()
        for name in ours.keys() - CLOCKS:
            assert ours[name] == pytest.approx(theirs[name], rel=1e-3, abs=1e-4), name
    context = tiny.make_context([1, 2], [[1, 2, 3], [4]])
    candidates = tf.constant([[4, 5], [6, 7]], tf.int64)
    ours, theirs = (result.model.rank(context, candidates).numpy() for result in (resumed, unbroken))
    # Up to a constant of the context: the output's bias, whose gradient is nothing but rounding, which Adam scales up.
    np.testing.assert_allclose(np.diff(ours), np.diff(theirs), rtol=1e-3, atol=1e-5)
    assert find_job(str(directory)) is None
    # What was done before is not told again.
    assert [epoch for epoch, _ in epochs.told] == [1, 2]
    for (_, logs), entry in zip(epochs.told, resumed.history[1:], strict=True):
        assert logs == {name: value for name, value in entry.items() if name not in {"epoch", *CLOCKS}}
    assert not isinstance(resumed.model.retriever.all_candidates(), tf.distribute.DistributedValues)


def test_what_would_fail_again_is_not_tried_again(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"(?s)worker 0 .* ended with exit code 2\..*`patterns` must match") as error:
        run(tmp_path / "nowhere", tmp_path / "run", [], local_workers=1)
    log = tmp_path / "run" / "logs" / "worker-0.log"
    assert str(log) in str(error.value)
    assert log.read_text().count("`patterns` must match") == 1


def test_a_worker_that_never_comes_is_named_after_the_restarts(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = local_cluster(free_ports(2))[0]
    monkeypatch.setenv("TF_CONFIG", task.to_json())
    missing = rf"Missing: worker 1 \({task.addresses[1]}\)"
    with pytest.raises(RuntimeError, match=rf"(?s)stopped after 1 restarts.*exit code {AGAIN}\..*{missing}"):
        run(data, tmp_path / "run", [], restarts=1, start_timeout_seconds=1)
    assert len(re.findall(missing, (tmp_path / "run" / "logs" / "worker-0.log").read_text())) == 2


def test_several_workers_need_a_cluster(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TF_CONFIG", raising=False)
    with pytest.raises(ValueError, match="`TF_CONFIG` must be set where several workers train"):
        run(data, tmp_path / "run", [])


def test_a_worker_ends_with_the_process_that_started_it(tmp_path: Path) -> None:
    (task,) = local_cluster(free_ports(1))
    worker = start(task, WORKER, "--job", str(tmp_path), "--with-parent")
    worker.stdin.close()
    assert worker.wait(BOUND_SECONDS) == AGAIN


def test_a_parameter_server_serves_until_the_job_is_taken_back(data: Path, tmp_path: Path) -> None:
    training = runs.training_config(distribution=DistributionConfig(strategy="parameter_server"))
    write_job(Job(tiny.make_config(**runs.SEQUENTIAL), training, runs.training_data(data)), str(tmp_path))
    *_, task = local_cluster(free_ports(2), free_ports(1))
    server = start(task, WORKER, "--job", str(tmp_path))
    assert any(f"ps 0 ({task.cluster['ps'][0]}) serves at" in line for line in server.stdout)
    assert server.poll() is None
    remove_job(str(tmp_path))
    assert server.wait(BOUND_SECONDS) == 0


def test_a_worker_says_what_is_wrong_with_its_cluster(tmp_path: Path) -> None:
    worker = subprocess.run(
        [sys.executable, "-m", WORKER, "--job", str(tmp_path)],
        cwd=ROOT,
        env={**os.environ, "TF_CONFIG": "{"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert worker.returncode == WRONG
    assert "error: `TF_CONFIG` must be JSON" in worker.stderr
