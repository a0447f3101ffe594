"""TF Serving's PredictionService over gRPC."""

import contextlib
from collections.abc import Iterator

import grpc
from tensorflow_serving.apis import (
    classification_pb2,
    get_model_metadata_pb2,
    model_pb2,
    predict_pb2,
    prediction_service_pb2_grpc,
    regression_pb2,
)

from model_server.calls import Calls
from model_server.errors import Code, ServingError, invalid_argument
from model_server.forms import example_protos, tensor_protos
from model_server.forms.json_forms import DEFAULT_SIGNATURE
from model_server.models import examples, status
from model_server.models.manager import ModelManager
from model_server.models.model_spec import wanted
from model_server.models.servable import Servable

_METADATA_FIELD = "signature_def"
_ENTRYPOINT = "GRPC"


class PredictionService(prediction_service_pb2_grpc.PredictionServiceServicer):
    """Answers from the models of a manager; every method raises ServingError.

    Args:
      manager: the models.
      calls: where calls are counted.
      max_tensor_bytes: the most one input tensor may take.
    """

    def __init__(self, manager: ModelManager, calls: Calls, max_tensor_bytes: int) -> None:
        self._manager = manager
        self._calls = calls
        self._max_tensor_bytes = max_tensor_bytes

    def Predict(
        self, request: predict_pb2.PredictRequest, context: grpc.ServicerContext
    ) -> predict_pb2.PredictResponse:
        """Runs a signature."""
        with self._call(request, "Predict") as (servable, signature_name):
            if signature_name not in servable.signatures:
                raise ServingError(Code.FAILED_PRECONDITION, f'Serving signature key "{signature_name}" not found.')
            names = _outputs(servable, signature_name, list(request.output_filter))
            inputs = tensor_protos.decode_inputs(request.inputs, self._max_tensor_bytes)
            outputs = servable.predict(signature_name, inputs)
            response = predict_pb2.PredictResponse(model_spec=_spec(servable, signature_name))
            for name in names:
                tensor_protos.encode(outputs[name], response.outputs[name])
            return response

    def Classify(
        self, request: classification_pb2.ClassificationRequest, context: grpc.ServicerContext
    ) -> classification_pb2.ClassificationResponse:
        """Runs a signature from tf.Examples to labels and scores."""
        with self._call(request, "Classify") as (servable, signature_name):
            results = examples.classify(servable, signature_name, example_protos.serialized(request.input))
            response = classification_pb2.ClassificationResponse(model_spec=_spec(servable, signature_name))
            example_protos.fill_classifications(results, response.result)
            return response

    def Regress(
        self, request: regression_pb2.RegressionRequest, context: grpc.ServicerContext
    ) -> regression_pb2.RegressionResponse:
        """Runs a signature from tf.Examples to one number each."""
        with self._call(request, "Regress") as (servable, signature_name):
            results = examples.regress(servable, signature_name, example_protos.serialized(request.input))
            response = regression_pb2.RegressionResponse(model_spec=_spec(servable, signature_name))
            example_protos.fill_regressions(results, response.result)
            return response

    def GetModelMetadata(
        self, request: get_model_metadata_pb2.GetModelMetadataRequest, context: grpc.ServicerContext
    ) -> get_model_metadata_pb2.GetModelMetadataResponse:
        """Returns a version's signatures."""
        version = wanted(request)
        if not request.metadata_field:
            raise invalid_argument("GetModelMetadataRequest must specify at least one metadata_field")
        for field in request.metadata_field:
            if field != _METADATA_FIELD:
                raise invalid_argument(f"Metadata field {field} is not supported")
        with self._manager.use(*version) as servable:
            response = get_model_metadata_pb2.GetModelMetadataResponse(model_spec=_spec(servable))
            response.metadata[_METADATA_FIELD].Pack(status.signature_map(servable))
            return response

    @contextlib.contextmanager
    def _call(
        self,
        request: predict_pb2.PredictRequest
        | classification_pb2.ClassificationRequest
        | regression_pb2.RegressionRequest,
        api: str,
    ) -> Iterator[tuple[Servable, str]]:
        """Counts the block as a call, and holds the version and the name of the signature it asks for."""
        with (
            self._calls.counted(request.model_spec.name, api, _ENTRYPOINT),
            self._manager.use(*wanted(request)) as servable,
        ):
            yield servable, request.model_spec.signature_name or DEFAULT_SIGNATURE


def _spec(servable: Servable, signature_name: str = "") -> model_pb2.ModelSpec:
    spec = model_pb2.ModelSpec(name=servable.name, signature_name=signature_name)
    spec.version.value = servable.version
    return spec


def _outputs(servable: Servable, signature_name: str, chosen: list[str]) -> list[str]:
    """Returns the outputs a request wants; all where it names none."""
    known = sorted(servable.signatures[signature_name].outputs)
    for index, name in enumerate(chosen):
        if name not in known:
            raise invalid_argument(
                f"output tensor alias not found in signature: {name} Outputs expected to be in the set "
                f"{{{','.join(known)}}}."
            )
        if name in chosen[:index]:
            raise invalid_argument(f"duplicate output tensor alias: {name}")
    return chosen or known
