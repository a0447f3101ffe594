"""The requests TF Serving replays before a version takes traffic.

Its first requests would else wait for lazy initialisation; and a server that lacks an operation of the graph finds out
while the last version still answers, instead of with the first caller.

Format: https://www.tensorflow.org/tfx/serving/saved_model_warmup
"""

import itertools
import os
from collections.abc import Iterator, Mapping, Sequence

import tensorflow as tf
from tensorflow.core.framework import tensor_pb2
from tensorflow.core.protobuf import meta_graph_pb2, saved_model_pb2
from tensorflow_serving.apis import predict_pb2, prediction_log_pb2

from tfx_pipeline.components.serving_probe import UNKNOWN_USER

FOLDER, FILE = "assets.extra", "tf_serving_warmup_requests"
BATCH_SIZE = 32


def write(folder: str, model_path: str, users: Sequence[Mapping]) -> int:
    """Writes the warm-up requests of a model.

    Each signature of users or items is asked about one user, a user nobody knows, a user without a history, and 32
    users at once. Where it wants items in place of users, candidates, or items to leave out, these are the history's.

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
        for batch in _batches(users):
            inputs = _inputs(batch)
            for name in sorted(signatures):
                wanted = signatures[name].inputs.keys()
                if {"user_id", "item_id"} & wanted and wanted <= inputs.keys():
                    writer.write(_log(name, {key: inputs[key] for key in wanted}).SerializeToString())
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


def _inputs(users: Sequence[Mapping]) -> dict[str, tensor_pb2.TensorProto]:
    """Returns whatever a signature may ask for, by name."""
    width = max(len(user["history"]) for user in users)
    padded = [item for user in users for item in [*user["history"], *[""] * (width - len(user["history"]))]]
    histories = tf.make_tensor_proto(padded, tf.string, [len(users), width])
    return {
        "user_id": tf.make_tensor_proto([user["user_id"] for user in users], tf.string),
        "history": histories,
        "item_id": histories,
        "candidate_id": histories,
        "exclude": histories,
        "allow": histories,
        "rule": tf.make_tensor_proto([""] * len(users), tf.string),
        "caps": tf.make_tensor_proto([""] * len(users), tf.string),
        "diversity": tf.make_tensor_proto(0.5, tf.float32),
        "epsilon": tf.make_tensor_proto(0.0, tf.float32),
        "temperature": tf.make_tensor_proto(0.0, tf.float32),
        "seed": tf.make_tensor_proto(0, tf.int64),
        "k": tf.make_tensor_proto(1, tf.int32),
    }


def _log(signature: str, inputs: Mapping[str, tensor_pb2.TensorProto]) -> prediction_log_pb2.PredictionLog:
    request = predict_pb2.PredictRequest()
    request.model_spec.signature_name = signature
    for name, tensor in inputs.items():
        request.inputs[name].CopyFrom(tensor)
    return prediction_log_pb2.PredictionLog(predict_log=prediction_log_pb2.PredictLog(request=request))


def _signatures(model_path: str) -> Mapping[str, meta_graph_pb2.SignatureDef]:
    with tf.io.gfile.GFile(os.path.join(model_path, "saved_model.pb"), "rb") as file:
        saved_model = saved_model_pb2.SavedModel.FromString(file.read())
    return saved_model.meta_graphs[0].signature_def
