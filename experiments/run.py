"""Runs a table of experiments: `python -m experiments.run experiments/general.yaml [--quick] [--only DATASET ...]`.

A long table is run in pieces, by data set, method and seed; the report holds whatever is finished.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import tfx_pipeline  # noqa: F401  (sets the environment before TensorFlow is imported)


def main(argv: Sequence[str] | None = None) -> int:
    """Runs what is missing of a table and writes its Markdown, CSV and plots."""
    parser = argparse.ArgumentParser(prog="python -m experiments.run", description=__doc__.splitlines()[0])
    parser.add_argument("table", type=Path, help="YAML file of the table")
    parser.add_argument("--only", nargs="*", help="names of the data sets to run (default: all)")
    parser.add_argument("--methods", nargs="*", help="names of the methods to run (default: all)")
    parser.add_argument("--seeds", nargs="*", type=int, help="seeds to run, of the table's (default: all)")
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
    from tfx_pipeline.runs import logs

    logs.set_up()
    table = load_table(arguments.table)
    folder = Path(arguments.root) / "cells"
    if arguments.quick:
        table = table.quick()
    folder.mkdir(parents=True, exist_ok=True)
    if not arguments.report_only:
        run_cells(table, folder, arguments.root, arguments.only, arguments.methods, arguments.seeds)
    results = finished_cells(table, folder)
    output = arguments.output or (Path(arguments.root) / "quick" if arguments.quick else Path("docs/results"))
    report.write(table, results, output, arguments.table.stem)
    print(f"Report  {output / arguments.table.stem}.md")
    return 0


if __name__ == "__main__":
    sys.exit(main())
