"""Starts the processes that train, looks after them, and starts them again where one died."""

import contextlib
import logging
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import tensorflow as tf

import modules
from modules.training.job import Job, remove_job, write_job
from modules.training.progress import read_history
from modules.training.rendezvous import free_ports
from modules.training.tf_config import TaskConfig, local_cluster, read_tf_config

WRONG, AGAIN = 2, 75
"""A worker's exit codes: what will fail again, and what may go well another time (`EX_TEMPFAIL` of sysexits.h)."""

_POLL_SECONDS, _GRACE_SECONDS = 0.2, 5.0
_LOG_TAIL = 2000
_CLOCKS = ("epoch", "seconds", "cpu_seconds")


class Worker:
    """A process that trains, and its log."""

    def __init__(self, task: TaskConfig, directory: str, log: Path, threads: int) -> None:
        root = str(Path(modules.__file__).parents[1])
        path = os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH")]))
        settings = {"TF_CONFIG": task.to_json(), "PYTHONPATH": path}
        defaults = {"TF_NUM_INTRAOP_THREADS": str(threads), "OMP_NUM_THREADS": str(threads)}
        self.name = task.name(task.worker)
        self._log = log
        with log.open("ab") as file:
            # Standard input is never written to: it closes with this process, whatever ends it.
            self.process = subprocess.Popen(
                [sys.executable, "-m", "modules.training.worker", "--job", directory, "--with-parent"],
                env={**defaults, **os.environ, **settings},
                stdin=subprocess.PIPE,
                stdout=file,
                stderr=file,
            )

    def stop(self) -> None:
        """Ends the process, gently first."""
        self.process.terminate()
        try:
            self.process.wait(_GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdin.close()

    def last_words(self) -> str:
        """Returns how it ended and the end of its log."""
        code = self.process.returncode
        how = f"was ended by signal {-code}" if code < 0 else f"ended with exit code {code}"
        tail = self._log.read_bytes()[-_LOG_TAIL:].decode(errors="replace").strip()
        return f"{self.name} {how}. The end of {self._log}:\n{tail}"


def train_in_processes(
    job: Job, directory: str, callbacks: Sequence[tf.keras.callbacks.Callback], model: tf.keras.Model
) -> None:
    """Trains a job in this machine's worker processes, to its end.

    Args:
      job: what to train; it is written to `directory`, where workers on other machines wait for it.
      directory: of checkpoints, the history, and on a local disk the workers' logs.
      callbacks: see the epochs of this run as they end.
      model: what the callbacks see as their model; it is not trained.

    Raises:
      ValueError: on what will fail again: settings, data, `TF_CONFIG`, or a loss that is not finite.
      RuntimeError: when a worker died more often than it is to be started again.
    """
    distribution = job.training.distribution
    if distribution.local_workers is None:
        read_tf_config()
    write_job(job, directory)
    logs = Path(tempfile.mkdtemp(prefix="workers-") if "://" in directory else os.path.join(directory, "logs"))
    logs.mkdir(parents=True, exist_ok=True)
    feed = _EpochFeed(callbacks, model, directory)
    for attempt in range(distribution.restarts + 1):
        failed = _run(_tasks(distribution.local_workers), directory, logs, feed)
        if failed is None:
            feed.end()
            remove_job(directory)
            return
        if failed.process.returncode == WRONG:
            raise ValueError(failed.last_words())
        logging.warning("%s", failed.last_words())
        if attempt < distribution.restarts:
            logging.warning("The workers are started again, after the last finished epoch.")
    raise RuntimeError(
        f"Training stopped after {distribution.restarts} restarts (`training.distribution.restarts`): "
        f"{failed.last_words()}\nStarted again, it goes on after the last finished epoch."
    )


def _tasks(local_workers: int | None) -> list[TaskConfig]:
    return [read_tf_config()] if local_workers is None else local_cluster(free_ports(local_workers))


def _run(tasks: Sequence[TaskConfig], directory: str, logs: Path, feed: "_EpochFeed") -> Worker | None:
    """Returns the worker that failed, or None when all are done; none is left running in any case."""
    threads = max(1, (os.cpu_count() or 1) // len(tasks))
    with _started(tasks, directory, logs, threads) as workers:
        while True:
            feed.read()
            ended = [worker for worker in workers if worker.process.poll() is not None]
            failed = [worker for worker in ended if worker.process.returncode]
            if failed:
                # One that was killed comes before those that complain about it.
                return min(failed, key=lambda worker: worker.process.returncode)
            if len(ended) == len(workers):
                return None
            time.sleep(_POLL_SECONDS)


@contextlib.contextmanager
def _started(tasks: Sequence[TaskConfig], directory: str, logs: Path, threads: int) -> Iterator[list[Worker]]:
    with contextlib.ExitStack() as stack:
        workers = []
        for task in tasks:
            workers.append(Worker(task, directory, logs / f"worker-{task.worker}.log", threads))
            stack.callback(workers[-1].stop)
        yield workers


class _EpochFeed:
    """Tells callbacks of the epochs that other processes write down."""

    def __init__(self, callbacks: Sequence[tf.keras.callbacks.Callback], model: tf.keras.Model, directory: str) -> None:
        self._callbacks = tf.keras.callbacks.CallbackList(list(callbacks), model=model)
        self._directory = directory
        self._seen = len(read_history(directory))
        self._callbacks.on_train_begin()

    def read(self) -> None:
        """Passes on the epochs that have ended since the last call."""
        history = read_history(self._directory)
        for entry in history[self._seen :]:
            epoch = int(entry["epoch"]) - 1
            logging.info("Epoch %d: loss %.4f, %.1f s", epoch + 1, entry["loss"], entry["seconds"])
            self._callbacks.on_epoch_begin(epoch)
            self._callbacks.on_epoch_end(epoch, {name: value for name, value in entry.items() if name not in _CLOCKS})
        self._seen = max(self._seen, len(history))

    def end(self) -> None:
        """Passes on what is left, and that the training is over."""
        self.read()
        self._callbacks.on_train_end()
