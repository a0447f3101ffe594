"""In a bucket, a version's number is its own and its `saved_model.pb` comes last."""

import json
from collections.abc import Callable, Iterator
from concurrent import futures
from pathlib import Path

import pytest
import tensorflow as tf
from tfx.types import standard_artifacts

from tfx_pipeline.versions import version_prefix
from tfx_pipeline.versions.pusher import Executor, PushError

FILES = {"saved_model.pb": "graph", "variables/variables.index": "index", "variables/variables.data": "weights"}


@pytest.fixture
def base(request: pytest.FixtureRequest) -> Iterator[str]:
    """URI of a watched prefix in TensorFlow's own file system that is no local one."""
    bucket = f"ram://{request.node.name}"
    yield f"{bucket}/models/corr"
    if tf.io.gfile.exists(bucket):
        tf.io.gfile.rmtree(bucket)


def _stage(staging: str, files: dict[str, str] = FILES) -> str:
    for name, text in files.items():
        path = f"{staging}/17/{name}"
        tf.io.gfile.makedirs(path.rpartition("/")[0])
        with tf.io.gfile.GFile(path, "w") as file:
            file.write(text)
    return f"{staging}/17"


def _push(base: str, at_least: int = 17) -> int:
    with version_prefix.staging(base) as staging:
        return version_prefix.publish(_stage(staging), base, at_least)


def _numbers(base: str) -> set[str]:
    return {name.rstrip("/") for name in tf.io.gfile.listdir(base)} if tf.io.gfile.exists(base) else set()


def _read(path: str) -> str:
    with tf.io.gfile.GFile(path) as file:
        return file.read()


def test_a_version_has_every_file(base: str) -> None:
    assert _push(base) == 17
    assert _numbers(base) == {"17"}
    assert {name: _read(f"{base}/17/{name}") for name in FILES} == FILES


def test_nothing_is_left_beside_it(base: str) -> None:
    _push(base)
    assert tf.io.gfile.listdir(f"{base.rpartition('/')[0]}/.corr.incoming") == []


def test_the_file_that_makes_it_a_model_comes_last(base: str, monkeypatch: pytest.MonkeyPatch) -> None:
    rename: Callable = tf.io.gfile.rename
    order = []

    def watched(source: str, target: str, overwrite: bool = False) -> None:
        order.append(target.removeprefix(f"{base}/17/"))
        rename(source, target, overwrite)

    monkeypatch.setattr(tf.io.gfile, "rename", watched)
    _push(base)
    assert order[-1] == "saved_model.pb"
    assert sorted(order) == sorted(FILES)


def test_a_push_killed_on_the_way_leaves_no_model_and_its_number_is_spent(
    base: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    class KilledError(BaseException):
        pass

    rename = tf.io.gfile.rename

    def killed(source: str, target: str, overwrite: bool = False) -> None:
        if target.endswith("saved_model.pb"):
            raise KilledError
        rename(source, target, overwrite)

    with monkeypatch.context() as patched:
        patched.setattr(tf.io.gfile, "rename", killed)
        with pytest.raises(KilledError):
            _push(base)
    assert not tf.io.gfile.exists(f"{base}/17/saved_model.pb")
    assert _push(base) == 18
    assert tf.io.gfile.exists(f"{base}/18/saved_model.pb")


def test_a_number_never_comes_back(base: str) -> None:
    assert [_push(base), _push(base)] == [17, 18]
    tf.io.gfile.rmtree(base)
    assert _push(base) == 19
    assert version_prefix.last_version(base) == 19


def test_a_number_is_above_what_others_have_put_there(base: str) -> None:
    tf.io.gfile.makedirs(f"{base}/41")
    assert _push(base) == 42


def test_pushes_at_once_get_numbers_of_their_own(base: str) -> None:
    with futures.ThreadPoolExecutor(8) as pool:
        numbers = list(pool.map(lambda _: _push(base), range(24)))
    assert len(set(numbers)) == 24
    assert _numbers(base) == {str(number) for number in numbers}
    assert all(tf.io.gfile.exists(f"{base}/{number}/saved_model.pb") for number in numbers)


def test_what_is_no_model_is_not_published(base: str) -> None:
    with version_prefix.staging(base) as staging:
        staged = _stage(staging, {"variables/variables.index": "weights"})
        with pytest.raises(ValueError, match=r"must hold a SavedModel, with saved_model\.pb"):
            version_prefix.publish(staged, base, 17)
    assert _numbers(base) == set()


def _executor_push(tmp_path: Path, base: str) -> standard_artifacts.PushedModel:
    model, pushed = standard_artifacts.Model(), standard_artifacts.PushedModel()
    model.uri, pushed.uri = str(tmp_path / "model"), str(tmp_path / "pushed")
    for name, text in FILES.items():
        path = tmp_path / "model" / "Format-Serving" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    blessing, infra = standard_artifacts.ModelBlessing(), standard_artifacts.InfraBlessing()
    blessing.set_int_custom_property("blessed", 1)
    infra.set_int_custom_property("blessed", 1)
    infra.set_string_custom_property("blessing_status", "INFRA_BLESSED")
    infra.uri = str(tmp_path / "infra")
    (tmp_path / "infra").mkdir(exist_ok=True)
    (tmp_path / "infra" / "tf_serving_warmup_requests").write_text("requests")
    Executor().Do(
        {"model": [model], "model_blessing": [blessing], "infra_blessing": [infra]},
        {"pushed_model": [pushed]},
        {"push_destination": json.dumps({"filesystem": {"base_directory": base}})},
    )
    return pushed


def test_the_pusher_takes_a_uri(tmp_path: Path, base: str) -> None:
    pushed = _executor_push(tmp_path, base)
    (number,) = _numbers(base)
    assert pushed.get_string_custom_property("pushed_destination") == f"{base}/{number}"
    assert pushed.get_string_custom_property("pushed_version") == number
    assert {name: _read(f"{base}/{number}/{name}") for name in FILES} == FILES
    assert _read(f"{base}/{number}/assets.extra/tf_serving_warmup_requests") == "requests"


def test_a_bucket_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    with pytest.raises(PushError) as error:
        _executor_push(tmp_path, "nowhere://bucket/corr")
    message = str(error.value)
    assert "could not be pushed to nowhere://bucket/corr" in message
    assert "It needs 0.0 MiB. No new version has appeared" in message
