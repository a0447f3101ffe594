"""What one epoch of CoRR takes, in time and memory, on each data set, and how both grow with interactions and items.

python -m benchmarks.epochs [--quick] [--tables experiments/general.yaml ...] [--output results.json]
"""

import argparse
import concurrent.futures
import multiprocessing
import resource
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks import command
from benchmarks.timing import growth_exponent
from benchmarks.workload import popular_corpus, write_users
from experiments.config import Cell, Table, load_table
from experiments.data import prepare
from modules.models.config import ModelConfig
from modules.training.config import TrainingConfig
from modules.training.fit import TrainingData, fit

_METHOD = "corr"


class Epoch(NamedTuple):
    """One epoch of training with its validation, in a process of its own.

    Attributes:
      cpu_seconds: of all threads, without the compilation of the training step.
      peak_bytes: the most memory the process held, everything in it.
      base_bytes: the same before training, once the libraries are loaded and the corpus is read.
    """

    cpu_seconds: float
    peak_bytes: int
    base_bytes: int


class Sizes(NamedTuple):
    """What the synthetic corpora hold."""

    interactions: tuple[int, ...] = (25_000, 50_000, 100_000, 200_000)
    at_items: int = 10_000
    items: tuple[int, ...] = (1_000, 10_000, 100_000, 1_000_000)
    at_interactions: int = 25_000
    interactions_a_user: int = 50
    embedding_dim: int = 32


_QUICK = Sizes((200, 400), 100, (100, 200), 200, interactions_a_user=10, embedding_dim=4)


def synthetic_epoch(interactions: int, items: int, sizes: Sizes) -> Epoch:
    """Trains SASRec + DIN on users whose items are drawn by Zipf's law."""
    users = interactions // sizes.interactions_a_user
    corpus = popular_corpus(items, users)
    with tempfile.TemporaryDirectory() as folder:
        train, valid = write_users(corpus, users, sizes.interactions_a_user, Path(folder))
        data = TrainingData([train], [valid], corpus, "sequential")
        return _train(ModelConfig(embedding_dim=sizes.embedding_dim), TrainingConfig(epochs=2), data)


def dataset_epoch(table: Table, dataset: str, root: str) -> Epoch:
    """Trains the table's CoRR on one of its data sets, prepared by the pipeline's data half where it is not yet."""
    model, training = table.settings(Cell(dataset, _METHOD, (), table.seeds[0], epochs=2))
    return _train(model, training, prepare(dataset, table.datasets[dataset].data, root).training)


def _train(model: ModelConfig, training: TrainingConfig, data: TrainingData) -> Epoch:
    base = _peak_bytes()
    with tempfile.TemporaryDirectory() as checkpoints:
        history = fit(model, training, data, checkpoints).history
    # The first epoch also compiles.
    return Epoch(history[-1]["cpu_seconds"], _peak_bytes(), base)


def _peak_bytes() -> int:
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def alone(function: Callable[..., Epoch], *arguments: Any) -> Epoch:
    """Returns `function(*arguments)`, run in a new process, whose peak of memory is then its own."""
    context = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(1, context, command.prepare_tensorflow) as executor:
        return executor.submit(function, *arguments).result()


def growth_table(sizes: Sequence[int], epochs: Sequence[Epoch], of: str) -> str:
    """Returns CPU seconds and peak memory at each size, and the exponents they grow with."""
    memory = [(epoch.peak_bytes - epoch.base_bytes) / 1e6 for epoch in epochs]
    rows = [
        [
            "CPU s",
            *(f"{epoch.cpu_seconds:,.1f}" for epoch in epochs),
            _exponent(sizes, [epoch.cpu_seconds for epoch in epochs]),
        ],
        ["memory above the start, MB", *(f"{megabytes:,.0f}" for megabytes in memory), _exponent(sizes, memory)],
    ]
    return command.markdown_table(["One epoch", *(f"{size:,} {of}" for size in sizes), "~ n^p, p ="], rows)


def _exponent(sizes: Sequence[int], values: Sequence[float]) -> str:
    return f"{growth_exponent(sizes, values):.2f}"


def dataset_table(epochs: dict[str, Epoch]) -> str:
    """Returns one row a data set."""
    rows = [
        [label, f"{epoch.cpu_seconds:,.1f}", f"{epoch.peak_bytes / 1e6:,.0f}", f"{epoch.base_bytes / 1e6:,.0f}"]
        for label, epoch in epochs.items()
    ]
    return command.markdown_table(["Data set", "CPU s an epoch", "peak MB", "of it before training, MB"], rows)


def _as_json(names: Sequence[int | str], epochs: Sequence[Epoch]) -> dict[str, Any]:
    return {str(name): epoch._asdict() for name, epoch in zip(names, epochs, strict=True)}


def main(argv: Sequence[str] | None = None) -> None:
    """Runs the command."""
    parser: argparse.ArgumentParser = command.parser(__doc__)
    parser.add_argument("--tables", nargs="*", default=[], help="tables of experiments whose data sets to train on")
    parser.add_argument("--root", default="var/experiments", help="folder of the tables' prepared data")
    arguments = parser.parse_args(argv)
    sizes = _QUICK if arguments.quick else Sizes()
    by_interactions = [alone(synthetic_epoch, size, sizes.at_items, sizes) for size in sizes.interactions]
    print(growth_table(sizes.interactions, by_interactions, "interactions"), flush=True)
    by_items = [alone(synthetic_epoch, sizes.at_interactions, size, sizes) for size in sizes.items]
    print(f"\n{growth_table(sizes.items, by_items, 'items')}", flush=True)
    by_dataset = {}
    for table in map(load_table, arguments.tables):
        for name, dataset in table.datasets.items():
            by_dataset[dataset.label] = alone(dataset_epoch, table, name, arguments.root)
    if by_dataset:
        print(f"\n{dataset_table(by_dataset)}")
    results = {
        "interactions": _as_json(sizes.interactions, by_interactions),
        "items": _as_json(sizes.items, by_items),
        "data_sets": _as_json(list(by_dataset), list(by_dataset.values())),
    }
    command.write_json(arguments.output, results)


if __name__ == "__main__":
    main()
