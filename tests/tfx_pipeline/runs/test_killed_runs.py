"""A run that is killed in each of its components in turn, and started again each time."""

import json
import signal
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import tensorflow as tf
from ml_metadata.metadata_store import metadata_store
from ml_metadata.proto import metadata_store_pb2 as mlmd
from tfx.orchestration.metadata import sqlite_metadata_connection_config

from tests.tfx_pipeline.runs import forked_runs
from tests.tfx_pipeline.small_table import NUM_USERS, item_name, write_config, write_table
from tfx_pipeline.config import PipelineConfig, load_config
from tfx_pipeline.pipeline import create_pipeline
from tfx_pipeline.runs.run_lock import lock_path


class Found(NamedTuple):
    """An execution as ML Metadata has it."""

    id: int
    component: str
    state: str
    outputs: int


class Runs(NamedTuple):
    """What a chain of killed runs has left, and an unbroken run on the same table.

    Attributes:
      config: of the pipeline that was killed.
      unbroken: of the other.
      components: in the order they run.
      statuses: of the processes, by the component they were killed in.
      after: the executions as they stood after each of those kills.
      pids: of the process that was killed in each component, and as the lock has it.
      logs: what was printed by the run after each kill.
    """

    config: PipelineConfig
    unbroken: PipelineConfig
    components: list[str]
    statuses: dict[str, int | None]
    after: dict[str, list[Found]]
    pids: dict[str, tuple[int | None, int]]
    logs: dict[str, str]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Runs:
    folder = tmp_path_factory.mktemp("killed")
    table = folder / "table.csv"
    write_table(table)
    configs = {}
    for name in ("unbroken", "killed"):
        path = folder / f"{name}.yaml"
        write_config(path, table, folder / name, serving={"scann": False})
        configs[name] = load_config(path)
    _start(folder, "unbroken", "unbroken")
    config = configs["killed"]
    components = [component.id for component in create_pipeline(config).components]
    statuses, after, pids = {}, {}, {}
    for component in components:
        process = _start(folder, "killed", f"until {component}", killed_in=component)
        statuses[component], after[component] = process.exitcode, _executions(config)
        pids[component] = (process.pid, json.loads(lock_path(config.pipeline_root).read_text())["pid"])
    _start(folder, "killed", "until the end")
    names = [f"until {component}" for component in components[1:]] + ["until the end"]
    logs = {component: (folder / f"{name}.log").read_text() for component, name in zip(components, names, strict=True)}
    return Runs(config, configs["unbroken"], components, statuses, after, pids, logs)


def _start(folder: Path, name: str, log: str, killed_in: str | None = None):
    process = forked_runs.start(folder / f"{name}.yaml", folder / f"{log}.log", killed_in)
    process.join()
    assert killed_in or process.exitcode == 0, (folder / f"{log}.log").read_text()
    return process


def _executions(config: PipelineConfig) -> list[Found]:
    store = metadata_store.MetadataStore(sqlite_metadata_connection_config(config.metadata_path))
    found = []
    for execution in sorted(store.get_executions(), key=lambda execution: execution.id):
        (node,) = (c.name for c in store.get_contexts_by_execution(execution.id) if c.type == "node")
        events = store.get_events_by_execution_ids([execution.id])
        outputs = sum(event.type in (mlmd.Event.OUTPUT, mlmd.Event.INTERNAL_OUTPUT) for event in events)
        state = mlmd.Execution.State.Name(execution.last_known_state)
        found.append(Found(execution.id, node.removeprefix(f"{config.name}."), state, outputs))
    return found


def test_every_component_was_killed_at_work(runs: Runs) -> None:
    assert len(runs.components) >= 12
    for component in runs.components:
        assert runs.statuses[component] == -signal.SIGKILL
        assert runs.after[component][-1][1:] == (component, "RUNNING", 0)


def test_the_lock_is_free_and_names_who_was_killed(runs: Runs) -> None:
    for started, named in runs.pids.values():
        assert started == named
    assert lock_path(runs.config.pipeline_root).read_text() == ""


def test_nothing_is_computed_twice(runs: Runs) -> None:
    found = _executions(runs.config)
    for started_over, component in enumerate(reversed(runs.components)):
        states = Counter(execution.state for execution in found if execution.component == component)
        assert states == Counter({"FAILED": 1, "COMPLETE": 1, "CACHED": started_over}), component


def test_nothing_half_written_is_used_or_kept(runs: Runs) -> None:
    for execution in _executions(runs.config):
        folder = Path(runs.config.pipeline_root, execution.component)
        if execution.state == "FAILED":
            assert execution.outputs == 0
            assert not list(folder.rglob(str(execution.id)))
    # The kills did leave something: it was named when it was removed.
    for component in ("InteractionExampleGen", "StatisticsGen", "Transform", "Trainer", "Evaluator.small"):
        assert f"{component}/" in runs.logs[component]
        assert f"which {component} was writing when it was killed" in runs.logs[component]
    assert not list(Path(runs.config.serving_model_dir).rglob(".incoming-*"))
    assert not list(Path(runs.config.checkpoint_dir).rglob("*.index"))


def test_training_goes_on_after_its_last_epoch(runs: Runs) -> None:
    assert "Training resumes after epoch 1" in runs.logs["Trainer"]
    assert "Epoch 1:" not in runs.logs["Trainer"]
    assert "Epoch 2:" in runs.logs["Trainer"]


def test_what_is_pushed_is_what_an_unbroken_run_pushes(runs: Runs) -> None:
    users = [f"user {user}" for user in range(NUM_USERS)]
    histories = [[item_name(user % 40), item_name((user + 1) % 40)] for user in range(NUM_USERS)]
    answers = []
    for config in (runs.unbroken, runs.config):
        (version,) = Path(config.serving_model_dir, "small").iterdir()
        assert version.name.isdigit()
        assert (version / "assets.extra" / "tf_serving_warmup_requests").stat().st_size > 0
        signature = tf.saved_model.load(str(version)).signatures["serving_default"]
        answer = signature(user_id=tf.constant(users), history=tf.constant(histories))
        answers.append({name: value.numpy() for name, value in answer.items()})
    np.testing.assert_array_equal(answers[0]["item_id"], answers[1]["item_id"])
    np.testing.assert_allclose(answers[0]["score"], answers[1]["score"], rtol=1e-5)
