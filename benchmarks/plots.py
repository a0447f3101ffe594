"""What the benchmarks' plots share, and that of the samplers."""

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from benchmarks.timing import Timing

MARKERS = "os^vDP"


@contextlib.contextmanager
def png(path: Path, **subplots: Any) -> Iterator[tuple[Any, Any]]:
    """Gives a Matplotlib figure and its axes, and writes them to a PNG at the end.

    Args:
      path: of the PNG; its folder is made where it is missing.
      **subplots: arguments of `pyplot.subplots`.
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(layout="constrained", **subplots)
    yield figure, axes
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)
    plt.close(figure)


def plot_draws(draws: Mapping[int, Mapping[str, Timing]], draws_a_call: int, path: Path) -> None:
    """Writes a PNG of draws a CPU second against the size of the corpus, both logarithmic.

    Args:
      draws: size of the corpus -> proposal -> timing of one call.
      draws_a_call: how many draws a call makes.
      path: of the PNG.
    """
    with png(path, figsize=(7, 5)) as (figure, axes):
        for name, marker in zip(next(iter(draws.values())), MARKERS, strict=False):
            points = [(size, draws_a_call / timings[name].cpu) for size, timings in draws.items() if name in timings]
            axes.loglog(*zip(*points, strict=True), marker=marker, label=name)
        axes.set_xlabel("items in the corpus")
        axes.set_ylabel("draws a CPU second, one thread")
        axes.grid(which="major", alpha=0.3)
        figure.legend(loc="outside lower center", ncols=3)
