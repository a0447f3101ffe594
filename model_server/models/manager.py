"""Keeps the wanted versions of every model loaded, and swaps them without a failed request.

A new version is loaded and warmed up beside the old one, takes over at once, and the old one goes
when its last call has ended. A version that cannot be loaded never takes the place of one that can. It may be a
copy under way, so it is tried again some times, and then never more: push under a new number.
"""

import contextlib
import dataclasses
import enum
import gc
import logging
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, Protocol

from model_server.errors import Code, ServingError, invalid_argument, not_found
from model_server.models.plan import plan
from model_server.models.retries import NEVER, Failure, Retries
from model_server.models.sources import ModelSource, Sources

_logger = logging.getLogger(__name__)


class State(enum.Enum):
    """Where a version is in its life; the values are the numbers of TF Serving's status message."""

    START = 10
    LOADING = 20
    AVAILABLE = 30
    UNLOADING = 40
    END = 50


class VersionStatus(NamedTuple):
    """What is known of a version."""

    version: int
    state: State
    code: Code = Code.OK
    message: str = ""


class Closable(Protocol):
    """What a loader returns: usable until closed."""

    def close(self) -> None:
        """Frees it."""


# (model's name, version, folder) -> the loaded version; raises ServingError.
Loader = Callable[[str, int, str], Closable]


@dataclasses.dataclass
class _Loaded:
    """A version that is loaded, and how many calls use it now."""

    servable: Closable
    calls: int = 0


@dataclasses.dataclass
class _Model:
    """The versions of one model."""

    source: ModelSource
    status: dict[int, VersionStatus] = dataclasses.field(default_factory=dict)
    available: dict[int, _Loaded] = dataclasses.field(default_factory=dict)
    leaving: dict[int, _Loaded] = dataclasses.field(default_factory=dict)
    failed: set[int] = dataclasses.field(default_factory=set)
    retried: dict[int, Failure] = dataclasses.field(default_factory=dict)
    empty: bool = False


class ModelManager:
    """Serves versions of models to many threads while it keeps up with what is on disk.

    Args:
      sources: the models to serve.
      load: loads a version, ready to be called.
      poll_seconds: how often the disk is looked at.
      retries: when a version that could not be loaded is tried again.
      clock: the time in seconds.
    """

    def __init__(
        self,
        sources: Sources,
        load: Loader,
        poll_seconds: float = 1.0,
        retries: Retries = NEVER,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if poll_seconds <= 0:
            raise ValueError(f"`poll_seconds` must be positive. Received: poll_seconds={poll_seconds}.")
        self._sources = sources
        self._load = load
        self._poll_seconds = poll_seconds
        self._retries = retries
        self._clock = clock
        self.load_attempts = 0
        self._models: dict[str, _Model] = {}
        self._readable = True
        self._lock = threading.Lock()
        self._polling = threading.Lock()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._poll_for_ever, name="models", daemon=True)

    def start(self) -> None:
        """Loads what there is, and starts to watch for more."""
        self.poll()
        self._thread.start()

    def close(self) -> None:
        """Stops watching and frees every version that no call uses."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()
        for name, model in self._models.items():
            for version in sorted(model.available):
                self._unload(name, model, version)
        self._free_left()

    def names(self) -> list[str]:
        """Returns the models that have a version available, in order."""
        with self._lock:
            return sorted(name for name, model in self._models.items() if model.available)

    @contextlib.contextmanager
    def use(self, name: str, version: int | None = None, label: str | None = None) -> Iterator[Any]:
        """Holds a version for the length of a call, the latest unless a number or label is given.

        Raises:
          ServingError: NOT_FOUND where it is not available, INVALID_ARGUMENT where there is no
            such label.
        """
        with self._lock:
            loaded = self._find(name, self._resolve(name, version, label))
            loaded.calls += 1
        try:
            yield loaded.servable
        finally:
            with self._lock:
                loaded.calls -= 1

    def status(self, name: str, version: int | None = None, label: str | None = None) -> list[VersionStatus]:
        """Returns what is known of one version, or of all, the latest first.

        Raises:
          ServingError: NOT_FOUND where nothing is, INVALID_ARGUMENT where there is no such label.
        """
        with self._lock:
            version = self._resolve(name, version, label)
            known = self._models[name].status if name in self._models else {}
            if version is None:
                if not known:
                    raise not_found(f"Could not find any versions of model {name}")
                return [known[number] for number in sorted(known, reverse=True)]
            if version not in known:
                raise not_found(f"Could not find version {version} of model {name}")
            return [known[version]]

    def poll(self) -> None:
        """Looks at the sources and the disk once, and loads and frees what has to be."""
        with self._polling:
            self._poll()

    def _poll(self) -> None:
        sources = self._sources()
        readable, self._readable = self._readable, sources is not None
        if readable and sources is None:
            _logger.warning("The folder of the models cannot be read; what is loaded stays")
        with self._lock:
            for name, source in (sources or {}).items():
                # A new path, policy or label takes effect on the versions that are loaded already.
                self._models.setdefault(name, _Model(source)).source = source
        for name, model in self._models.items():
            # A model that is no longer asked for is as one whose folder was removed, and not just out of reach.
            removed = sources is not None and name not in sources
            folders = {} if removed else model.source.versions()
            self._update(name, model, folders)
        self._free_left()

    def _poll_for_ever(self) -> None:
        while not self._stop.wait(self._poll_seconds):
            try:
                self.poll()
            except Exception:
                # The next look may go better; what is loaded goes on answering.
                _logger.exception("Looking for new versions failed")

    def _resolve(self, name: str, version: int | None, label: str | None) -> int | None:
        if label is None:
            return version
        labels = self._models[name].source.labels if name in self._models else {}
        if label not in labels:
            raise invalid_argument(f"Unrecognized servable version label: {label}")
        return labels[label]

    def _find(self, name: str, version: int | None) -> _Loaded:
        available = self._models[name].available if name in self._models else {}
        if version is None:
            version = max(available, default=None)
            if version is None:
                raise not_found(f"Servable not found for request: Latest({name})")
        elif version not in available:
            raise not_found(f"Servable not found for request: Specific({name}, {version})")
        return available[version]

    def _update(self, name: str, model: _Model, folders: dict[int, str] | None) -> None:
        if not folders and not model.empty:
            _logger.warning(
                "%s has no version (a folder named by a number) under %s",
                name,
                model.source.base_path,
            )
        model.empty = not folders
        if folders is None:
            return
        for version in model.retried.keys() - folders.keys():
            self._give_up(name, model, version, model.retried.pop(version).error)
        while not self._stop.is_set():
            later = {version for version, failure in model.retried.items() if failure.due > self._clock()}
            todo = plan(folders, model.available, model.failed | later, model.source.policy)
            if todo.load is None or todo.load in model.leaving:
                for version in sorted(todo.unload):
                    self._unload(name, model, version)
                return
            self._add(name, model, todo.load, folders[todo.load])

    def _add(self, name: str, model: _Model, version: int, path: str) -> None:
        started = time.monotonic()
        self.load_attempts += 1
        self._set_status(model, VersionStatus(version, State.LOADING))
        try:
            servable = self._load(name, version, path)
        except Exception as error:
            if not isinstance(error, ServingError):
                _logger.exception("Loading %s version %d failed", name, version)
                error = ServingError(Code.INTERNAL, f"{type(error).__name__}: {error}")
            self._failed(name, model, version, error)
            return
        model.retried.pop(version, None)
        with self._lock:
            model.available[version] = _Loaded(servable)
            model.status[version] = VersionStatus(version, State.AVAILABLE)
        seconds = time.monotonic() - started
        _logger.info("%s version %d available after %.1f s, from %s", name, version, seconds, path)

    def _failed(self, name: str, model: _Model, version: int, error: ServingError) -> None:
        last = model.retried.pop(version, None)
        tries = last.tries + 1 if last else 1
        if tries > self._retries.number:
            self._give_up(name, model, version, error)
            return
        model.retried[version] = Failure(error, tries, self._clock() + self._retries.seconds)
        text = "%s version %d cannot be loaded, try %d of %d, again in %g s: %s"
        _logger.warning(text, name, version, tries, self._retries.number + 1, self._retries.seconds, error)

    def _give_up(self, name: str, model: _Model, version: int, error: ServingError) -> None:
        model.failed.add(version)
        self._set_status(model, VersionStatus(version, State.END, error.code, error.message))
        _logger.error("%s version %d cannot be served: %s", name, version, error)

    def _unload(self, name: str, model: _Model, version: int) -> None:
        with self._lock:
            model.leaving[version] = model.available.pop(version)
            model.status[version] = VersionStatus(version, State.UNLOADING)
        _logger.info("%s version %d no longer available", name, version)

    def _free_left(self) -> None:
        """Frees the versions whose last call has ended."""
        freed = False
        for model in self._models.values():
            with self._lock:
                done = [version for version, loaded in model.leaving.items() if not loaded.calls]
            for version in done:
                model.leaving.pop(version).servable.close()
                self._set_status(model, VersionStatus(version, State.END))
                freed = True
        if freed:
            # A graph refers to itself; without this its constants would stay for a long time.
            gc.collect()

    def _set_status(self, model: _Model, status: VersionStatus) -> None:
        with self._lock:
            model.status[status.version] = status
