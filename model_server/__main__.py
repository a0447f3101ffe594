"""`python -m model_server`: serves SavedModels over TF Serving's REST and gRPC APIs."""

import logging
import sys
from collections.abc import Sequence

import tensorflow as tf

from model_server import flags, process
from model_server.calls import Calls
from model_server.demo.examples import read_examples
from model_server.demo.pages import demo_routes
from model_server.grpc.models import ModelService
from model_server.grpc.prediction import PredictionService
from model_server.grpc.server import GrpcAddresses, GrpcServer
from model_server.metrics import Metrics
from model_server.models.manager import ModelManager
from model_server.models.version_loader import VersionLoader
from model_server.rest.app import Endpoint
from model_server.rest.handlers import RestApi

_logger = logging.getLogger("model_server")


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
        loader = VersionLoader(
            args.load_scann, limits.timeout_seconds, session_config, batching, flags.allowed_ops(args)
        )
        listed = flags.listed_models(args)
        sources, poll_seconds = flags.all_models(args, listed), args.file_system_poll_wait_seconds
        manager = ModelManager(sources, loader, poll_seconds, flags.retries(args))
        calls = Calls(manager, metrics := Metrics())
        endpoint = Endpoint(RestApi(manager, calls, metrics, flags.metrics_path(args)), limits)
        # Taken before the examples and the models load, to tell of a port in use at once.
        rest = process.bind(args.host, args.rest_port)
        if args.grpc_port is not None or args.grpc_socket_path:
            prediction = PredictionService(manager, calls, limits.body_bytes)
            addresses = GrpcAddresses(args.host, args.grpc_port, args.grpc_socket_path)
            options = flags.channel_options(args)
            grpc = GrpcServer(prediction, ModelService(manager, listed), limits, addresses, options)
        pages = demo_routes(read_examples(args.demo_examples), manager) if args.demo_examples else []
    except ValueError as error:
        _logger.error("%s", error)
        return 2
    process.serve(manager, endpoint, limits, rest, grpc, pages)
    return 0


if __name__ == "__main__":
    sys.exit(main())
