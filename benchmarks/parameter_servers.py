"""Tables on parameter servers beside a single process: the memory of each process, and the time of a step.

python -m benchmarks.parameter_servers [--quick] [--output results.json]
"""

import concurrent.futures
import dataclasses
import json
import multiprocessing
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import tensorflow as tf

from benchmarks import command
from benchmarks.capacity.process import status_bytes
from benchmarks.workload import popular_corpus, write_users
from modules.models.config import ModelConfig
from modules.training.config import TrainingConfig
from modules.training.data import TrainingData
from modules.training.distributed.config import DistributionConfig
from modules.training.fit import fit
from modules.training.progress import read_history

_ALONE = "one process"


@dataclasses.dataclass(frozen=True)
class Sizes:
    """What is trained on; the tables are of `items` x `embedding_dim`, one in each stage."""

    items: tuple[int, ...] = (100_000, 500_000)
    users: int = 100
    interactions_a_user: int = 30
    batch_size: int = 256
    embedding_dim: int = 64
    servers: int = 2
    epochs: int = 2


_QUICK = Sizes(items=(500,), users=40, interactions_a_user=6, batch_size=50, embedding_dim=8, epochs=2)


class Training(NamedTuple):
    """One training.

    Attributes:
      peaks: the most resident memory of each process that trained, in bytes.
      seconds: the fastest epoch's, validation included, on the clock.
      loss: of the last epoch.
    """

    peaks: dict[str, int]
    seconds: float
    loss: float


class _Peaks(tf.keras.callbacks.Callback):
    """Reads the peaks of this process's children, tasks of a cluster, whenever an epoch has ended."""

    def __init__(self) -> None:
        super().__init__()
        self.peaks: dict[str, int] = {}

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        self.peaks |= {task: status_bytes("VmHWM", process) for task, process in task_processes().items()}


def task_processes() -> dict[str, int]:
    """Returns "type index" of each task of a cluster that this process has started -> the id of its process."""
    tasks = {}
    for child in Path(f"/proc/self/task/{os.getpid()}/children").read_text().split():
        entries = Path(f"/proc/{child}/environ").read_text().split("\0")
        settings = next((entry for entry in entries if entry.startswith("TF_CONFIG=")), None)
        if settings is not None:
            task = json.loads(settings.partition("=")[2])["task"]
            tasks[f"{task['type']} {task['index']}"] = int(child)
    return tasks


def train(sizes: Sizes, items: int, folder: str, servers: int) -> Training:
    """Trains CoRR (SASRec, DIN, midx) in this process, or with that many servers and one worker."""
    corpus = popular_corpus(items, sizes.users)
    data = TrainingData([f"{folder}/train*"], [f"{folder}/valid*"], corpus, "sequential")
    distribution = (
        DistributionConfig(
            strategy="parameter_server", local_workers=1, local_servers=servers, min_shard_bytes=1 << 16, restarts=0
        )
        if servers
        else DistributionConfig()
    )
    training = TrainingConfig(epochs=sizes.epochs, batch_size=sizes.batch_size, distribution=distribution)
    peaks = _Peaks()
    with tempfile.TemporaryDirectory() as checkpoints:
        fit(ModelConfig(embedding_dim=sizes.embedding_dim), training, data, checkpoints, [peaks])
        history = read_history(checkpoints)
    if not servers:
        peaks.peaks = {_ALONE: status_bytes("VmHWM")}
    return Training(peaks.peaks, min(entry["seconds"] for entry in history), history[-1]["loss"])


def main(argv: Sequence[str] | None = None) -> None:
    """Runs the command."""
    arguments = command.parser(__doc__).parse_args(argv)
    sizes = _QUICK if arguments.quick else Sizes()
    rows, results = [], {}
    for items in sizes.items:
        with tempfile.TemporaryDirectory() as folder:
            write_users(popular_corpus(items, sizes.users), sizes.users, sizes.interactions_a_user, Path(folder))
            alone, shared = (_in_new_process(sizes, items, folder, servers) for servers in (0, sizes.servers))
        for process, peak in (alone.peaks | shared.peaks).items():
            training = alone if process == _ALONE else shared
            rows.append(
                [
                    f"{items:,}",
                    process,
                    f"{peak / 1e6:,.0f}",
                    f"{peak / alone.peaks[_ALONE]:.2f}",
                    f"{training.seconds:.1f}",
                    f"{training.loss:.4f}",
                ]
            )
        results[f"{items}"] = {"alone": alone._asdict(), "shared": shared._asdict()}
    header = ["Items", "process", "peak MB", "of one process", "s an epoch", "last loss"]
    print(command.markdown_table(header, rows))
    command.write_json(arguments.output, results)


def _in_new_process(sizes: Sizes, items: int, folder: str, servers: int) -> Training:
    context = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(1, context, command.prepare_tensorflow) as executor:
        return executor.submit(train, sizes, items, folder, servers).result()


if __name__ == "__main__":
    main()
