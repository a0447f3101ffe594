"""Makes a version folder into a servable that is ready for its first call."""

import dataclasses

import tensorflow as tf

from model_server.models import saved_model, warmup
from model_server.models.batched_servable import BatchedServable
from model_server.models.batching import Batching
from model_server.models.servable import Servable


@dataclasses.dataclass(frozen=True)
class VersionLoader:
    """Loads and warms up versions, all in the same way.

    Args:
      load_scann: imports ScaNN, best effort, for models that use its ops.
      timeout_seconds: how long one run of a model may take; 0 is for ever.
      session_config: threads and devices.
      batching: how requests are merged; None runs each on its own.
      allowed_ops: those that a graph may have; None for any.
    """

    load_scann: bool = True
    timeout_seconds: float = 0.0
    session_config: tf.compat.v1.ConfigProto | None = None
    batching: Batching | None = None
    allowed_ops: frozenset[str] | None = None

    def __call__(self, name: str, version: int, path: str) -> Servable:
        """Returns the version in folder `path`.

        Raises:
          ServingError: where it cannot be loaded, or one of its warm-up requests fails.
        """
        model = saved_model.load(path, self.load_scann, self.session_config, self.allowed_ops)
        timeout_ms = int(self.timeout_seconds * 1000)
        if self.batching is None:
            servable = Servable(name, version, model, timeout_ms)
        else:
            servable = BatchedServable(name, version, model, self.batching, timeout_ms)
        try:
            warmup.replay(servable, path)
        except Exception:
            servable.close()
            raise
        return servable
