"""`python -m modules.server`: serves SavedModels over TF Serving's REST and gRPC APIs."""

import logging
import sys
from collections.abc import Sequence

import tensorflow as tf

from modules.server import flags, runner
from modules.server.app import Endpoint
from modules.server.calls import Calls
from modules.server.demo.examples import read_examples
from modules.server.demo.pages import demo_routes
from modules.server.grpc_models import ModelService
from modules.server.grpc_prediction import PredictionService
from modules.server.grpc_server import GrpcServer
from modules.server.manager import ModelManager
from modules.server.metrics import Metrics
from modules.server.rest import RestApi
from modules.server.version_loader import VersionLoader

_logger = logging.getLogger("modules.server")


def main(argv: Sequence[str] | None = None) -> int:
    """Serves until a signal ends it; returns the exit code."""
    args = flags.parse(__doc__, argv)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname).1s %(message)s")
    tf.get_logger().setLevel(logging.ERROR)
    session_config = tf.compat.v1.ConfigProto(
        intra_op_parallelism_threads=args.intra_op_threads,
        inter_op_parallelism_threads=args.inter_op_threads,
    )
    grpc = None
    try:
        batching = flags.batching(args)
        limits = flags.limits(args, batching)
        loader = VersionLoader(args.load_scann, limits.timeout_seconds, session_config, batching)
        listed = flags.listed_models(args)
        manager = ModelManager(flags.all_models(args, listed), loader, args.file_system_poll_wait_seconds)
        calls = Calls(manager, metrics := Metrics())
        endpoint = Endpoint(RestApi(manager, calls, metrics, flags.metrics_path(args)), limits)
        # Taken before the examples and the models load, to tell of a port in use at once.
        rest = runner.bind(args.host, args.rest_port)
        if args.grpc_port is not None:
            prediction = PredictionService(manager, calls, limits.body_bytes)
            grpc = GrpcServer(prediction, ModelService(manager, listed), limits, args.host, args.grpc_port)
        pages = demo_routes(read_examples(args.demo_examples), manager) if args.demo_examples else []
    except ValueError as error:
        _logger.error("%s", error)
        return 2
    runner.run(manager, endpoint, limits, rest, grpc, pages)
    return 0


if __name__ == "__main__":
    sys.exit(main())
