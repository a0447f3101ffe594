"""Writes the report of a pipeline's latest run and prints its summary."""

import argparse
import os
import sys
from collections.abc import Sequence

import tensorflow as tf

from tfx_pipeline.report import collect, summary, write


def main(argv: Sequence[str] | None = None) -> int:
    """Returns 0; 1 where a model was refused and that was to fail; 2 where there is no run."""
    parser = argparse.ArgumentParser(prog="python -m tfx_pipeline.report", description=__doc__)
    parser.add_argument("--pipeline-root", required=True, help="folder of the pipeline's artifacts")
    parser.add_argument("--name", required=True, help="name of the pipeline")
    parser.add_argument("--metadata", help="MLMD's SQLite file (default: metadata.sqlite in the pipeline root)")
    parser.add_argument("--output", help="the HTML file (default: report.html in the pipeline root)")
    parser.add_argument("--users", type=int, default=5, help="test users to show recommendations for (default: 5)")
    parser.add_argument(
        "--min-slice-users",
        type=int,
        default=10,
        help="slices of fewer users are not plotted (default: 10)",
    )
    parser.add_argument(
        "--fail-unless-blessed",
        action="store_true",
        help="end with status 1 where any model may not be served",
    )
    args = parser.parse_args(argv)
    # Deprecations within TFMA are no news to whoever reads the summary.
    tf.get_logger().setLevel("ERROR")
    metadata = args.metadata or os.path.join(args.pipeline_root, "metadata.sqlite")
    output = args.output or os.path.join(args.pipeline_root, "report.html")
    try:
        facts = collect(metadata, args.name, args.users)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    write(facts, output, args.min_slice_users)
    print(summary(facts, output))
    if args.fail_unless_blessed and not facts.blessed:
        print("The run must end with every model blessed, and it did not.", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
