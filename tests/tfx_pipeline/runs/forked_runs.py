"""Real runs in processes of their own that need not import TFX each: forks of a server that has."""

import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

from tfx.orchestration.portable import execution_publish_utils, launcher

# For the server to have them imported: what the runs import.
from modules import evaluator, preprocessing, trainer  # noqa: F401
from tfx_pipeline import local_runner, pipeline  # noqa: F401
from tfx_pipeline.config import PipelineConfig, load_config
from tfx_pipeline.runs import killed_runs, preflight  # noqa: F401
from tfx_pipeline.versions import version_folder

_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload([__name__])
_POLL_SECONDS = 0.002


def start(config: Path, log: Path, killed_in: str | None = None) -> multiprocessing.Process:
    """Starts what `tfx run create` starts.

    Args:
      config: the pipeline's YAML file.
      log: where standard output and error go.
      killed_in: the component in which SIGKILL meets the process, and all it has started: as soon as it has written
        something, and at the latest when its work is done and only the record of it is missing.
    """
    process = _CONTEXT.Process(target=_run, args=(str(config), str(log), killed_in))
    process.start()
    return process


def _run(config: str, log: str, killed_in: str | None) -> None:
    os.setsid()
    file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(file, sys.stdout.fileno())
    os.dup2(file, sys.stderr.fileno())
    os.environ["PIPELINE_CONFIG"] = config
    if killed_in:
        _kill_in(killed_in, load_config(config))
    local_runner.run()


def _kill_in(component: str, config: PipelineConfig) -> None:
    original = launcher.Launcher.launch

    def launch(self: launcher.Launcher) -> object:
        if self._pipeline_node.node_info.id == component:
            for publish in ("publish_succeeded_execution", "publish_internal_execution"):
                setattr(execution_publish_utils, publish, _die)
            # All is copied then, and nothing to be seen of it.
            version_folder.publish = _die
            threading.Thread(target=_die_when, args=(_half_written(component, config),), daemon=True).start()
        return original(self)

    launcher.Launcher.launch = launch


def _half_written(component: str, config: PipelineConfig) -> Callable[[], bool]:
    if component == "Trainer":
        # In the middle of training: it is to go on from there.
        return lambda: any(Path(config.checkpoint_dir).glob("*/latest/checkpoint"))
    folder = Path(config.pipeline_root, component)
    before = set(folder.glob("[!.]*/*"))
    return lambda: any(any(path.is_file() for path in new.rglob("*")) for new in set(folder.glob("[!.]*/*")) - before)


def _die_when(condition: Callable[[], bool]) -> None:
    while not condition():
        time.sleep(_POLL_SECONDS)
    _die()


def _die(*arguments: object, **others: object) -> None:
    del arguments, others
    os.killpg(os.getpgrp(), signal.SIGKILL)
