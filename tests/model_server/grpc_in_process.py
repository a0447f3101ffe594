"""A gRPC server in this process, for tests that need limits, models or batching of their own."""

import contextlib
from collections.abc import Iterator
from typing import NamedTuple

import grpc
from tensorflow_serving.apis import model_service_pb2_grpc, prediction_service_pb2_grpc

from model_server.calls import Calls
from model_server.grpc.models import ModelService
from model_server.grpc.prediction import PredictionService
from model_server.grpc.server import GrpcAddresses, GrpcServer
from model_server.limits import Limits
from model_server.metrics import Metrics
from model_server.models.batching import Batching
from model_server.models.listed_models import ListedModels
from model_server.models.manager import ModelManager
from model_server.models.sources import ModelSource
from model_server.models.version_loader import VersionLoader


class Running(NamedTuple):
    """A server and what talks to it."""

    server: GrpcServer
    channel: grpc.Channel
    prediction: prediction_service_pb2_grpc.PredictionServiceStub
    models: model_service_pb2_grpc.ModelServiceStub


@contextlib.contextmanager
def serving(sources: dict[str, str], limits: Limits, batching: Batching | None = None) -> Iterator[Running]:
    """Runs a server over models, name -> folder of versions, while the block runs."""
    listed = ListedModels([ModelSource(name, path) for name, path in sources.items()])
    manager = ModelManager(listed, VersionLoader(timeout_seconds=limits.timeout_seconds, batching=batching))
    manager.start()
    prediction = PredictionService(manager, Calls(manager, Metrics()), limits.body_bytes)
    server = GrpcServer(prediction, ModelService(manager, listed), limits, GrpcAddresses("127.0.0.1", 0))
    server.start()
    try:
        with grpc.insecure_channel(f"127.0.0.1:{server.port}") as channel:
            yield Running(
                server,
                channel,
                prediction_service_pb2_grpc.PredictionServiceStub(channel),
                model_service_pb2_grpc.ModelServiceStub(channel),
            )
    finally:
        server.stop(0).wait()
        server.close()
        manager.close()
