"""The requests TF Serving replays before a version takes traffic.

Its first requests would else wait for lazy initialisation; and a server that lacks an operation of the graph finds out
while the last version still answers, instead of with the first caller.

Format: https://www.tensorflow.org/tfx/serving/saved_model_warmup
"""

import itertools
import os
from collections.abc import Iterator, Mapping, Sequence

import tensorflow as tf
from tensorflow.core.protobuf import meta_graph_pb2, saved_model_pb2
from tensorflow_serving.apis import predict_pb2, prediction_log_pb2

from tfx_pipeline.components.serving_probe import SIGNATURES, UNKNOWN_USER

FILE = "tf_serving_warmup_requests"
FOLDER = "assets.extra"
BATCH_SIZE = 32

_INPUTS = {"user_id", "history"}


def write(folder: str, model_path: str, users: Sequence[Mapping]) -> int:
    """Writes the warm-up requests of a model.

    Each signature of a user and a history is asked about one user, a user nobody knows, a user without a history, and
    32 users at once.

    Args:
      folder: where `tf_serving_warmup_requests` is written.
      model_path: folder of the SavedModel they are for.
      users: dicts of `user_id`, a string, and `history`, a list of strings; none makes them all unknown.

    Returns:
      How many requests were written.
    """
    signatures = _signatures(model_path)
    count = 0
    with tf.io.TFRecordWriter(os.path.join(folder, FILE)) as writer:
        for name in SIGNATURES:
            if name not in signatures or set(signatures[name].inputs) != _INPUTS:
                continue
            for batch in _batches(users):
                writer.write(_log(name, batch).SerializeToString())
                count += 1
    return count


def copy(folder: str, version: str) -> None:
    """Makes the requests `write` left in `folder` part of a version folder; without any, nothing happens."""
    source = os.path.join(folder, FILE)
    if not tf.io.gfile.exists(source):
        return
    tf.io.gfile.makedirs(os.path.join(version, FOLDER))
    tf.io.gfile.copy(source, os.path.join(version, FOLDER, FILE), overwrite=True)


def _batches(users: Sequence[Mapping]) -> Iterator[list[Mapping]]:
    first, *_ = known = list(users) or [{"user_id": UNKNOWN_USER, "history": []}]
    yield [first]
    yield [{"user_id": UNKNOWN_USER, "history": first["history"]}]
    yield [{"user_id": first["user_id"], "history": []}]
    yield list(itertools.islice(itertools.cycle(known), BATCH_SIZE))


def _log(signature: str, users: Sequence[Mapping]) -> prediction_log_pb2.PredictionLog:
    width = max(len(user["history"]) for user in users)
    histories = [item for user in users for item in [*user["history"], *[""] * (width - len(user["history"]))]]
    request = predict_pb2.PredictRequest()
    request.model_spec.signature_name = signature
    request.inputs["user_id"].CopyFrom(tf.make_tensor_proto([user["user_id"] for user in users], tf.string))
    request.inputs["history"].CopyFrom(tf.make_tensor_proto(histories, tf.string, [len(users), width]))
    return prediction_log_pb2.PredictionLog(predict_log=prediction_log_pb2.PredictLog(request=request))


def _signatures(model_path: str) -> Mapping[str, meta_graph_pb2.SignatureDef]:
    with tf.io.gfile.GFile(os.path.join(model_path, "saved_model.pb"), "rb") as file:
        saved_model = saved_model_pb2.SavedModel.FromString(file.read())
    return saved_model.meta_graphs[0].signature_def
