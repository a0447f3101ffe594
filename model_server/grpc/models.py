"""TF Serving's ModelService over gRPC: the state of versions, and which models are served."""

import logging
import re

import grpc
from tensorflow_serving.apis import get_model_status_pb2, model_management_pb2, model_service_pb2_grpc

from model_server.errors import Code, ServingError, invalid_argument
from model_server.models import sources, status
from model_server.models.listed_models import ListedModels
from model_server.models.manager import ModelManager
from model_server.models.model_spec import wanted

_logger = logging.getLogger(__name__)
_SCHEME = re.compile(r"[a-zA-Z][a-zA-Z0-9.]*://")
# The one metric of a request that this server counts; any other has not risen, as one unknown to TF Serving.
_ATTEMPTS = "/tensorflow/cc/saved_model/load_attempt_count"


class ModelService(model_service_pb2_grpc.ModelServiceServicer):
    """Answers about the models of a manager; every method raises ServingError.

    Args:
      manager: the models.
      listed: those of them that a config lists, and a request may replace.
    """

    def __init__(self, manager: ModelManager, listed: ListedModels) -> None:
        self._manager = manager
        self._listed = listed

    def GetModelStatus(
        self, request: get_model_status_pb2.GetModelStatusRequest, context: grpc.ServicerContext
    ) -> get_model_status_pb2.GetModelStatusResponse:
        """Returns the state of one version or of all."""
        return status.status_response(self._manager.status(*wanted(request)))

    def HandleReloadConfigRequest(
        self, request: model_management_pb2.ReloadConfigRequest, context: grpc.ServicerContext
    ) -> model_management_pb2.ReloadConfigResponse:
        """Serves the models of the request instead of those listed so far; answers once they are loaded."""
        if request.config.WhichOneof("config") != "model_config_list":
            raise invalid_argument(
                "ServerModelConfig type not supported by HandleReloadConfigRequest. "
                "Only ModelConfigList is currently supported"
            )
        for model in request.config.model_config_list.config:
            if not _is_absolute(model.base_path):
                raise invalid_argument(
                    f"Expected model {model.name} to have an absolute path or URI; got base_path()={model.base_path}"
                )
        try:
            models = sources.from_proto(request.config.model_config_list)
        except ValueError as error:
            raise invalid_argument(str(error)) from None
        _logger.info("Asked to serve: %s", ", ".join(f"{model.name} from {model.base_path}" for model in models))
        attempts = self._manager.load_attempts
        self._listed.replace(models)
        self._manager.poll()
        missing = sorted({model.name for model in models} - set(self._manager.names()))
        if missing:
            text = ", ".join(missing)
            raise ServingError(Code.UNKNOWN, f"{len(missing)} servable(s) did not become available: {{{text}}}")
        response = model_management_pb2.ReloadConfigResponse()
        response.status.SetInParent()
        for name in dict.fromkeys(request.metric_names):
            increase = self._manager.load_attempts - attempts if name == _ATTEMPTS else 0
            response.metric.add(name=name, int64_value_increase=increase)
        return response


def _is_absolute(path: str) -> bool:
    return path.startswith("/") or _SCHEME.match(path) is not None
