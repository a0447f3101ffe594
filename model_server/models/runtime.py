"""TensorFlow's API that is not public, all of it that the server uses: what a new TensorFlow may break is here.

The public `tf.saved_model` runs models through eager functions, and `Session.run` takes thrice as long and rewrites the
runtime's messages. The answers and the errors here are the runtime's own, as in TF Serving.
"""

from collections.abc import Callable, Sequence

import numpy as np
import tensorflow as tf
from tensorflow.core.protobuf import config_pb2, meta_graph_pb2, saved_model_pb2
from tensorflow.python.framework import op_def_registry
from tensorflow.python.saved_model import loader_impl


def read_saved_model(path: str) -> saved_model_pb2.SavedModel:
    """Returns the message in a SavedModel's folder.

    Raises:
      OSError, UnicodeDecodeError: where it cannot be read.
    """
    return loader_impl.parse_saved_model(path)


def is_known_op(name: str) -> bool:
    """Tells whether this process has an op."""
    return op_def_registry.get(name) is not None


def make_callable(
    session: tf.compat.v1.Session, options: config_pb2.CallableOptions
) -> Callable[..., Sequence[np.ndarray]]:
    """Returns a function from the values to feed, in order, to those to fetch."""
    return session._make_callable_from_options(options)


def fill(session: tf.compat.v1.Session, path: str, meta_graph: meta_graph_pb2.MetaGraphDef) -> None:
    """Imports a graph into an empty session, restores its variables and fills its tables.

    Args:
      session: of an empty graph.
      path: the SavedModel's folder.
      meta_graph: the graph.
    """
    with session.graph.as_default():
        tf.compat.v1.train.import_meta_graph(meta_graph)
        if meta_graph.HasField("saver_def"):
            _restore(session, meta_graph, f"{path}/variables/variables")
        init_op = loader_impl.get_init_op(meta_graph)
        if init_op is not None:
            session.run(init_op, loader_impl.get_asset_tensors(path, meta_graph))


def _restore(session: tf.compat.v1.Session, meta_graph: meta_graph_pb2.MetaGraphDef, prefix: str) -> None:
    saver = meta_graph.saver_def
    options = config_pb2.CallableOptions(feed=[saver.filename_tensor_name], target=[saver.restore_op_name])
    make_callable(session, options)(np.array(prefix.encode(), object))
