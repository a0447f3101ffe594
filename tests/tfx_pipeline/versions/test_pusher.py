"""A version appears whole, under a number of its own, or not at all."""

import json
import os
import resource
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
from tfx.types import standard_artifacts
from tfx.utils import io_utils

from model_server.models import sources
from tfx_pipeline.versions import version_folder
from tfx_pipeline.versions.pusher import Executor, PushError


def _push(
    tmp_path: Path, *, blessed: bool = True, infra_blessed: bool = True, weights: bytes | None = b"weights"
) -> standard_artifacts.PushedModel:
    model = standard_artifacts.Model()
    model.uri = str(tmp_path / "model")
    saved_model = Path(model.uri) / "Format-Serving"
    (saved_model / "variables").mkdir(parents=True, exist_ok=True)
    (saved_model / "saved_model.pb").write_text("graph")
    if weights is not None:
        (saved_model / "variables" / "variables.index").write_bytes(weights)
    verdict = standard_artifacts.ModelBlessing()
    verdict.set_int_custom_property("blessed", int(blessed))
    infra = standard_artifacts.InfraBlessing()
    infra.uri = str(tmp_path / "infra")
    infra.set_int_custom_property("blessed", int(infra_blessed))
    infra.set_string_custom_property("blessing_status", "INFRA_BLESSED" if infra_blessed else "INFRA_NOT_BLESSED")
    pushed = standard_artifacts.PushedModel()
    pushed.uri = str(tmp_path / "pushed")
    destination = {"filesystem": {"base_directory": str(tmp_path / "served")}}
    Executor().Do(
        {"model": [model], "model_blessing": [verdict], "infra_blessing": [infra]},
        {"pushed_model": [pushed]},
        {"push_destination": json.dumps(destination)},
    )
    return pushed


def _served(tmp_path: Path) -> list[Path]:
    folder = tmp_path / "served"
    return sorted(folder.iterdir()) if folder.exists() else []


def test_blessed_model_is_pushed_whole(tmp_path: Path) -> None:
    pushed = _push(tmp_path)
    (version,) = _served(tmp_path)
    assert version.name.isdigit()
    assert (version / "saved_model.pb").read_text() == "graph"
    assert (version / "variables" / "variables.index").read_text() == "weights"
    assert pushed.get_int_custom_property("pushed") == 1
    assert pushed.get_string_custom_property("pushed_destination") == str(version)
    assert pushed.get_string_custom_property("pushed_version") == version.name


@pytest.mark.parametrize("verdicts", [{"blessed": False}, {"infra_blessed": False}])
def test_unblessed_model_is_never_pushed(tmp_path: Path, verdicts: dict[str, bool]) -> None:
    pushed = _push(tmp_path, **verdicts)
    assert _served(tmp_path) == []
    assert pushed.get_int_custom_property("pushed") == 0


def test_pushes_within_a_second_get_numbers_of_their_own(tmp_path: Path) -> None:
    for _ in range(3):
        _push(tmp_path)
    versions = [int(version.name) for version in _served(tmp_path)]
    assert len(set(versions)) == 3


def test_number_is_above_all_earlier_ones(tmp_path: Path) -> None:
    ahead_of_the_clock = 99_999_999_999
    (tmp_path / "served" / str(ahead_of_the_clock)).mkdir(parents=True)
    _push(tmp_path)
    assert max(int(version.name) for version in _served(tmp_path)) == ahead_of_the_clock + 1


def test_number_of_a_deleted_version_never_comes_back(tmp_path: Path) -> None:
    ahead_of_the_clock = 99_999_999_999
    (tmp_path / "served" / str(ahead_of_the_clock)).mkdir(parents=True)
    numbers = []
    for _ in range(2):
        _push(tmp_path)
        newest = max(_served(tmp_path), key=lambda version: int(version.name))
        numbers.append(int(newest.name))
        shutil.rmtree(newest)
    shutil.rmtree(tmp_path / "served")
    _push(tmp_path)
    numbers.append(int(_served(tmp_path)[-1].name))
    assert numbers == [ahead_of_the_clock + 1, ahead_of_the_clock + 2, ahead_of_the_clock + 3]


def test_an_unreadable_memory_of_numbers_stops_the_push(tmp_path: Path) -> None:
    (tmp_path / ".served.last_version").write_text("seven")
    with pytest.raises(ValueError, match="must hold the last version's number. Received: 'seven'"):
        _push(tmp_path)
    assert _served(tmp_path) == []


def test_warmup_requests_of_the_blessing_become_part_of_the_version(tmp_path: Path) -> None:
    (tmp_path / "infra").mkdir()
    (tmp_path / "infra" / "tf_serving_warmup_requests").write_bytes(b"requests")
    _push(tmp_path)
    (version,) = _served(tmp_path)
    assert (version / "assets.extra" / "tf_serving_warmup_requests").read_bytes() == b"requests"


def _stopped_push(tmp_path: Path, module: ModuleType, function: str) -> int:
    """Returns the id of a process that stands still where it is about to call a function in its push."""
    reading, writing = os.pipe()
    process = os.fork()
    if process:
        os.close(writing)
        assert os.read(reading, 1) == b"."
        os.close(reading)
        return process

    def stand_still(*_: object, **__: object) -> None:
        os.write(writing, b".")
        while True:
            signal.pause()

    try:
        setattr(module, function, stand_still)
        _push(tmp_path)
    finally:
        os._exit(1)


@pytest.mark.parametrize(
    ("module", "function"),
    [
        pytest.param(io_utils, "copy_file", id="copying"),
        pytest.param(version_folder, "_flush", id="flushing"),
        pytest.param(version_folder, "_remember", id="numbering"),
        pytest.param(version_folder.os, "rename", id="renaming"),
    ],
)
def test_a_push_killed_at_any_point_leaves_no_version_and_the_next_one_works(
    tmp_path: Path, module: ModuleType, function: str
) -> None:
    _push(tmp_path)
    (first,) = _served(tmp_path)
    process = _stopped_push(tmp_path, module, function)
    (left_over,) = set(_served(tmp_path)) - {first}
    assert left_over.name.startswith(".")
    os.kill(process, signal.SIGKILL)
    assert os.WTERMSIG(os.waitpid(process, 0)[1]) == signal.SIGKILL
    assert sources.ModelSource("corr", str(tmp_path / "served")).versions() == {int(first.name): str(first)}
    _push(tmp_path)
    versions = _served(tmp_path)
    assert len(versions) == 2
    assert all(version.name.isdigit() for version in versions)
    assert (versions[1] / "saved_model.pb").read_text() == "graph"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """`served`, where pushes go, as a disk of 64 KiB."""
    served = tmp_path / "served"
    served.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(served)], check=False)
    if mounted.returncode:
        pytest.skip("mounting a small disk needs root")
    yield served
    subprocess.run(["umount", str(served)], check=True)


def test_a_full_disk_is_told_and_leaves_what_is_served(tmp_path: Path, small_disk: Path) -> None:
    _push(tmp_path)
    before = _served(tmp_path)
    with pytest.raises(PushError) as error:
        _push(tmp_path, weights=b"0" * 200_000)
    message = str(error.value)
    assert f"could not be pushed to {small_disk}" in message
    assert "No space left on device" in message
    assert "It needs 0.2 MiB, and 0.1 MiB are free there. No new version has appeared" in message
    assert _served(tmp_path) == before
    _push(tmp_path)
    assert len(_served(tmp_path)) == 2


def test_a_file_that_may_not_grow_leaves_no_half_version(tmp_path: Path) -> None:
    _push(tmp_path, weights=b"0" * 200_000, blessed=False)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        with pytest.raises(PushError, match="File too large"):
            _push(tmp_path, weights=None)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert _served(tmp_path) == []
