"""Which versions are loaded and freed when, with loaders that only pretend."""

import pathlib
import threading

import pytest

from model_server.errors import Code, ServingError
from model_server.models import sources
from model_server.models.manager import ModelManager, State, VersionStatus
from model_server.models.plan import plan
from model_server.models.retries import Retries
from model_server.models.sources import ModelSource, VersionPolicy

LATEST = VersionPolicy()
ALL = VersionPolicy(latest=None)


@pytest.mark.parametrize(
    ("on_disk", "loaded", "failed", "policy", "load", "unload"),
    [
        # The latest comes first, and the old goes only once the new is there.
        ([1, 2], [], [], LATEST, 2, set()),
        ([1, 2], [1], [], LATEST, 2, set()),
        ([1, 2], [1, 2], [], LATEST, None, {1}),
        # A failure leaves the old in place, or lets an older one in.
        ([1, 2], [1], [2], LATEST, None, set()),
        ([1, 2, 3], [], [2, 3], LATEST, 1, set()),
        ([2], [1], [2], LATEST, None, set()),
        # A removed version falls back, and the last one goes as well.
        ([1], [2], [], LATEST, 1, set()),
        ([1], [1, 2], [], LATEST, None, {2}),
        ([], [1], [], LATEST, None, {1}),
        ([], [], [], LATEST, None, set()),
        ([1, 2, 3], [], [], VersionPolicy(latest=2), 3, set()),
        ([1, 2, 3], [3], [], VersionPolicy(latest=2), 2, set()),
        ([1, 2, 3], [3, 2, 1], [], VersionPolicy(latest=2), None, {1}),
        ([1, 2, 3], [3], [2], ALL, 1, set()),
        ([1, 2, 3], [2], [], VersionPolicy(specific=frozenset({1, 9})), 1, set()),
        ([1, 2, 3], [1, 2], [], VersionPolicy(specific=frozenset({1, 9})), None, {2}),
    ],
)
def test_plan(on_disk, loaded, failed, policy, load, unload):
    assert plan(on_disk, loaded, failed, policy) == (load, unload)


class FakeServable:
    """Remembers whether it was closed."""

    def __init__(self, version: int) -> None:
        self.version = version
        self.closed = False

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def base(tmp_path: pathlib.Path) -> pathlib.Path:
    (tmp_path / "m/1").mkdir(parents=True)
    return tmp_path / "m"


def manager_of(base: pathlib.Path, load=lambda name, version, path: FakeServable(version)):
    """A manager that looks at the disk when told to."""
    return ModelManager(sources.fixed([ModelSource("m", str(base))]), load)


def states(manager: ModelManager) -> dict[int, State]:
    return {status.version: status.state for status in manager.status("m")}


def test_version_in_use_is_freed_after_its_last_call(base: pathlib.Path):
    manager = manager_of(base)
    manager.poll()
    with manager.use("m") as old, manager.use("m", 1) as same:
        assert old is same
        (base / "2").mkdir()
        manager.poll()
        assert states(manager) == {2: State.AVAILABLE, 1: State.UNLOADING}
        assert not old.closed
        with manager.use("m") as new:
            assert new.version == 2
        with pytest.raises(ServingError, match="Servable not found for request: Specific"):
            manager.use("m", 1).__enter__()
    manager.poll()
    assert old.closed
    assert states(manager) == {2: State.AVAILABLE, 1: State.END}


def test_version_that_is_wanted_again_waits_for_its_old_self(base: pathlib.Path):
    manager = manager_of(base)
    manager.poll()
    with manager.use("m") as first:
        (base / "1").rename(base / "aside")
        manager.poll()
        (base / "aside").rename(base / "1")
        manager.poll()
        assert states(manager) == {1: State.UNLOADING}
    manager.poll()
    manager.poll()
    assert first.closed
    with manager.use("m") as second:
        assert second is not first


def test_old_version_answers_while_the_new_one_loads(base: pathlib.Path):
    loading, go_on = threading.Event(), threading.Event()

    def load(name: str, version: int, path: str) -> FakeServable:
        if version == 2:
            loading.set()
            go_on.wait()
        return FakeServable(version)

    manager = manager_of(base, load)
    manager.poll()
    (base / "2").mkdir()
    thread = threading.Thread(target=manager.poll)
    thread.start()
    loading.wait()
    with manager.use("m") as servable:
        assert servable.version == 1
    assert states(manager) == {2: State.LOADING, 1: State.AVAILABLE}
    go_on.set()
    thread.join()
    with manager.use("m") as servable:
        assert servable.version == 2


@pytest.mark.parametrize(
    ("failure", "code"),
    [(ServingError(Code.DATA_LOSS, "torn"), Code.DATA_LOSS), (OSError("torn"), Code.INTERNAL)],
)
def test_failed_version_is_tried_once(base: pathlib.Path, failure: Exception, code: Code):
    tried = []

    def load(name: str, version: int, path: str) -> FakeServable:
        tried.append(version)
        if version == 2:
            raise failure
        return FakeServable(version)

    manager = manager_of(base, load)
    (base / "2").mkdir()
    for _ in range(3):
        manager.poll()
    assert tried == [2, 1]
    (status,) = manager.status("m", 2)
    assert (status.state, status.code) == (State.END, code)
    assert "torn" in status.message


def test_failed_version_is_tried_again_while_retries_last(base: pathlib.Path):
    """Version 2 comes whole with the third try, at 20 s; version 3 never, and ends after it."""
    now, tried = 0.0, []

    def load(name: str, version: int, path: str) -> FakeServable:
        tried.append((now, version))
        if version == 3 or (version == 2 and now < 20.0):
            raise ServingError(Code.DATA_LOSS, "torn")
        return FakeServable(version)

    source = sources.fixed([ModelSource("m", str(base), ALL)])
    manager = ModelManager(source, load, retries=Retries(2, 10.0), clock=lambda: now)
    (base / "2").mkdir()
    (base / "3").mkdir()
    for now in (0.0, 9.0, 10.0, 19.0):  # noqa: B007
        manager.poll()
        assert states(manager) == {3: State.LOADING, 2: State.LOADING, 1: State.AVAILABLE}
    for now in (20.0, 100.0):  # noqa: B007
        manager.poll()
        assert states(manager) == {3: State.END, 2: State.AVAILABLE, 1: State.AVAILABLE}
    assert tried == [(0.0, 3), (0.0, 2), (0.0, 1), (10.0, 3), (10.0, 2), (20.0, 3), (20.0, 2)]
    assert manager.load_attempts == 7
    assert manager.status("m", 3)[0].code == Code.DATA_LOSS


def test_version_that_goes_is_not_tried_again(base: pathlib.Path):
    def load(name: str, version: int, path: str) -> FakeServable:
        raise ServingError(Code.DATA_LOSS, "torn")

    manager = ModelManager(sources.fixed([ModelSource("m", str(base))]), load, retries=Retries(5, 0.0))
    manager.poll()
    (base / "1").rmdir()
    manager.poll()
    assert manager.status("m", 1) == [VersionStatus(1, State.END, Code.DATA_LOSS, "torn")]


def test_base_path_out_of_reach_changes_nothing(base: pathlib.Path):
    manager = manager_of(base)
    manager.poll()
    base.rename(base.with_name("away"))
    manager.poll()
    assert states(manager) == {1: State.AVAILABLE}


def test_close_frees_everything(base: pathlib.Path):
    manager = manager_of(base)
    manager.start()
    with manager.use("m") as servable:
        pass
    manager.close()
    assert servable.closed
    assert manager.names() == []


def test_unknown_names_are_errors(base: pathlib.Path):
    manager = manager_of(base)
    manager.poll()
    with pytest.raises(ServingError, match="Could not find any versions of model x"):
        manager.status("x")
    with pytest.raises(ServingError, match="Could not find version 7 of model m"):
        manager.status("m", 7)
    with pytest.raises(ServingError, match="Unrecognized servable version label: x"):
        manager.status("m", label="x")


def test_poll_seconds_must_be_positive():
    with pytest.raises(ValueError, match="`poll_seconds` must be positive. Received"):
        ModelManager(sources.fixed([]), lambda *_: None, 0)
