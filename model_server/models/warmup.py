"""Replays the requests a model brings along, so that its first caller need not wait longer."""

from typing import Any

import tensorflow as tf
from tensorflow_serving.apis import prediction_log_pb2

from model_server.errors import ServingError, invalid_argument
from model_server.forms import example_protos, tensor_protos
from model_server.forms.json_forms import DEFAULT_SIGNATURE
from model_server.models import examples
from model_server.models.servable import Servable

FILE = "assets.extra/tf_serving_warmup_requests"
MAX_RECORDS = 1000


def replay(servable: Servable, path: str) -> int:
    """Runs the warm-up requests of a version folder through its servable.

    Args:
      servable: the version, loaded.
      path: its folder; without the file nothing happens.

    Returns:
      How many requests were run.

    Raises:
      ServingError: the error of the first request that fails: such a version must not be served.
    """
    file = f"{path}/{FILE}"
    if not tf.io.gfile.exists(file):
        return 0
    count = 0
    try:
        for record in tf.data.TFRecordDataset(file).as_numpy_iterator():
            count += 1
            if count > MAX_RECORDS:
                raise invalid_argument(f"Number of warmup records exceeds the maximum ({MAX_RECORDS}) at {file}")
            _run(servable, prediction_log_pb2.PredictionLog.FromString(record))
    except tf.errors.OpError as error:
        raise invalid_argument(f"Failed to read warmup record: {error.message}") from None
    except ServingError:
        raise
    except Exception as error:
        raise invalid_argument(f"Failed to parse warmup record: {error} from {file}") from error
    return count


def _run(servable: Servable, log: prediction_log_pb2.PredictionLog) -> None:
    kind = log.WhichOneof("log_type")
    if kind == "predict_log":
        request = log.predict_log.request
        inputs = tensor_protos.decode_inputs(request.inputs)
        servable.predict(_signature(request), inputs)
    elif kind == "classify_log":
        request = log.classify_log.request
        examples.classify(servable, _signature(request), example_protos.serialized(request.input))
    elif kind == "regress_log":
        request = log.regress_log.request
        examples.regress(servable, _signature(request), example_protos.serialized(request.input))
    else:
        raise invalid_argument(f"Unsupported log_type for warmup: {kind}")


def _signature(request: Any) -> str:
    return request.model_spec.signature_name or DEFAULT_SIGNATURE
