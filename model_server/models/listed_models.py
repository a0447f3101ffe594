"""The models a config lists, which may be replaced while the server runs."""

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence

from model_server.models import sources
from model_server.models.sources import ModelSource

_logger = logging.getLogger(__name__)


class ListedModels:
    """Sources, as `ModelManager` asks for them, that change by `replace` or with their file.

    Args:
      fixed: the models of the command line; they go with the first `replace`, but not with the file.
      read: returns the models the config file lists now; raises ValueError where it cannot be read. None: no file.
      read_again_seconds: how often the file is read; 0 is only once.
      clock: the time in seconds.

    Raises:
      ValueError: where two models have one name or the file cannot be read.
    """

    def __init__(
        self,
        fixed: Sequence[ModelSource] = (),
        read: Callable[[], Sequence[ModelSource]] | None = None,
        read_again_seconds: float = 0.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._fixed = list(fixed)
        self._read = read
        self._read_again_seconds = read_again_seconds
        self._clock = clock
        self._lock = threading.Lock()
        self._in_file = list(read()) if read else []
        self._read_at = clock()
        self._sources = sources.fixed([*self._fixed, *self._in_file])

    def __call__(self) -> Mapping[str, ModelSource] | None:
        """Returns the models by name, as of now."""
        with self._lock:
            if self._read and self._read_again_seconds and self._clock() >= self._read_at + self._read_again_seconds:
                self._read_at = self._clock()
                self._read_again()
            return self._sources()

    def replace(self, models: Sequence[ModelSource]) -> None:
        """Lists other models, until the file changes.

        Raises:
          ValueError: where two have one name; then nothing changes.
        """
        replacement = sources.fixed(models)
        with self._lock:
            self._fixed = []
            self._sources = replacement

    def _read_again(self) -> None:
        try:
            models = list(self._read())  # type: ignore[misc]  # called with a file only
            if models != self._in_file:
                self._sources = sources.fixed([*self._fixed, *models])
                self._in_file = models
                _logger.info("The config file lists: %s", ", ".join(model.name for model in models))
        except ValueError as error:
            # What was listed before stays.
            _logger.warning("The config file was not taken: %s", error)
