"""What every call to a model goes through, whichever way it came: it is counted, and its failure has a code."""

import contextlib
import logging
import time
from collections.abc import Iterator

from model_server.errors import Code, ServingError, internal_error
from model_server.metrics import Metrics
from model_server.models.manager import ModelManager

_logger = logging.getLogger(__name__)


class Calls:
    """Counts calls; safe to use from many threads.

    Args:
      manager: tells which models are served.
      metrics: where calls are counted.
    """

    def __init__(self, manager: ModelManager, metrics: Metrics) -> None:
        self._manager = manager
        self._metrics = metrics

    @contextlib.contextmanager
    def counted(self, model: str, api: str, entrypoint: str) -> Iterator[None]:
        """Counts the block as a call.

        Args:
          model: the model's name, as the client gives it.
          api: "predict" of REST, "Predict" of gRPC, and so on: the label in the metrics.
          entrypoint: "REST" or "GRPC".

        Raises:
          ServingError: what the block raises; INTERNAL, and a line in the log, for any other exception.
        """
        started = time.perf_counter()
        code = Code.OK
        try:
            yield
        except ServingError as error:
            code = error.code
            raise
        except Exception:
            _logger.exception("%s of %s failed", api, model)
            code = Code.INTERNAL
            raise internal_error() from None
        finally:
            self.count(model, api, entrypoint, code, time.perf_counter() - started)

    def count(self, model: str, api: str, entrypoint: str, code: Code, seconds: float = 0.0) -> None:
        """Counts a call; calls to models that are not served go under an empty name."""
        name = model if model in self._manager.names() else ""
        self._metrics.record(name, api, entrypoint, code.name, seconds)
