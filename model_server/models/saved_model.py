"""Loads a SavedModel into a session of its own: TF Serving's runtime, so its answers too."""

import importlib
import logging
from typing import NamedTuple

import tensorflow as tf
from tensorflow.core.protobuf import meta_graph_pb2, saved_model_pb2

from model_server.errors import Code, ServingError, not_found
from model_server.forms.json_print import to_text
from model_server.models import runtime, trust

SERVE_TAG = "serve"
# TensorFlow cannot raise its own error where the message quotes bytes that are not UTF-8.
RUNTIME_ERRORS = (tf.errors.OpError, UnicodeDecodeError)

_SCANN_PREFIX = "Scann>"
_logger = logging.getLogger(__name__)


class LoadedModel(NamedTuple):
    """A SavedModel that can run."""

    session: tf.compat.v1.Session
    signatures: dict[str, meta_graph_pb2.SignatureDef]
    missing_ops: dict[str, str]
    """Name of a function that was left out -> TensorFlow's message about its missing op."""


def load(
    path: str,
    load_scann: bool = True,
    session_config: tf.compat.v1.ConfigProto | None = None,
    allowed_ops: frozenset[str] | None = None,
) -> LoadedModel:
    """Returns the SavedModel in folder `path`, its variables restored and its tables filled.

    Functions with an op this process does not have are left out: TF Serving, too, stumbles on them
    only when they are called.

    Args:
      path: the version folder.
      load_scann: imports ScaNN, best effort, for a model that uses its ops.
      session_config: threads and devices.
      allowed_ops: those that its graph may have; None for any.

    Raises:
      ServingError: PERMISSION_DENIED where it has others or an asset outside its folder, NOT_FOUND or DATA_LOSS where
        there is no readable SavedModel, else TensorFlow's own code.
    """
    meta_graph = _serving_graph(_read(path))
    trust.check_assets(path, meta_graph)
    ops = _ops(meta_graph)
    if allowed_ops is not None:
        trust.check_ops(meta_graph, ops, allowed_ops)
    if load_scann and any(op.startswith(_SCANN_PREFIX) for op in ops):
        _import_scann()
    missing_ops = _leave_out_unknown(meta_graph)
    session = tf.compat.v1.Session(graph=tf.Graph(), config=session_config)
    try:
        runtime.fill(session, path, meta_graph)
    except RUNTIME_ERRORS as error:
        session.close()
        raise from_runtime_error(error) from None
    except Exception as error:
        session.close()
        raise ServingError(Code.UNKNOWN, f"{type(error).__name__}: {error}") from error
    # Copies, as a reference would keep the whole graph in memory a second time.
    signatures = {
        name: meta_graph_pb2.SignatureDef.FromString(signature.SerializeToString())
        for name, signature in meta_graph.signature_def.items()
    }
    return LoadedModel(session, signatures, missing_ops)


def from_runtime_error(error: tf.errors.OpError | UnicodeDecodeError) -> ServingError:
    """Returns one of `RUNTIME_ERRORS` as one to tell the client."""
    if isinstance(error, UnicodeDecodeError):
        # The message is whole, its code is lost: what quotes such bytes complains of them.
        return ServingError(Code.INVALID_ARGUMENT, to_text(error.object))
    return ServingError(Code(error.error_code), str(error.message))


def _read(path: str) -> saved_model_pb2.SavedModel:
    forms = {"saved_model.pb": "binary", "saved_model.pbtxt": "text"}
    name = next((name for name in forms if tf.io.gfile.exists(f"{path}/{name}")), None)
    if name is None:
        raise not_found(
            "Specified file path does not appear to contain a SavedModel bundle "
            f"(should have a file called `saved_model.pb`)\nSpecified file path: {path}"
        )
    try:
        return runtime.read_saved_model(path)
    except (OSError, UnicodeDecodeError):
        raise ServingError(Code.DATA_LOSS, f"Can't parse {path}/{name} as {forms[name]} proto") from None


def _serving_graph(saved_model: saved_model_pb2.SavedModel) -> meta_graph_pb2.MetaGraphDef:
    for meta_graph in saved_model.meta_graphs:
        if set(meta_graph.meta_info_def.tags) == {SERVE_TAG}:
            return meta_graph
    raise not_found(
        f"Could not find meta graph def matching supplied tags: {{ {SERVE_TAG} }}. To inspect "
        "available tag-sets in the SavedModel, please use the SavedModel CLI: `saved_model_cli`"
    )


def _ops(meta_graph: meta_graph_pb2.MetaGraphDef) -> set[str]:
    graph = meta_graph.graph_def
    ops = {node.op for node in graph.node}
    for function in graph.library.function:
        ops.update(node.op for node in function.node_def)
    return ops


def _import_scann() -> None:
    try:
        importlib.import_module("scann")
    except Exception as error:
        _logger.warning(
            "The model uses ScaNN, which cannot be imported (%s); calls that search will fail.",
            error,
        )


def _leave_out_unknown(meta_graph: meta_graph_pb2.MetaGraphDef) -> dict[str, str]:
    """Removes the functions that cannot be imported; returns name -> TensorFlow's reason."""
    library = meta_graph.graph_def.library
    missing: dict[str, str] = {}
    while True:
        names = {function.signature.name for function in library.function}
        found = {}
        for function in library.function:
            for node in function.node_def:
                if node.op not in names and not runtime.is_known_op(node.op):
                    # A function may be called by its name, as if it were an op.
                    found[function.signature.name] = missing.get(node.op) or _reason(node.op)
                    break
        if not found:
            return missing
        missing |= found
        kept = [function for function in library.function if function.signature.name not in found]
        del library.function[:]
        library.function.extend(kept)


def _reason(op: str) -> str:
    """Returns what TensorFlow says of an op it does not know."""
    graph = tf.compat.v1.GraphDef()
    graph.node.add(name="node", op=op)
    try:
        with tf.Graph().as_default():
            tf.graph_util.import_graph_def(graph)
    except tf.errors.OpError as error:
        return str(error.message)
    return f"Op type not registered '{op}'"
