"""Large tables in shards on servers, and workers that step each for itself."""

import json
import logging
import os
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from benchmarks.parameter_servers import task_processes
from modules.models.build import check_shards
from modules.models.config import ModelConfig
from modules.training.distributed.config import DistributionConfig
from modules.training.fit import FitResult, fit
from tests.modules import tiny
from tests.modules.training import runs

EPOCHS = 4
CLOCKS = {"seconds", "cpu_seconds"}


def run(
    data: Path,
    directory: Path,
    callbacks: list[tf.keras.callbacks.Callback] | None = None,
    stages: Mapping[str, Any] = runs.SEQUENTIAL,
    learning_rate: float = 1e-3,
    optimizer: str = "adam",
    **distribution: Any,
) -> FitResult:
    """Trains with all but the smallest weights in shards, beginning with the weights a single process begins with."""
    settings = DistributionConfig(strategy="parameter_server", min_shard_bytes=64, **distribution)
    return fit(
        tiny.make_config(**stages),
        runs.training_config(
            epochs=EPOCHS,
            distribution=settings,
            retriever_learning_rate=learning_rate,
            optimizer={"name": optimizer},
        ),
        runs.training_data(data),
        str(directory),
        callbacks or [],
        initialise=lambda model: None,
    )


@pytest.mark.parametrize("optimizer", ["adam", "lazy_adam"])
def test_a_worker_with_two_servers_trains_as_one_process(data: Path, tmp_path: Path, optimizer: str) -> None:
    shared = run(data, tmp_path / "shared", optimizer=optimizer, local_workers=1, local_servers=2, restarts=0)
    alone = runs.run(data, tmp_path / "alone", epochs=EPOCHS, optimizer={"name": optimizer})
    assert shared.best_epoch == alone.best_epoch
    for ours, theirs in zip(shared.history, alone.history, strict=True):
        # The losses, what validation finds in the shards, and the codebooks that were moved after them.
        assert ours.keys() == theirs.keys()
        for name in ours.keys() - CLOCKS:
            assert ours[name] == pytest.approx(theirs[name], rel=1e-3, abs=1e-5), name
    context = tiny.make_context([1, 2], [[1, 2, 3], [4]])
    candidates = tf.constant([[4, 5], [6, 7]], tf.int64)
    ours, theirs = (result.model.rank(context, candidates).numpy() for result in (shared, alone))
    np.testing.assert_allclose(np.diff(ours), np.diff(theirs), rtol=1e-3, atol=1e-5)
    # In one piece again, for whatever exports it.
    assert isinstance(shared.model.retriever.all_candidates(), tf.Variable)


class Kill(tf.keras.callbacks.Callback):
    """Kills a process of the training when an epoch has ended."""

    def __init__(self, **epochs: int) -> None:
        super().__init__()
        self._epochs = epochs
        self.killed: list[str] = []

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        for kind, when in self._epochs.items():
            if epoch >= when and kind not in self.killed:
                os.kill(task_processes()[f"{kind} 0"], signal.SIGKILL)
                self.killed.append(kind)


def test_a_killed_worker_is_replaced_and_a_killed_server_begins_the_epoch_anew(
    data: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    kill = Kill(worker=0, ps=1)
    with caplog.at_level(logging.WARNING):
        # A single worker, without which nothing goes on.
        result = run(data, tmp_path, [kill], learning_rate=0.03, local_workers=1, local_servers=2, restarts=2)
    assert kill.killed == ["worker", "ps"]
    assert [entry["epoch"] for entry in result.history] == list(range(1, EPOCHS + 1))
    assert all(np.isfinite(entry["loss"]) for entry in result.history)
    assert result.history[-1]["retriever_loss"] < result.history[0]["retriever_loss"]
    first, second = (record.getMessage() for record in caplog.records if "ended" in record.getMessage())
    assert "worker 0" in first
    assert "the others go on" in first
    assert "ps 0" in second or "chief 0" in second
    log = (tmp_path / "logs" / "worker-0.log").read_text()
    # The chief met the others twice: it outlived the worker, not the server.
    assert log.count("are there.") == 2
    assert (tmp_path / "logs" / "worker-1.log").read_text().count(" serves at ") == 3
    assert "Training resumes after epoch" in log


SHARDED = {"retriever": tiny.SASREC, "ranker": tiny.DIN, "sampler": tiny.MIDX}


@pytest.mark.parametrize(
    "stages",
    [
        SHARDED,
        {**SHARDED, "sampler": {"name": "uniform"}, "algorithm": {"name": "independent"}},
        {**SHARDED, "retriever": {"name": "mf"}, "algorithm": {"name": "icc"}},
        {**SHARDED, "algorithm": {"name": "retriever_only", "loss": "bpr"}},
    ],
)
def test_what_reads_rows_alone_may_lie_in_shards(stages: dict[str, Any]) -> None:
    check_shards(ModelConfig(**stages))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"retriever": {"name": "dssm"}}, r"`model.retriever` must be one of \['bert4rec', .*Received: 'dssm'"),
        ({"sampler": {"name": "exact"}}, r"`model.sampler` must be one of \['midx', 'uniform'\] .*Received: 'exact'"),
        ({"sampler": {"name": "midx", "within_cell": "popularity"}}, "Received: 'midx' with .*popularity"),
        ({"algorithm": {"name": "rankflow"}}, r"`model.algorithm` must be one of \['corr', .*Received: 'rankflow'"),
        ({"algorithm": {"name": "retriever_only"}}, "Received: 'retriever_only'"),
        ({"candidates": "all"}, "`model.candidates` must be a number"),
    ],
)
def test_what_reads_the_whole_corpus_is_refused_with_what_would_do(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        check_shards(ModelConfig(**{**SHARDED, **change}))


def test_a_configuration_that_needs_the_whole_corpus_is_refused_before_anything_is_started(
    data: Path, tmp_path: Path
) -> None:
    stages = {**runs.SEQUENTIAL, "sampler": {"name": "popularity"}}
    with pytest.raises(ValueError, match="Received: 'popularity'"):
        run(data, tmp_path / "run", stages=stages, local_workers=1, local_servers=1)
    assert not (tmp_path / "run").exists()


def test_the_trainer_is_the_chief(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = {"chief": ["a:1"], "worker": ["b:2"], "ps": ["c:3"]}
    monkeypatch.setenv("TF_CONFIG", json.dumps({"cluster": cluster, "task": {"type": "worker", "index": 0}}))
    with pytest.raises(ValueError, match=r"must be the `chief`.*Received: `TF_CONFIG` of worker 0 \(b:2\)"):
        run(data, tmp_path)
