"""What a SavedModel of others may not do: read files that are not its own, or run ops that no one allowed."""

import os
from collections.abc import Collection, Iterator

import tensorflow as tf
from tensorflow.core.protobuf import meta_graph_pb2

from model_server.errors import Code, ServingError
from model_server.models import runtime

_COLLECTION = "saved_model_assets"


def read_allowed_ops(path: str) -> frozenset[str]:
    """Returns the ops a text file names, one a line; empty lines and those that begin with # are left out.

    Raises:
      ValueError: where it cannot be read.
    """
    try:
        with tf.io.gfile.GFile(path) as file:
            lines = [line.strip() for line in file.read().splitlines()]
    except (tf.errors.OpError, UnicodeDecodeError) as error:
        raise ValueError(f"`allowed_ops_file` must be a text file of ops. Received: {path!r}: {error}.") from error
    return frozenset(line for line in lines if line and not line.startswith("#"))


def check_ops(meta_graph: meta_graph_pb2.MetaGraphDef, ops: Collection[str], allowed: Collection[str]) -> None:
    """Refuses a graph with an op that is not allowed.

    Args:
      meta_graph: the graph, whose functions may be called as if they were ops.
      ops: all that its nodes name.
      allowed: the ops that may be among them.

    Raises:
      ServingError: PERMISSION_DENIED, naming the ops.
    """
    functions = {function.signature.name for function in meta_graph.graph_def.library.function}
    refused = sorted(op for op in set(ops) - set(allowed) if op not in functions or runtime.is_known_op(op))
    if refused:
        raise ServingError(
            Code.PERMISSION_DENIED, f"Ops must be in the allowed_ops_file. Received: {', '.join(refused)}"
        )


def check_assets(path: str, meta_graph: meta_graph_pb2.MetaGraphDef) -> None:
    """Refuses a graph with an asset that is not below the SavedModel's own folder, by its name or by a link.

    Raises:
      ServingError: PERMISSION_DENIED, naming the asset.
    """
    folder = os.path.realpath(path)
    for name in _asset_names(meta_graph):
        below = os.path.normpath(f"assets/{name}")
        inside = not os.path.isabs(name) and below.startswith("assets/")
        # What is not there, as on an object store, is its own real path.
        if not inside or not os.path.realpath(f"{folder}/{below}").startswith(f"{folder}/"):
            raise ServingError(Code.PERMISSION_DENIED, f"Assets must be files of the SavedModel. Received: {name}")


def _asset_names(meta_graph: meta_graph_pb2.MetaGraphDef) -> Iterator[str]:
    for asset in meta_graph.asset_file_def:
        yield asset.filename
    for packed in (
        meta_graph.collection_def[_COLLECTION].any_list.value if _COLLECTION in meta_graph.collection_def else ()
    ):
        yield meta_graph_pb2.AssetFileDef.FromString(packed.value).filename
