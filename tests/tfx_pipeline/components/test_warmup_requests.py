"""The requests a pushed version is warmed up with, and that our own server replays them."""

from pathlib import Path

import pytest
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2, prediction_log_pb2

from model_server.errors import ServingError
from model_server.models import warmup
from model_server.models.version_loader import VersionLoader
from tests.lookup_model import save_lookup_model
from tests.modules.export.exports import export
from tests.tfx_pipeline.popular_model import save_popular_model
from tfx_pipeline.components import warmup_requests
from tfx_pipeline.components.serving_probe import UNKNOWN_USER

USERS = [
    {"user_id": "u1", "history": ["a", "b"]},
    {"user_id": "u2", "history": []},
    {"user_id": "u3", "history": ["c"]},
]


def _requests(folder: Path) -> list[predict_pb2.PredictRequest]:
    records = tf.data.TFRecordDataset(str(folder / warmup_requests.FILE)).as_numpy_iterator()
    return [prediction_log_pb2.PredictionLog.FromString(record).predict_log.request for record in records]


def _inputs(request: predict_pb2.PredictRequest) -> tuple[list[bytes], list[list[bytes]]]:
    return tuple(tf.make_ndarray(request.inputs[name]).tolist() for name in ("user_id", "history"))


def test_both_signatures_are_asked_about_known_and_unknown_users_in_both_batch_sizes(tmp_path: Path) -> None:
    model = save_popular_model(tmp_path / "model")
    assert warmup_requests.write(str(tmp_path), model, USERS) == 8
    by_signature: dict[str, list] = {}
    for request in _requests(tmp_path):
        by_signature.setdefault(request.model_spec.signature_name, []).append(_inputs(request))
    assert set(by_signature) == {"serving_default", "retrieve"}
    for known, unknown, empty, many in by_signature.values():
        assert known == ([b"u1"], [[b"a", b"b"]])
        assert unknown == ([UNKNOWN_USER.encode()], [[b"a", b"b"]])
        assert empty == ([b"u1"], [[]])
        users, histories = many
        assert users == ([b"u1", b"u2", b"u3"] * 11)[:32]
        assert histories == ([[b"a", b"b"], [b"", b""], [b"c", b""]] * 11)[:32]


def test_signatures_that_are_not_there_are_not_asked(tmp_path: Path) -> None:
    model = save_lookup_model(tmp_path / "model", {"u1": {"ranked": ["a"]}})
    assert warmup_requests.write(str(tmp_path), model, USERS) == 4
    assert {request.model_spec.signature_name for request in _requests(tmp_path)} == {"serving_default"}


def test_candidates_and_items_to_leave_out_are_the_historys(tmp_path: Path) -> None:
    users, lists = tf.TensorSpec([None], tf.string), tf.TensorSpec([None, None], tf.string)

    @tf.function(autograph=False)
    def rank(user_id: tf.Tensor, history: tf.Tensor, candidate_id: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"score": tf.strings.length(candidate_id + history) + tf.size(user_id)}

    @tf.function(autograph=False)
    def recommend(user_id: tf.Tensor, exclude: tf.Tensor, k: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"item_id": tf.repeat(exclude, k, axis=1), "users": user_id}

    @tf.function(autograph=False)
    def other(examples: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"examples": examples}

    signatures = {
        "rank": rank.get_concrete_function(users, lists, lists),
        "recommend": recommend.get_concrete_function(users, lists, tf.TensorSpec(None, tf.int32)),
        "other": other.get_concrete_function(users),
    }
    tf.saved_model.save(tf.Module(), str(tmp_path / "model"), signatures)
    assert warmup_requests.write(str(tmp_path), str(tmp_path / "model"), USERS) == 8
    requests = {request.model_spec.signature_name: request for request in reversed(_requests(tmp_path))}
    assert set(requests) == {"rank", "recommend"}
    assert set(requests["rank"].inputs) == {"user_id", "history", "candidate_id"}
    assert tf.make_ndarray(requests["rank"].inputs["candidate_id"]).tolist() == [[b"a", b"b"]]
    assert set(requests["recommend"].inputs) == {"user_id", "exclude", "k"}
    assert tf.make_ndarray(requests["recommend"].inputs["k"]) == 1


def test_without_users_nobody_is_named(tmp_path: Path) -> None:
    model = save_popular_model(tmp_path / "model")
    assert warmup_requests.write(str(tmp_path), model, []) == 8
    for request in _requests(tmp_path):
        users, histories = _inputs(request)
        assert set(users) == {UNKNOWN_USER.encode()}
        assert not any(any(history) for history in histories)


def test_our_server_replays_them(tmp_path: Path) -> None:
    version = save_popular_model(tmp_path / "1")
    warmup_requests.write(str(tmp_path), version, USERS)
    warmup_requests.copy(str(tmp_path), version)
    servable = VersionLoader(load_scann=False)("corr", 1, version)
    try:
        assert warmup.replay(servable, version) == 8
    finally:
        servable.close()


def test_our_server_refuses_a_version_that_fails_one_of_them(tmp_path: Path) -> None:
    version = save_popular_model(tmp_path / "1", fault="empty_history")
    warmup_requests.write(str(tmp_path), version, USERS)
    warmup_requests.copy(str(tmp_path), version)
    with pytest.raises(ServingError, match="a history is needed"):
        VersionLoader(load_scann=False)("corr", 1, version)


def test_a_blessing_without_requests_adds_nothing(tmp_path: Path) -> None:
    (tmp_path / "blessing").mkdir()
    (tmp_path / "1").mkdir()
    warmup_requests.copy(str(tmp_path / "blessing"), str(tmp_path / "1"))
    assert list((tmp_path / "1").iterdir()) == []


def test_every_signature_of_the_export_is_asked_what_it_answers(tmp_path: Path) -> None:
    path = export(tmp_path, "exact")
    warmup_requests.write(str(tmp_path), path, USERS)
    signatures = tf.saved_model.load(path).signatures
    asked = set()
    for request in _requests(tmp_path):
        inputs = {name: tf.constant(tf.make_ndarray(value)) for name, value in request.inputs.items()}
        signatures[request.model_spec.signature_name](**inputs)
        asked.add(request.model_spec.signature_name)
    assert asked == set(signatures) - {"serve_tf_examples", "evaluate"}
