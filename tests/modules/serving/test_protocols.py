"""Python, REST and gRPC give one answer to every signature, around the portable and the ScaNN index."""

from pathlib import Path

import grpc
import numpy as np
import pytest
import tensorflow as tf

from tests.model_server import grpc_client, server_process

USERS = {"user_id": ["user 1", "user 2"], "history": [["item 3", "item 7"], ["item 150", "item 2"]]}
AMONG = USERS | {"exclude": [[], []], "allow": [["item 5", "item 80"], ["", ""]], "rule": ["", "in_stock and not sale"]}
VARIED = {"caps": ["", "country <= 2"], "diversity": 0.3, "epsilon": 0.2, "temperature": [0.4, 0.0], "seed": [5, 6]}
ITEMS = {"item_id": [["item 3", "item 9"], ["item 4", ""]]}
REQUESTS = {
    "retrieve": USERS,
    "recommend": USERS | {"exclude": [["item 1"], ["item 8"]], "k": [3, 5]},
    "retrieve_among": AMONG,
    "recommend_among": AMONG | {"k": 4},
    "recommend_varied": AMONG | {"k": 4} | VARIED,
    "similar": ITEMS | {"k": 3},
    "neighbours": ITEMS | {"k": 3},
}


@pytest.fixture(scope="module")
def server(exports: Path, tmp_path_factory: pytest.TempPathFactory):
    folder = tmp_path_factory.mktemp("server")
    flags = ["--grpc-port", "0"]
    for kind in ("int8", "scann"):
        (folder / kind).mkdir()
        (folder / kind / "1").symlink_to(exports / kind)
        flags += ["--model", f"{kind}={folder / kind}"]
    with server_process.serving(folder / "log", *flags) as running:
        yield running


@pytest.mark.parametrize("kind", ["int8", "scann"])
@pytest.mark.parametrize("name", REQUESTS)
def test_all_ways_to_ask_have_one_answer(server: server_process.Server, loaded: dict, kind: str, name: str) -> None:
    signature = loaded[kind].signatures[name]
    specs = signature.structured_input_signature[1]
    tensors = {key: tf.constant(value, specs[key].dtype) for key, value in REQUESTS[name].items()}
    expected = {key: value.numpy() for key, value in signature(**tensors).items()}
    assert np.any(expected["item_id"] != b"")

    reply = server.client.call(f"{kind}:predict", signature_name=name, inputs=REQUESTS[name])
    assert reply.status == 200, reply.body
    with grpc.insecure_channel(f"127.0.0.1:{server.grpc_port}") as channel:
        by_grpc = grpc_client.predict(
            channel, kind, {key: tf.make_tensor_proto(value) for key, value in tensors.items()}, signature=name
        )
    for outputs in (reply.json()["outputs"], by_grpc):
        assert outputs.keys() == expected.keys()
        items = np.array(outputs["item_id"], bytes if outputs is not by_grpc else object)
        np.testing.assert_array_equal(items, expected["item_id"])
        for key in expected.keys() - {"item_id"}:
            np.testing.assert_allclose(outputs[key], expected[key], rtol=1e-4, err_msg=key)


def test_a_rule_that_is_none_is_told_to_the_client(server: server_process.Server) -> None:
    request = AMONG | {"rule": ["", "colour = red"], "k": 4}
    reply = server.client.call("int8:predict", signature_name="recommend_among", inputs=request)
    assert reply.status == 400
    assert "`rule` must name some of: cheap, country, in_stock, sale, year." in reply.json()["error"]
