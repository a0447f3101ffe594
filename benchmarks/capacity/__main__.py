"""Time and peak memory of each component as the data grow, and what they tell of the paper's Taobao set.

python -m benchmarks.capacity --report docs/capacity.md --plot docs/images/capacity.png
python -m benchmarks.capacity --population 1000000 --sizes 1000000 3000000 --items

The second holds users and items at those of a million interactions, while the interactions of each grow. Every finished
measurement is a line of the output; one that is there is not made again.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from benchmarks.capacity import items
from benchmarks.capacity.data_half import COMPONENTS, configuration, run_component
from benchmarks.capacity.generate import generate, population, proportions
from benchmarks.capacity.growth import plot_growth, put_tables
from benchmarks.capacity.process import Taken, measure
from benchmarks.capacity.results import Cell, Results
from benchmarks.epochs import alone


def _generate(interactions: int, of: int, path: Path) -> Taken:
    return measure(lambda: generate(population(interactions, *proportions(of)), path))[1]


def _stages(sizes: items.Sizes) -> list[Cell]:
    return [Cell(stage, sizes.items, taken, figures) for stage, taken, figures in items.measure_stages(sizes)]


def measure_data_half(interactions: int, root: Path, results: Results, of: int | None = None) -> None:
    """Makes the interactions and runs each component over them, each in a process of its own; skips what is there.

    Args:
      interactions: how many rows.
      root: folder of the interactions and of what the runs write.
      results: where the measurements go.
      of: interactions whose users and items take part; None for those of `interactions`.
    """
    path = root / str(interactions) / "UserBehavior.csv"
    if not path.exists():
        # Under its own name only when it is complete.
        unfinished = path.with_name("unfinished.csv")
        results.add(Cell("Generator", interactions, alone(_generate, interactions, of or interactions, unfinished), {}))
        unfinished.rename(path)
    config = configuration(path, root / str(interactions))
    for component in COMPONENTS:
        if not results.has(component, interactions):
            results.add(Cell(component, interactions, alone(run_component, config, component), {}))


def main(argv: Sequence[str] | None = None) -> None:
    """Runs the command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="*", default=[100_000, 1_000_000, 10_000_000], help="interactions")
    parser.add_argument("--population", type=int, help="users and items of that many interactions, at every size")
    parser.add_argument("--items", type=int, nargs="*", default=[1_000_000], help="corpora to train on and to export")
    parser.add_argument("--quick", action="store_true", help="tiny corpora of items, to see that it runs")
    parser.add_argument("--root", type=Path, default=Path("var/capacity"), help="folder of all that is generated")
    parser.add_argument("--output", type=Path, help="of the measurements; default: results.jsonl in that folder")
    parser.add_argument("--report", type=Path, help="put the tables into this Markdown file")
    parser.add_argument("--plot", type=Path, help="and the plot to this PNG")
    arguments = parser.parse_args(argv)
    # Sizes are measured once for each population, and must not be taken for those of another.
    root = arguments.root / f"population-{arguments.population}" if arguments.population else arguments.root
    results = Results(arguments.output or root / "results.jsonl")
    for size in sorted(arguments.sizes):
        measure_data_half(size, root, results, arguments.population)
    for size in sorted(arguments.items):
        sizes = items.QUICK if arguments.quick else items.Sizes(items=size)
        if not results.has("training", sizes.items):
            for cell in alone(_stages, sizes):
                results.add(cell)
    if arguments.report:
        put_tables(results.cells, arguments.report)
    if arguments.plot:
        plot_growth(results.cells, arguments.plot)


if __name__ == "__main__":
    main()
