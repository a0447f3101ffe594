"""`python -m modules.server`: serves SavedModels over TF Serving's REST API."""

import argparse
import logging
import os
import sys
from collections.abc import Sequence

import tensorflow as tf

from modules.server import runner, sources
from modules.server.app import Limits
from modules.server.manager import ModelManager
from modules.server.version_loader import VersionLoader

_logger = logging.getLogger("modules.server")


def _parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    limits = Limits()
    parser = argparse.ArgumentParser(prog="python -m modules.server", description=__doc__)
    parser.add_argument("--model-base-path", help="serve every model DIR/<name>/<version>, as they come")
    parser.add_argument("--model", action="append", default=[], metavar="NAME=PATH", help="serve PATH/<version>")
    parser.add_argument("--model_config_file", "--model-config-file", help="text proto ModelServerConfig")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8501, help="0 picks a free one")
    parser.add_argument("--poll-seconds", type=float, default=1.0, help="how often folders are looked at")
    parser.add_argument(
        "--load-scann",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="import ScaNN for models that use it; without, they fail as in a stock TF Serving",
    )
    parser.add_argument("--threads", type=int, default=4 * (os.cpu_count() or 1), help="calls at once")
    parser.add_argument("--max-pending", type=int, default=limits.pending, help="calls running or waiting")
    parser.add_argument("--max-body-bytes", type=int, default=limits.body_bytes)
    parser.add_argument("--timeout-seconds", type=float, default=limits.timeout_seconds)
    parser.add_argument("--intra-op-threads", type=int, default=0, help="TensorFlow's; 0 is its own choice")
    parser.add_argument("--inter-op-threads", type=int, default=0, help="TensorFlow's; 0 is its own choice")
    args = parser.parse_args(argv)
    if not (args.model_base_path or args.model or args.model_config_file):
        parser.error("one of --model-base-path, --model and --model_config_file is needed")
    return args


def _sources(args: argparse.Namespace) -> sources.Sources:
    named = []
    for text in args.model:
        name, _, path = text.partition("=")
        named.append(sources.ModelSource(name, path.rstrip("/")))
    if args.model_config_file:
        named += sources.read_config_file(args.model_config_file)
    parts = [sources.fixed(named)]
    if args.model_base_path:
        if saved_models := sources.saved_models_in(args.model_base_path):
            raise ValueError(
                "`--model-base-path` must be a folder of models, each a folder of versions. "
                f"Received: one of versions, {saved_models[0]}; for that use --model NAME=PATH."
            )
        parts.append(sources.below(args.model_base_path))
    return sources.merged(parts)


def main(argv: Sequence[str] | None = None) -> int:
    """Serves until a signal ends it; returns the exit code."""
    args = _parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname).1s %(message)s")
    tf.get_logger().setLevel(logging.ERROR)
    session_config = tf.compat.v1.ConfigProto(
        intra_op_parallelism_threads=args.intra_op_threads,
        inter_op_parallelism_threads=args.inter_op_threads,
    )
    try:
        limits = Limits(args.max_body_bytes, args.threads, args.max_pending, args.timeout_seconds)
        loader = VersionLoader(args.load_scann, limits.timeout_seconds, session_config)
        manager = ModelManager(_sources(args), loader, args.poll_seconds)
        # Taken before the models load, to tell of a port in use at once.
        listener = runner.bind(args.host, args.port)
    except ValueError as error:
        _logger.error("%s", error)
        return 2
    runner.run(manager, limits, listener)
    return 0


if __name__ == "__main__":
    sys.exit(main())
