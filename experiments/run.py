"""Runs a table of experiments: `python -m experiments.run experiments/general.yaml [--quick] [--only DATASET ...]`."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import tfx_pipeline  # noqa: F401  (sets the environment before TensorFlow is imported)


def main(argv: Sequence[str] | None = None) -> int:
    """Runs what is missing of a table and writes its Markdown, CSV and plots."""
    parser = argparse.ArgumentParser(prog="python -m experiments.run", description=__doc__)
    parser.add_argument("table", type=Path, help="YAML file of the table")
    parser.add_argument("--only", nargs="*", help="names of the data sets to run (default: all)")
    parser.add_argument("--quick", action="store_true", help="one epoch, one seed, no search: a smoke run")
    parser.add_argument("--report-only", action="store_true", help="report on what is finished, train nothing")
    parser.add_argument("--root", default="var/experiments", help="folder of results and data")
    parser.add_argument(
        "--output", type=Path, help="folder of the report (default: docs/results, with --quick the root)"
    )
    arguments = parser.parse_args(argv)

    from experiments import report
    from experiments.cells import finished_cells, run_cells
    from experiments.config import load_table
    from tfx_pipeline import logs

    logs.set_up()
    table = load_table(arguments.table)
    folder = Path(arguments.root) / (arguments.table.stem + ("-quick" if arguments.quick else ""))
    if arguments.quick:
        table = table.quick()
    folder.mkdir(parents=True, exist_ok=True)
    names = arguments.only or list(table.datasets)
    if arguments.report_only:
        results = finished_cells(table, names, folder)
    else:
        results = run_cells(table, names, folder, arguments.root)
    output = arguments.output or (folder if arguments.quick else Path("docs/results"))
    report.write(table, results, output, arguments.table.stem)
    print(f"Report  {output / arguments.table.stem}.md")
    return 0


if __name__ == "__main__":
    sys.exit(main())
