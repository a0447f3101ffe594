"""What can be known to be wrong before a run computes anything."""

import contextlib
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from pathlib import Path

import tensorflow as tf

from modules.data import locating
from tfx_pipeline.beam.reachable import EngineError, check_engine
from tfx_pipeline.config import PipelineConfig
from tfx_pipeline.runs.run_lock import check_run_lock, lock_path

# As long as another program may take to read the metadata.
_LOCK_SECONDS = 5
_PROBE_BYTES = 4096


class PreflightError(ValueError):
    """A run that cannot start, with one line a reason."""


def preflight(config: PipelineConfig) -> None:
    """Looks at everything a run needs from outside: folders, room, metadata, data, Beam's engine.

    Cheap: of the data it reads the first lines, and what it writes is gone at its end, but for the file of a source
    that has none of its own.

    Raises:
      RunLockError: another run is at work on the pipeline root; nothing else is looked at then, since what that run
        is doing would look like a fault.
      PreflightError: naming everything that is wrong, and what to do.
    """
    check_run_lock(config.pipeline_root)
    problems = [
        problem
        for look in (_unwritable, _lacking_room, _metadata_faults, _data_faults, _missing_lists, _engine_faults)
        for problem in look(config)
    ]
    if problems:
        lines = "\n".join(f"- {problem}" for problem in problems)
        raise PreflightError(f"The run cannot start, and nothing was computed:\n{lines}")


def _unwritable(config: PipelineConfig) -> Iterator[str]:
    if "://" in config.root:
        yield f"`root` must be a folder of this machine for a run on this machine. Received: root={config.root!r}."
        return
    folders = [
        config.pipeline_root,
        os.path.dirname(config.metadata_path),
        config.checkpoint_dir,
        *_model_folders(config),
        os.path.dirname(config.report_path),
        config.log_dir,
        config.data_dir,
    ]
    # Several folders may fail for the same reason; one line tells it.
    reasons = dict.fromkeys(filter(None, map(_why_unwritable, folders)))
    files = (str(lock_path(config.pipeline_root)), config.report_path, config.metadata_path)
    reasons |= dict.fromkeys(f"{path} is a folder" for path in files if os.path.isdir(path))
    for reason in reasons:
        yield (
            "`root` must be a folder that everything a run writes fits into. "
            f"Received: root={config.root!r}, and {reason}. Choose another `root`, or mend this one."
        )


def _why_unwritable(folder: str) -> str | None:
    there = _nearest(folder)
    if not there.is_dir():
        return f"{there} is not a folder"
    try:
        with tempfile.TemporaryFile(dir=there) as file:
            # An empty file fits on a full disk.
            file.write(bytes(_PROBE_BYTES))
    except OSError as error:
        return f"nothing can be written into {there} ({error.strerror})"
    return None


def _nearest(path: str) -> Path:
    """Returns the part of a path that exists."""
    return next(part for part in (Path(path), *Path(path).parents) if os.path.lexists(part))


def _lacking_room(config: PipelineConfig) -> Iterator[str]:
    root = os.path.abspath(config.root)
    if "://" in config.root or _why_unwritable(root):
        return
    models = sum(map(_newest_version_bytes, _model_folders(config)))
    free = shutil.disk_usage(_nearest(root)).free
    # Each export is written once as an artifact and once where it is pushed to.
    if 2 * models > free:
        yield (
            "`root` must be on a file system with room for the models. "
            f"Received: root={config.root!r}, with {free / 2**20:.0f} MiB free; a model like the last one takes "
            f"{2 * models / 2**20:.0f} MiB, as an artifact and as a pushed version. Remove old versions or artifacts."
        )


def _newest_version_bytes(base: str) -> int:
    if not os.path.isdir(base):
        return 0
    newest = max((name for name in os.listdir(base) if name.isascii() and name.isdigit()), key=int, default=None)
    if newest is None:
        return 0
    return sum(
        os.lstat(os.path.join(parent, name)).st_size
        for parent, _, names in os.walk(os.path.join(base, newest))
        for name in names
    )


def _model_folders(config: PipelineConfig) -> list[str]:
    names = [config.name, config.scann_name] if config.serving.scann else [config.name]
    # A bucket shows what it is when it is pushed to.
    local = "://" not in config.serving_model_dir
    return [os.path.join(config.serving_model_dir, name) for name in names] if local else []


def _metadata_faults(config: PipelineConfig) -> Iterator[str]:
    path = Path(config.metadata_path)
    if not path.is_file():
        return
    try:
        database = sqlite3.connect(f"{path.as_uri()}?mode=rw", uri=True, timeout=_LOCK_SECONDS, isolation_level=None)
        with contextlib.closing(database):
            ((verdict,),) = database.execute("PRAGMA quick_check(1)").fetchall()
            # Takes the write lock and gives it back.
            database.execute("BEGIN IMMEDIATE")
            database.execute("ROLLBACK")
    except sqlite3.DatabaseError as error:
        verdict = str(error)
    if verdict == "ok":
        return
    if "locked" in verdict:
        yield f"The metadata {path} is locked by another program. Close what has it open, and start the run again."
    elif "readonly" in verdict:
        yield f"The metadata {path} cannot be written to. Make the file and its folder writable."
    else:
        yield (
            f"The metadata {path} cannot be read ({verdict}): the file is damaged. Put a copy of it back, or move it "
            "away: the run then starts from nothing and computes everything anew."
        )


def _data_faults(config: PipelineConfig) -> Iterator[str]:
    if _why_unwritable(config.data_dir):
        # Sources without files of their own write them there; the folder has its line already.
        return
    try:
        locating.check(config.data, config.data_dir)
    except ValueError as error:
        yield str(error)
    except OSError as error:
        yield f"`data.path` must name files that can be read. Received: {config.data.path!r} ({error})."


def _missing_lists(config: PipelineConfig) -> Iterator[str]:
    for name, path in config.serving.lists.items():
        if not tf.io.gfile.exists(path):
            yield f"`serving.lists.{name}` must be a file of item ids, one a line. Received: {path!r}, which is none."


def _engine_faults(config: PipelineConfig) -> Iterator[str]:
    try:
        check_engine(config.beam)
    except EngineError as error:
        yield str(error)
