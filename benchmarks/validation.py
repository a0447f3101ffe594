"""How many users a second validation goes through, beside another checkout of this package.

python -m benchmarks.validation [--beside FOLDER] [--quick] [--output results.json]
"""

import argparse
import inspect
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from benchmarks import command
from benchmarks.timing import fastest
from benchmarks.workload import popular_corpus, training_batch
from modules.data.examples.encoding import make_example
from modules.models.build import build_model
from modules.models.config import Choice, ModelConfig
from modules.training.inputs import evaluation_users
from modules.training.validation import Validation

_SEED = 17
_BATCH = 256
_STAGES = {"sequential": ("sasrec", "din"), "general": ("mf", "deepfm")}


class Sizes(NamedTuple):
    """What is validated on, and how often."""

    items: tuple[int, ...] = (2_000, 100_000, 1_000_000)
    users: int = 1000
    longest_history: int = 100
    embedding_dim: int = 64
    rounds: int = 3


_QUICK = Sizes((200,), users=8, longest_history=10, embedding_dim=8, rounds=1)


def epoch(task: str, items: int, sizes: Sizes) -> dict[str, float]:
    """Returns users a CPU second and on the clock of the validation after an epoch, and the machine's matmul rate."""
    corpus = popular_corpus(items)
    retriever, ranker = (Choice(name=name) for name in _STAGES[task])
    config = ModelConfig(embedding_dim=sizes.embedding_dim, history_length=20, retriever=retriever, ranker=ranker)
    model = build_model(config, corpus, _SEED)
    model.compile(tf.keras.optimizers.SGD(), tf.keras.optimizers.SGD())
    # A step's lookups decide how TensorFlow reads the tables from then on.
    batch = training_batch(corpus, 16, config.history_length)
    model.train_step(batch)
    with tempfile.TemporaryDirectory() as folder:
        # An older checkout decodes the users anew each time.
        kept = {"repeatedly": True} if "repeatedly" in inspect.signature(evaluation_users).parameters else {}
        users = evaluation_users([_write_users(items, sizes, Path(folder))], config.history_length, _BATCH, **kept)
        validation = Validation(users, config.candidate_count(items))
        validation.set_model(model)
        square = tf.random.stateless_normal([1024, 1024], [1, 2])
        functions = {"epoch": lambda: validation.on_epoch_end(0, {}), "matmul": lambda: tf.matmul(square, square)}
        timings = fastest(functions, sizes.rounds)
    return {
        "users_a_cpu_second": sizes.users / timings["epoch"].cpu,
        "users_a_wall_second": sizes.users / timings["epoch"].wall,
        "matmul_gflops": 2 * 1.024**3 / timings["matmul"].cpu,
    }


def _write_users(items: int, sizes: Sizes, folder: Path) -> str:
    rng = np.random.default_rng(_SEED)
    file = str(folder / "valid.gz")
    with tf.io.TFRecordWriter(file, "GZIP") as writer:
        for user in range(1, sizes.users + 1):
            seen = rng.integers(1, items + 1, rng.integers(1, sizes.longest_history + 1)).tolist()
            writer.write(make_example({"user": [user], "history": seen, "target": [int(rng.integers(1, items + 1))]}))
    return file


def measure(folder: str, task: str, items: int, quick: bool) -> dict[str, float]:
    """Returns `epoch` by the package of a checkout, in a process of its own."""
    arguments = [__file__, "--measure", task, str(items), *(["--quick"] if quick else [])]
    environment = {**os.environ, "PYTHONPATH": folder, "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run([sys.executable, *arguments], env=environment, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def table(results: dict[str, Any]) -> str:
    """Returns one row a task and size; the ratio is that of users a CPU second."""
    rows = []
    for name, of_checkouts in results.items():
        ours, theirs = of_checkouts["this"], of_checkouts.get("beside")
        rows.append(
            [
                name,
                "-" if theirs is None else f"{ours['users_a_cpu_second'] / theirs['users_a_cpu_second']:.2f}",
                f"{ours['users_a_cpu_second']:,.0f}",
                "-" if theirs is None else f"{theirs['users_a_cpu_second']:,.0f}",
                f"{ours['matmul_gflops']:.0f}",
            ]
        )
    return command.markdown_table(
        ["Task, items", "times the users", "users / CPU s", "beside, users / CPU s", "matmul, GFLOP/s"], rows
    )


def main(argv: Sequence[str] | None = None) -> None:
    """Runs the command."""
    parser = command.parser(__doc__)
    parser.add_argument("--beside", type=Path, help="a checkout of another commit, measured in turn with this one")
    parser.add_argument("--measure", nargs=2, metavar=("TASK", "ITEMS"), help=argparse.SUPPRESS)
    arguments = parser.parse_args(argv)
    sizes = _QUICK if arguments.quick else Sizes()
    if arguments.measure:
        command.prepare_tensorflow()
        task, items = arguments.measure
        print(json.dumps(epoch(task, int(items), sizes)))
        return
    checkouts = {"this": Path(__file__).parents[1], **({"beside": arguments.beside} if arguments.beside else {})}
    results: dict[str, Any] = {}
    for task in _STAGES:
        for items in sizes.items:
            results[f"{task}, {items:,}"] = {
                name: measure(str(folder.resolve()), task, items, arguments.quick) for name, folder in checkouts.items()
            }
    print(table(results))
    command.write_json(arguments.output, results)


if __name__ == "__main__":
    main()
