"""Reads single weights and vocabularies out of a portable export, without loading its graph."""

import os

import numpy as np
import tensorflow as tf
from tensorflow.core.protobuf import trackable_object_graph_pb2

_OBJECT_GRAPH = "_CHECKPOINTABLE_OBJECT_GRAPH"


class ExportedWeights:
    """The variables of a SavedModel by the path of attributes that leads to them, one in memory at a time.

    A checkpoint keeps a variable once, under the shortest of its paths; its object graph
    (https://www.tensorflow.org/guide/checkpoint) leads from every other path there.

    Args:
      path: folder of the SavedModel.

    Raises:
      OpError: its variables cannot be read.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._reader = tf.train.load_checkpoint(os.path.join(path, "variables", "variables"))
        self._shapes = self._reader.get_variable_to_shape_map()
        graph = trackable_object_graph_pb2.TrackableObjectGraph.FromString(self._reader.get_tensor(_OBJECT_GRAPH))
        self._nodes = graph.nodes

    def shape(self, *attributes: str) -> tuple[int, ...] | None:
        """Returns the shape of the variable at a path from the saved object on; None where there is no variable."""
        key = self._key(attributes)
        return None if key is None else tuple(self._shapes[key])

    def read(self, *attributes: str) -> np.ndarray:
        """Returns the variable at a path; raises KeyError where there is none."""
        key = self._key(attributes)
        if key is None:
            raise KeyError(f"{'/'.join(attributes)} in {self._path}")
        return self._reader.get_tensor(key)

    def vocabulary(self, name: str) -> str | None:
        """Returns the text file of a vocabulary of the Transform graph, a key a line; None where there is none."""
        path = os.path.join(self._path, "assets", name)
        return path if tf.io.gfile.exists(path) else None

    def _key(self, attributes: tuple[str, ...]) -> str | None:
        node = self._nodes[0]
        for attribute in attributes:
            children = [child.node_id for child in node.children if child.local_name == attribute]
            if not children:
                return None
            node = self._nodes[children[0]]
        return next((saved.checkpoint_key for saved in node.attributes if saved.checkpoint_key in self._shapes), None)
