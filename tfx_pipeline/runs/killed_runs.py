"""What a run that was killed, or that failed, has left, and how the next one goes on from there."""

import contextlib
import hashlib
import os
import re
import shutil
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import tensorflow as tf
from absl import logging
from ml_metadata.metadata_store import metadata_store
from ml_metadata.proto import metadata_store_pb2 as mlmd
from tfx import v1 as tfx
from tfx.orchestration.metadata import sqlite_metadata_connection_config
from tfx.orchestration.pipeline import RunOptions
from tfx.proto.orchestration import pipeline_pb2

from modules.atomic_files import write_atomically
from modules.data import locating
from tfx_pipeline.component_code import ComponentCode
from tfx_pipeline.config import PipelineConfig

_UNFINISHED = (mlmd.Execution.NEW, mlmd.Execution.RUNNING)
_SUCCESSFUL = (mlmd.Execution.COMPLETE, mlmd.Execution.CACHED)
# TFX's name of the property that tells the folder.
_WORKING_FOLDER = "__stateful_working_dir_index__"


class Runner(tfx.orchestration.LocalDagRunner):
    """TFX's own runner, which also tells the runs that came to their end from others.

    Args:
      config: of the pipeline that is run.
    """

    def __init__(self, config: PipelineConfig) -> None:
        super().__init__()
        self._config = config

    def run_with_ir(self, pipeline: pipeline_pb2.Pipeline, run_options: pipeline_pb2.RunOptions | None = None) -> None:
        """Runs every component; see base class."""
        # `tfx pipeline create` replaces `run`, does not come here, and so ends no run.
        super().run_with_ir(pipeline, run_options)
        forget_unfinished_run(self._config)


def run_token(config: PipelineConfig) -> str:
    """Returns what tells this run from others: that of the last run where this is the same one, else a new one.

    A run of the same settings on the same data as one that failed or was killed is that run, going on: it has the same
    Pushers, and so does not push once more what it has pushed. The token is the nanosecond the run began in.
    """
    path = _token_path(config)
    this = _fingerprint(config)
    with contextlib.suppress(FileNotFoundError, ValueError):
        token, fingerprint = path.read_text(encoding="utf-8").split()
        if fingerprint == this:
            return token
    token = str(time.time_ns())
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, f"{token} {this}\n")
    return token


def forget_unfinished_run(config: PipelineConfig) -> None:
    """Makes the next run one of its own."""
    _token_path(config).unlink(missing_ok=True)


def close_killed_executions(config: PipelineConfig) -> list[str]:
    """Marks executions that a killed run left as running FAILED, and removes their folders.

    TFX uses none of it: an execution's outputs count once it has ended, in one transaction. But the folders take
    room, and ML Metadata would show the executions at work for ever. To be called under `run_lock`.

    Returns:
      The components, in the order they were started.
    """
    killed = []
    store = _open_store(config)
    for execution in _executions(store, config) if store else ():
        if execution.last_known_state not in _UNFINISHED:
            continue
        component = _component(store, execution)
        for folder in _folders(Path(config.pipeline_root, component), execution):
            logging.info("Removing %s, which %s was writing when it was killed.", folder, component)
            shutil.rmtree(folder)
        # Last: a run that is killed here comes by again.
        execution.last_known_state = mlmd.Execution.FAILED
        store.put_executions([execution])
        killed.append(component)
    return killed


def go_on_options(config: PipelineConfig, token: str, components: Sequence[Any]) -> RunOptions | None:
    """Returns the options with which a run that never ended goes on; None where there is nothing to keep.

    What it resolved stands. The model it was to be compared with, or to begin from, would else be the very model that
    it had trained and blessed by itself: Evaluator, or even Trainer, would do their work once more on other inputs.
    TFX's own partial runs carry the resolvers' outputs over; everything else runs, or comes from the cache.

    Args:
      config: of the pipeline.
      token: as `run_token` gave it.
      components: of the pipeline.
    """
    store = _open_store(config)
    if store is None:
        return None
    names = [component.id for component in components]
    resolvers = {component.id for component in components if isinstance(component, tfx.dsl.Resolver)}
    resolved: dict[str, set[str]] = {}
    for execution in _executions(store, config):
        began_before = execution.create_time_since_epoch < int(token) // 10**6
        if began_before or execution.last_known_state not in _SUCCESSFUL:
            continue
        if (component := _component(store, execution)) in resolvers:
            resolved.setdefault(_context(store, execution, "pipeline_run"), set()).add(component)
    if not resolved:
        return None
    # A run that goes on has all that was resolved before, unless it was killed before it got there.
    run = max(resolved, key=lambda name: len(resolved[name]))
    return RunOptions(from_nodes=[name for name in names if name not in resolved[run]], base_pipeline_run_id=run)


def _fingerprint(config: PipelineConfig) -> str:
    folder, pattern = locating.locate(config.data, config.data_dir)
    # Spans and versions stand in braces.
    paths = sorted(tf.io.gfile.glob(os.path.join(folder, re.sub(r"{[^}]*}", "*", pattern))))
    files = [(path, stat.length, stat.mtime_nsec) for path in paths for stat in [tf.io.gfile.stat(path)]]
    return hashlib.sha256(f"{config.model_dump_json()} {vars(ComponentCode(config))} {files}".encode()).hexdigest()


def _open_store(config: PipelineConfig) -> metadata_store.MetadataStore | None:
    if not os.path.exists(config.metadata_path):
        return None
    return metadata_store.MetadataStore(sqlite_metadata_connection_config(config.metadata_path))


def _executions(store: metadata_store.MetadataStore, config: PipelineConfig) -> list[mlmd.Execution]:
    pipeline = store.get_context_by_type_and_name("pipeline", config.name)
    executions = store.get_executions_by_context(pipeline.id) if pipeline else []
    return sorted(executions, key=lambda execution: execution.id)


def _component(store: metadata_store.MetadataStore, execution: mlmd.Execution) -> str:
    # "<pipeline>.<component>", and a pipeline's name has no dot.
    return _context(store, execution, "node").partition(".")[2]


def _context(store: metadata_store.MetadataStore, execution: mlmd.Execution, kind: str) -> str:
    (name,) = (context.name for context in store.get_contexts_by_execution(execution.id) if context.type == kind)
    return name


def _folders(component: Path, execution: mlmd.Execution) -> Iterator[Path]:
    yield from component.glob(f"[!.]*/{execution.id}")
    yield from component.glob(f".system/executor_execution/{execution.id}")
    if _WORKING_FOLDER in execution.custom_properties:
        name = execution.custom_properties[_WORKING_FOLDER].string_value
        yield from component.glob(f".system/stateful_working_dir/{name}")


def _token_path(config: PipelineConfig) -> Path:
    return Path(config.metadata_path).with_name("unfinished_run")
