"""Writes interactions like Taobao's, of any number and in bounded memory, as Taobao's own file (`source: taobao`).

python -m benchmarks.capacity.generate --interactions 1000000 --output UserBehavior.csv [--order time]
"""

import argparse
import contextlib
import dataclasses
import gzip
import io
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any, Literal

import numpy as np

from benchmarks.capacity.interactions import BEHAVIOURS, FIRST_SECOND, Population, Rows, Statistics

Order = Literal["user", "time"]

USERS_SHARE = 941_853 / 63_721_355
"""Users an interaction of the paper's Taobao set."""
ITEMS_SHARE = 1_101_236 / 63_721_355
"""Items an interaction of the paper's Taobao set."""
_SLICE_INTERACTIONS = 500_000
_ZIP_LEVEL = 3


def population(
    interactions: int,
    users: int | None = None,
    items: int | None = None,
    seed: int = 0,
    statistics: Statistics | None = None,
) -> Population:
    """Returns users and items; where their numbers are left open, in the proportions of the paper's Taobao set."""
    usual_users, usual_items = proportions(interactions)
    return Population(
        interactions,
        usual_users if users is None else users,
        usual_items if items is None else items,
        seed,
        statistics or Statistics(),
    )


def proportions(interactions: int) -> tuple[int, int]:
    """Returns the numbers of users and of items that go with `interactions` in the paper's Taobao set."""
    return max(1, round(USERS_SHARE * interactions)), max(1, round(ITEMS_SHARE * interactions))


def generate(source: Population, path: Path, order: Order = "user") -> None:
    """Writes all interactions of a population; equal populations write equal bytes.

    Memory holds the population and one block of it, or one slice of time.

    Args:
      source: of the interactions.
      path: of the file; gzipped where it ends in ".gz".
      order: by user and then by time, as Taobao's file, or by time.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    blocks = (source.draw(block) for block in range(len(source.blocks)))
    with tempfile.TemporaryDirectory(dir=path.parent) as folder, _open(path) as file:
        for rows in blocks if order == "user" else _by_time(blocks, source, Path(folder)):
            file.write(_lines(rows))


def _by_time(blocks: Iterator[Rows], source: Population, folder: Path) -> Iterator[Rows]:
    """Yields the rows of each slice of time in order, after all of them have been sorted into files of a slice each."""
    seconds = 86_400 * source.statistics.days
    slices = max(1, len(source.blocks) // 2)
    with contextlib.ExitStack() as stack:
        # Seldom more than a hundred; the system lets a process have a thousand open.
        files = [stack.enter_context((folder / str(number)).open("wb")) for number in range(slices)]
        for rows in blocks:
            table = np.stack(rows, axis=1).astype(np.int64)
            number = (rows.time - FIRST_SECOND) * slices // seconds
            for used in np.unique(number):
                files[used].write(table[number == used].tobytes())
    for number in range(slices):
        table = np.fromfile(folder / str(number), np.int64).reshape(-1, len(Rows._fields))
        (folder / str(number)).unlink()
        user, item, *_, time = table.T
        yield Rows(*table[np.lexsort((item, user, time))].T)


def _lines(rows: Rows) -> bytes:
    columns = zip(*(column.tolist() for column in rows), strict=True)
    return "".join(f"{u},{i},{c},{BEHAVIOURS[b]},{t}\n" for u, i, c, b, t in columns).encode()


@contextlib.contextmanager
def _open(path: Path) -> Iterator[IO[bytes]]:
    with path.open("wb") as raw:
        if path.suffix != ".gz":
            yield raw
            return
        # Neither name nor time goes into the file, so that equal populations write equal bytes.
        with gzip.GzipFile("", "wb", _ZIP_LEVEL, io.BufferedWriter(raw), mtime=0) as file:
            yield file


def main(argv: Sequence[str] | None = None) -> None:
    """Runs the command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--interactions", type=int, required=True)
    parser.add_argument("--users", type=int, help="default: as many an interaction as in the paper's Taobao set")
    parser.add_argument("--items", type=int, help="likewise")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--order", choices=("user", "time"), default="user")
    parser.add_argument("--output", type=Path, required=True, help="gzipped where it ends in .gz")
    for field in dataclasses.fields(Statistics):
        kind: Any = type(field.default)
        parser.add_argument(f"--{field.name.replace('_', '-')}", type=kind, default=field.default)
    given = vars(parser.parse_args(argv))
    statistics = Statistics(**{field.name: given[field.name] for field in dataclasses.fields(Statistics)})
    try:
        source = population(given["interactions"], given["users"], given["items"], given["seed"], statistics)
    except ValueError as error:
        parser.error(str(error))
    generate(source, given["output"], given["order"])


if __name__ == "__main__":
    main()
