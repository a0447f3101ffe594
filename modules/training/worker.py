"""One worker of a training that several processes share.

    TF_CONFIG='{"cluster": ..., "task": ...}' python -m modules.training.worker --job <folder of checkpoints>

waits for the Trainer to write the job, meets the other workers, trains, and ends. Started again after a failure, all
workers go on after the last finished epoch.

Exit codes: 0, the training is done; 2, it would fail again, the message says why; 75, another worker is gone or the
job did not come: start all workers again.
"""

import argparse
import hashlib
import logging
import os
import re
import sys
import threading
import time
from collections.abc import Sequence

import tensorflow as tf

from modules.environment import require_keras_2
from modules.training.distributed.cluster import Cluster
from modules.training.distributed.config import DistributionConfig
from modules.training.distributed.parameter_servers import connect_as_chief, serve
from modules.training.distributed.processes import AGAIN, WRONG
from modules.training.distributed.rendezvous import meet
from modules.training.distributed.tf_config import TaskConfig, read_tf_config
from modules.training.fit import keep_autograph_away, train
from modules.training.job import find_job, job_text, read_job

_POLL_SECONDS = 1.0
_TASK = re.compile(r"/job:(chief|worker|ps)(?:/replica:\d+)?/task:(\d+)")


def main(arguments: list[str] | None = None) -> int:
    """Runs the worker and returns its exit code."""
    parser = argparse.ArgumentParser(prog="python -m modules.training.worker", description=__doc__.splitlines()[0])
    parser.add_argument("--job", required=True, help="the Trainer's folder of checkpoints, or the one of a single job")
    parser.add_argument("--wait-seconds", type=float, default=3600, help="how long to wait for the job")
    parser.add_argument("--with-parent", action="store_true", help="end when standard input closes")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    tf.get_logger().setLevel(logging.WARNING)
    if options.with_parent:
        threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        require_keras_2()
        task = read_tf_config()
        run(task, options.job, options.wait_seconds)
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return WRONG
    except TimeoutError as error:
        print(f"error: {error}", file=sys.stderr)
        return AGAIN
    except tf.errors.OpError as error:
        # Whatever it is that a collective operation says when a peer is gone.
        print(f"error: this worker cannot go on without {who_is_gone(task, str(error))}", file=sys.stderr)
        return AGAIN
    return 0


def run(
    task: TaskConfig,
    folder: str,
    wait_seconds: float,
    callbacks: Sequence[tf.keras.callbacks.Callback] = (),
) -> None:
    """Takes part in the training of the job under `folder` until it is done.

    Raises:
      TimeoutError: the job or another worker did not come in time.
      ValueError: on whatever will fail again: settings, data, or a loss that is not finite.
      OpError: another worker is gone.
    """
    directory = wait_for_job(folder, wait_seconds)
    job = read_job(directory)
    distribution = job.training.distribution
    task.check(distribution.strategy)
    if distribution.strategy == "parameter_server":
        if task.task.type != "chief":
            serve(task, directory)
            return
        keep_autograph_away()
        cluster: Cluster = connect_as_chief(task, distribution)
    else:
        cluster = connect(task, distribution)
    digest = int(hashlib.sha256(job_text(directory).encode()).hexdigest()[:12], 16)
    if cluster.value_of_first(digest) != digest:
        raise TimeoutError(f"{directory} holds the job of an earlier run; the first worker has another one")
    start = job.start
    train(
        job.model,
        job.training,
        job.data,
        directory,
        cluster,
        callbacks,
        initialise=None if start is None else lambda model: tf.train.Checkpoint(model=model).read(start),
    )


def wait_for_job(folder: str, seconds: float) -> str:
    """Returns the folder of the job, when there is one; raises TimeoutError when there is none after some seconds."""
    deadline = time.monotonic() + seconds
    while (directory := find_job(folder)) is None:
        if time.monotonic() > deadline:
            raise TimeoutError(f"no job was written to {folder} within {seconds:g} seconds; does the Trainer run?")
        time.sleep(_POLL_SECONDS)
    return directory


def connect(task: TaskConfig, distribution: DistributionConfig) -> Cluster:
    """Meets the other workers and returns the cluster; must come before anything else that TensorFlow does."""
    keep_autograph_away()
    meet(task, distribution.start_timeout_seconds)
    options = tf.distribute.experimental.CommunicationOptions(timeout_seconds=distribution.peer_timeout_seconds)
    strategy = tf.distribute.MultiWorkerMirroredStrategy(communication_options=options)
    return Cluster(strategy, task.worker, len(task.addresses))


def who_is_gone(task: TaskConfig, text: str) -> str:
    """Returns the other workers that TensorFlow's error names, and the lines in which it does."""
    lines, others = [], set()
    for line in text.splitlines():
        named = {(kind, int(index)) for kind, index in _TASK.findall(line)} - {(task.task.type, task.task.index)}
        if named:
            lines.append(line.strip())
            others |= named
    names = [task.name(task.place(kind, index)) for kind, index in sorted(others)]
    return f"{' and '.join(names) or 'the others'}:\n" + ("\n".join(lines) or text)


def _end_with_parent() -> None:
    # Not `sys.stdin`, whose lock this thread would hold when the interpreter ends.
    while os.read(0, 1):
        pass
    os._exit(AGAIN)


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    sys.stderr.flush()
    if code:
        # TensorFlow's own way out waits for the workers that are gone.
        os._exit(code)
