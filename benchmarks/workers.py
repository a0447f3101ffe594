"""Two worker processes beside one process: the losses of every step, how far they are apart, and the time of a step.

python -m benchmarks.workers [--quick] [--output results.json]
"""

import concurrent.futures
import dataclasses
import multiprocessing
import os
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from benchmarks import command
from benchmarks.workload import popular_corpus, write_users
from modules.models.config import ModelConfig
from modules.training.config import TrainingConfig
from modules.training.data import TrainingData
from modules.training.distributed.cluster import Cluster
from modules.training.distributed.config import DistributionConfig
from modules.training.distributed.rendezvous import free_ports
from modules.training.distributed.tf_config import TaskConfig, local_cluster
from modules.training.fit import keep_autograph_away, train
from modules.training.worker import connect

ALGORITHMS: Mapping[str, Mapping[str, Any]] = {
    "corr (SASRec, DIN, midx)": {},
    "independent (SASRec, DIN, uniform)": {"algorithm": {"name": "independent"}, "sampler": {"name": "uniform"}},
}


@dataclasses.dataclass(frozen=True)
class Sizes:
    """What is trained on. An epoch's last step is a short one."""

    users: int = 1000
    items: int = 2000
    interactions_a_user: int = 30
    batch_size: int = 256
    embedding_dim: int = 64
    history_length: int = 20


_QUICK = Sizes(users=40, items=100, interactions_a_user=6, batch_size=50, embedding_dim=8, history_length=5)


class Steps(NamedTuple):
    """One epoch.

    Attributes:
      losses: of every step.
      seconds: the median step's, on the clock.
    """

    losses: list[float]
    seconds: float


class _Watch(tf.keras.callbacks.Callback):
    """Keeps the loss of each step by itself, and its time."""

    def __init__(self) -> None:
        super().__init__()
        self.losses: list[float] = []
        self.seconds: list[float] = []

    def on_train_batch_begin(self, batch: int, logs: dict | None = None) -> None:
        self.model.reset_metrics()
        self.seconds.append(-time.monotonic())

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        self.losses.append(float(logs["loss"]))
        self.seconds[-1] += time.monotonic()


def epoch(algorithm: str, sizes: Sizes, folder: str, task: TaskConfig | None) -> Steps:
    """Trains one epoch in this process: as a worker, or alone where there is no task."""
    keep_autograph_away()
    cluster = Cluster()
    if task is not None:
        os.environ["TF_CONFIG"] = task.to_json()
        cluster = connect(task, DistributionConfig(strategy="multi_worker"))
    corpus = popular_corpus(sizes.items, sizes.users)
    data = TrainingData([f"{folder}/train*"], [f"{folder}/valid*"], corpus, "sequential")
    model = ModelConfig(embedding_dim=sizes.embedding_dim, history_length=sizes.history_length, **ALGORITHMS[algorithm])
    training = TrainingConfig(epochs=1, batch_size=sizes.batch_size)
    watch = _Watch()
    with tempfile.TemporaryDirectory() as checkpoints:
        train(model, training, data, checkpoints, cluster, [watch])
    return Steps(watch.losses, float(np.median(watch.seconds)))


def together(algorithm: str, sizes: Sizes, folder: str, tasks: Sequence[TaskConfig | None]) -> list[Steps]:
    """Returns `epoch` of each task, every one in a new process, all at the same time."""
    context = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(len(tasks), context, command.prepare_tensorflow) as executor:
        return list(executor.map(epoch, *zip(*((algorithm, sizes, folder, task) for task in tasks), strict=True)))


def main(argv: Sequence[str] | None = None) -> None:
    """Runs the command."""
    arguments = command.parser(__doc__).parse_args(argv)
    sizes = _QUICK if arguments.quick else Sizes()
    rows, results = [], {}
    with tempfile.TemporaryDirectory() as folder:
        corpus = popular_corpus(sizes.items, sizes.users)
        write_users(corpus, sizes.users, sizes.interactions_a_user, Path(folder))
        for algorithm in ALGORITHMS:
            (one,) = together(algorithm, sizes, folder, [None])
            first, second = together(algorithm, sizes, folder, local_cluster(free_ports(2)))
            apart = max(abs(ours - theirs) for ours, theirs in zip(one.losses, first.losses, strict=True))
            rows.append(
                [
                    algorithm,
                    str(len(one.losses)),
                    f"{one.losses[0]:.6f}",
                    f"{one.losses[-1]:.6f}",
                    f"{1e6 * apart:.2f}",
                    str(sum(ours != theirs for ours, theirs in zip(first.losses, second.losses, strict=True))),
                    f"{1000 * one.seconds:,.0f}",
                    f"{1000 * first.seconds:,.0f}",
                ]
            )
            results[algorithm] = {"one": one._asdict(), "two": [first._asdict(), second._asdict()]}
    header = [
        "Algorithm",
        "steps",
        "first loss",
        "last loss",
        "largest difference, 1e-6",
        "steps the workers differ in",
    ]
    print(command.markdown_table([*header, "one, ms a step", "two, ms a step"], rows))
    command.write_json(arguments.output, results)


if __name__ == "__main__":
    main()
