"""The command line: tensorflow_model_server's flags, and some of its own."""

import argparse
import os
import re
from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from model_server.config_files import DEFAULT_METRICS_PATH, read_batching, read_metrics_path
from model_server.limits import Limits
from model_server.models.batching import Batching
from model_server.models.listed_models import ListedModels
from model_server.models.retries import Retries
from model_server.models.sources import ModelSource, Sources, below, merged, read_config_file, saved_models_in
from model_server.models.trust import read_allowed_ops

DEFAULT_REST_PORT = 8501
# In the words of tensorflow_model_server.
_VERSION = f"TensorFlow ModelServer: 2.16.1, by model_server\nTensorFlow Library: {tf.__version__}"


def parse(description: str, argv: Sequence[str] | None) -> argparse.Namespace:
    """Returns the flags; ends the process with usage where they are wrong.

    After that `rest_port` is REST's port and `grpc_port` gRPC's, None for no gRPC.
    """
    limits, retries = Limits(), Retries()
    parser = argparse.ArgumentParser(
        prog="python -m model_server",
        description=description,
        allow_abbrev=False,
        epilog="Flags may use - for _.",
        # Else the two lines of --version become one.
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=_VERSION)
    models = parser.add_argument_group("models")
    _add(models, "--model_base_path", help="serve every model DIR/<name>/<version>, as they come")
    _add(models, "--model_name", help="serve --model_base_path as DIR/<version> of this one model")
    _add(models, "--model", action="append", default=[], metavar="NAME=PATH", help="serve PATH/<version>")
    _add(models, "--model_config_file", help="text proto ModelServerConfig")
    _add(models, "--model_config_file_poll_wait_seconds", type=float, default=0.0, help="read it again; 0 is never")
    _add(
        models,
        "--file_system_poll_wait_seconds",
        "--poll_seconds",
        type=float,
        default=1.0,
        help="how often folders are looked at",
    )
    _add(
        models,
        "--load_scann",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="import ScaNN for models that use it; without, they fail as in a stock TF Serving",
    )
    _add(models, "--max_num_load_retries", type=int, default=retries.number, help="of a version that cannot be loaded")
    _add(models, "--load_retry_interval_micros", type=int, default=round(retries.seconds * 1e6))
    _add(models, "--allowed_ops_file", help="ops that a model may have, one a line; by default all")
    ports = parser.add_argument_group("ports", "0 picks a free one")
    _add(ports, "--host", default="127.0.0.1")
    _add(ports, "--rest_api_port", type=int, help=f"REST; {DEFAULT_REST_PORT} by default")
    _add(ports, "--port", type=int, help="gRPC where --rest_api_port is given, else REST")
    _add(ports, "--grpc_port", type=int, help="gRPC; by default there is none")
    _add(ports, "--grpc_socket_path", default="", help="a UNIX socket for gRPC, beside a port or without")
    _add(ports, "--grpc_channel_arguments", default="", metavar="NAME=VALUE,...", help="for gRPC's server")
    bounds = parser.add_argument_group("bounds")
    _add(bounds, "--threads", "--rest_api_num_threads", type=int, help="calls at once, of REST and gRPC each")
    _add(bounds, "--max_pending", type=int, default=limits.pending, help="calls running or waiting, of each")
    _add(bounds, "--max_body_bytes", type=int, default=limits.body_bytes)
    _add(bounds, "--max_json_values", type=int, default=limits.json_values, help="commas of a JSON body")
    _add(bounds, "--timeout_seconds", type=float, default=limits.timeout_seconds)
    _add(bounds, "--rest_api_timeout_in_ms", type=int, help="the same in milliseconds")
    batching = parser.add_argument_group("batching and monitoring")
    _add(batching, "--enable_batching", type=_boolean, nargs="?", const=True, default=False, help="merge requests")
    _add(batching, "--batching_parameters_file", help="text proto BatchingParameters")
    _add(batching, "--monitoring_config_file", help="text proto MonitoringConfig")
    pages = parser.add_argument_group("pages")
    _add(pages, "--demo_examples", metavar="DIR", help="ExampleGen's output: serve a page about its users at /demo")
    runtime = parser.add_argument_group("TensorFlow's threads", "0 is its own choice")
    _add(runtime, "--intra_op_threads", "--tensorflow_intra_op_parallelism", type=int, default=0)
    _add(runtime, "--inter_op_threads", "--tensorflow_inter_op_parallelism", type=int, default=0)
    args = parser.parse_args(argv)
    if not (args.model_base_path or args.model or args.model_config_file):
        parser.error("one of --model-base-path, --model and --model_config_file is needed")
    if args.model_name and not args.model_base_path:
        parser.error("--model_name needs --model_base_path")
    if args.batching_parameters_file and not args.enable_batching:
        parser.error("--batching_parameters_file needs --enable_batching")
    _set_ports(args, parser)
    return args


def batching(args: argparse.Namespace) -> Batching | None:
    """Returns how requests are merged; None where they are not.

    Raises:
      ValueError: where the file is missing or wrong.
    """
    if not args.enable_batching:
        return None
    return read_batching(args.batching_parameters_file) if args.batching_parameters_file else Batching()


def limits(args: argparse.Namespace, batching: Batching | None) -> Limits:
    """Returns the bounds.

    Raises:
      ValueError: where one is not positive.
    """
    threads = args.threads
    if threads is None:
        threads = 4 * (os.cpu_count() or 1)
        if batching:
            # Requests wait in threads to be merged; TF Serving's advice is twice the batch.
            threads = max(threads, min(2 * batching.max_batch_size, args.max_pending))
    timeout_seconds = args.timeout_seconds
    if args.rest_api_timeout_in_ms is not None:
        timeout_seconds = args.rest_api_timeout_in_ms / 1000
    return Limits(args.max_body_bytes, threads, args.max_pending, timeout_seconds, args.max_json_values)


def retries(args: argparse.Namespace) -> Retries:
    """Returns how often a version that cannot be loaded is tried again.

    Raises:
      ValueError: where the interval is negative.
    """
    return Retries(args.max_num_load_retries, args.load_retry_interval_micros / 1e6)


def channel_options(args: argparse.Namespace) -> list[tuple[str, int | str]]:
    """Returns gRPC's channel arguments; whole numbers as such.

    Raises:
      ValueError: where one is not NAME=VALUE.
    """
    options: list[tuple[str, int | str]] = []
    for text in filter(None, args.grpc_channel_arguments.split(",")):
        name, equals, value = text.partition("=")
        if not (name and equals):
            raise ValueError(f"`grpc_channel_arguments` must be NAME=VALUE,... Received: {text!r}.")
        options.append((name, int(value) if re.fullmatch(r"-?\d+", value) else value))
    return options


def allowed_ops(args: argparse.Namespace) -> frozenset[str] | None:
    """Returns the ops a model may have; None for any.

    Raises:
      ValueError: where the file cannot be read.
    """
    return read_allowed_ops(args.allowed_ops_file) if args.allowed_ops_file else None


def metrics_path(args: argparse.Namespace) -> str | None:
    """Returns where Prometheus finds the metrics; None for nowhere.

    Raises:
      ValueError: where the file is missing or wrong.
    """
    return read_metrics_path(args.monitoring_config_file) if args.monitoring_config_file else DEFAULT_METRICS_PATH


def listed_models(args: argparse.Namespace) -> ListedModels:
    """Returns the models that are named one by one.

    Raises:
      ValueError: where a name or a path is wrong, or the config file is.
    """
    fixed = []
    for text in args.model:
        name, _, path = text.partition("=")
        fixed.append(ModelSource(name, path.rstrip("/")))
    if args.model_name:
        fixed.append(ModelSource(args.model_name, args.model_base_path.rstrip("/")))
    file = args.model_config_file
    return ListedModels(
        fixed, (lambda: read_config_file(file)) if file else None, args.model_config_file_poll_wait_seconds
    )


def all_models(args: argparse.Namespace, listed: ListedModels) -> Sources:
    """Returns `listed` and the models below the base path, if any.

    Raises:
      ValueError: where the base path is one model's.
    """
    if not args.model_base_path or args.model_name:
        return listed
    if saved_models := saved_models_in(args.model_base_path):
        raise ValueError(
            "`--model-base-path` must be a folder of models, each a folder of versions. "
            f"Received: one of versions, {saved_models[0]}; for that add --model_name NAME."
        )
    return merged([listed, below(args.model_base_path)])


def _add(group: argparse._ArgumentGroup, *names: str, **options: Any) -> None:
    """Adds a flag under its names, each also with dashes."""
    spellings = [name for name in names for name in (name, "--" + name[2:].replace("_", "-"))]
    group.add_argument(*dict.fromkeys(spellings), **options)


def _boolean(text: str) -> bool:
    if text.lower() not in ("true", "false", "1", "0"):
        raise argparse.ArgumentTypeError(f"must be true or false. Received: {text!r}")
    return text.lower() in ("true", "1")


def _set_ports(args: argparse.Namespace, parser: argparse.ArgumentParser) -> None:
    args.rest_port, port = args.rest_api_port, args.port
    if args.rest_port is None:
        args.rest_port, port = (DEFAULT_REST_PORT if port is None else port), None
    if args.grpc_port is None:
        args.grpc_port = port
    elif port is not None:
        parser.error("--grpc_port and --port are both gRPC's where --rest_api_port is given")
    if args.grpc_port and args.grpc_port == args.rest_port:
        parser.error(f"the ports of REST and gRPC must differ. Received: {args.grpc_port} for both")
