"""One loaded version of a model: its signatures and the calls to them."""

import re
import threading
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import tensorflow as tf
from tensorflow.core.protobuf import config_pb2, meta_graph_pb2

from model_server.errors import ServingError, invalid_argument, not_found
from model_server.models import runtime, saved_model

_FUNCTION_NAME = re.compile(r"[\w.\-/]+")


class Servable:
    """A SavedModel version that answers calls; safe to use from many threads.

    Args:
      name: the model's name.
      version: the number of its version folder.
      model: the SavedModel, loaded.
      timeout_ms: how long one run may take; 0 is for ever.
    """

    def __init__(self, name: str, version: int, model: saved_model.LoadedModel, timeout_ms: int = 0) -> None:
        self.name = name
        self.version = version
        self.signatures: Mapping[str, meta_graph_pb2.SignatureDef] = model.signatures
        self._session = model.session
        self._missing_ops = model.missing_ops
        self._timeout_ms = timeout_ms
        self._callables: dict[str, Callable[..., Sequence[np.ndarray]]] = {}
        self._lock = threading.Lock()

    def input_types(self, signature_name: str) -> dict[str, tf.DType]:
        """Returns the types of a signature's inputs by name.

        Raises:
          ServingError: INVALID_ARGUMENT where there is no such signature or it has no inputs.
        """
        inputs = self._signature(signature_name).inputs
        if not inputs:
            raise invalid_argument(f"Failed to get input map for signature: {signature_name}")
        return {name: tf.as_dtype(inputs[name].dtype) for name in sorted(inputs)}

    def predict(self, signature_name: str, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Runs a signature.

        Args:
          signature_name: which one.
          inputs: its inputs by name, of the types it declares; strings are object arrays of bytes.
            What the signature has a default for may be left out.

        Returns:
          Its outputs by name; strings are object arrays of bytes.

        Raises:
          ServingError: INVALID_ARGUMENT where the inputs are not the signature's, else TensorFlow's
            own code.
        """
        signature = self._signature(signature_name)
        defaults = {name: tf.make_ndarray(value) for name, value in signature.defaults.items()}
        inputs = defaults | dict(inputs)
        if inputs.keys() != signature.inputs.keys():
            raise invalid_argument(_mismatch(set(inputs), set(signature.inputs)))
        run = self._callables.get(signature_name) or self._make_callable(signature_name)
        try:
            outputs = run(*(inputs[name] for name in sorted(inputs)))
        except saved_model.RUNTIME_ERRORS as error:
            raise self._explain(error) from None
        arrays = map(_as_array, outputs)
        return dict(zip(sorted(signature.outputs), arrays, strict=True))

    def close(self) -> None:
        """Frees the model; no call may be under way and none may follow."""
        self._callables.clear()
        self._session.close()
        del self._session

    def _signature(self, name: str) -> meta_graph_pb2.SignatureDef:
        if name not in self.signatures:
            raise invalid_argument(f'Serving signature name: "{name}" not found in signature def')
        return self.signatures[name]

    def _make_callable(self, signature_name: str) -> Callable[..., Sequence[np.ndarray]]:
        signature = self._signature(signature_name)
        options = config_pb2.CallableOptions(
            feed=[signature.inputs[name].name for name in sorted(signature.inputs)],
            fetch=[signature.outputs[name].name for name in sorted(signature.outputs)],
            run_options=config_pb2.RunOptions(timeout_in_ms=self._timeout_ms),
        )
        with self._lock:
            if signature_name not in self._callables:
                try:
                    self._callables[signature_name] = runtime.make_callable(self._session, options)
                except saved_model.RUNTIME_ERRORS as error:
                    raise self._explain(error) from None
            return self._callables[signature_name]

    def _explain(self, error: tf.errors.OpError | UnicodeDecodeError) -> ServingError:
        """Names the missing op where the runtime misses a function that was left out for it."""
        failure = saved_model.from_runtime_error(error)
        for word in _FUNCTION_NAME.findall(failure.message) if self._missing_ops else ():
            if word in self._missing_ops:
                return not_found(self._missing_ops[word])
        return failure


def _as_array(value: np.ndarray | np.generic | bytes) -> np.ndarray:
    # The runtime gives scalars out bare.
    return np.array(value, object) if isinstance(value, bytes) else np.asarray(value)


def _mismatch(sent: set[str], wanted: set[str]) -> str:
    def text(names: set[str]) -> str:
        return "{" + ",".join(sorted(names)) + "}"

    return (
        f"input size does not match signature: {len(sent)}!={len(wanted)} len({text(sent)}) != "
        f"len({text(wanted)}). Sent extra: {text(sent - wanted)}. "
        f"Missing but required: {text(wanted - sent)}."
    )
