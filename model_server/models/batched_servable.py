"""A version whose predict calls are merged with those that arrive at the same time."""

from collections.abc import Mapping

import numpy as np
from tensorflow.core.protobuf import meta_graph_pb2

from model_server.models import saved_model
from model_server.models.batching import Batcher, Batching
from model_server.models.servable import Servable


class BatchedServable(Servable):
    """See base class. Merged are requests to one signature whose inputs differ in the number of rows only.

    As in TF Serving, that is right for signatures whose rows do not depend on one another. Signatures that declare an
    input or output without a free first dimension are left alone; so are requests whose inputs have none or unequal
    numbers of rows.

    Args:
      name: the model's name.
      version: the number of its version folder.
      model: the SavedModel, loaded.
      batching: how requests are merged.
      timeout_ms: how long one run may take; 0 is for ever.
    """

    def __init__(
        self, name: str, version: int, model: saved_model.LoadedModel, batching: Batching, timeout_ms: int = 0
    ) -> None:
        super().__init__(name, version, model, timeout_ms)
        self._batcher = Batcher(batching)
        self._batched = {key for key, signature in self.signatures.items() if _has_rows(signature)}

    def predict(self, signature_name: str, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """See base class."""
        if signature_name not in self._batched or inputs.keys() != self.signatures[signature_name].inputs.keys():
            return super().predict(signature_name, inputs)
        arrays = [inputs[name] for name in sorted(inputs)]
        rows = {len(array) if array.ndim else 0 for array in arrays}
        if len(rows) != 1 or 0 in rows:
            return super().predict(signature_name, inputs)
        key = (signature_name, *((array.dtype.str, array.shape[1:]) for array in arrays))
        run = super().predict
        return dict(self._batcher.run(key, inputs, lambda merged: run(signature_name, merged)))


def _has_rows(signature: meta_graph_pb2.SignatureDef) -> bool:
    infos = [*signature.inputs.values(), *signature.outputs.values()]
    return bool(signature.inputs) and all(
        info.tensor_shape.unknown_rank or (info.tensor_shape.dim and info.tensor_shape.dim[0].size == -1)
        for info in infos
    )
