"""Calls the recordings do not have: examples, types without a JSON form, odd requests."""

import json

import pytest

from model_server.models.saved_model import load
from model_server.sample_request import sample_request
from tests.model_server.server_process import Client

X = {"x": 1.0}


def error_of(reply) -> tuple[int, str]:
    return reply.status, reply.json()["error"]


def test_classify_gives_labels_and_scores(client: Client):
    examples = [{"x": 1.0}, {"x": [2.0]}]
    reply = client.call("half_plus_two:classify", signature_name="classify_labels", examples=examples)
    # as_string writes six decimals of 0.5 * x + 2.
    assert reply.json() == {"results": [[["2.500000", 2.5]], [["3.000000", 3.0]]]}


@pytest.mark.parametrize(
    ("request_body", "fault"),
    [
        ({}, "key 'examples' is expected and was not found"),
        ({"examples": 1}, "Expecting 'examples' value to be an list/array"),
        ({"examples": [1]}, "Example must be JSON object but got JSON Number"),
        ({"examples": [{"x": None}]}, "Feature: x has element with unexpected JSON type: Null"),
        ({"examples": [{"x": [[1.0]]}]}, "Feature: x has element with unexpected JSON type: Array"),
        (
            {"examples": [{"x": [1.0, 1]}]},
            "Unexpected element type in feature: x expecting type: float",
        ),
        ({"examples": [{"x": 2**63}]}, "Feature: x has uint64 element. Only int64 is supported."),
        ({"examples": [X], "signature_name": "no"}, "No signature was found with the name: no"),
        ({"examples": [X], "context": 3}, "Example must be JSON object but got JSON Number"),
        ({"examples": [{}]}, "Feature: x (data type: float) is required but could not be found."),
        (
            {"examples": [{"x": "a"}]},
            "Data types don't match. Data type: string but expected type: float",
        ),
    ],
)
def test_bad_examples_are_the_clients_fault(request_body: dict, fault: str, client: Client):
    request = {"signature_name": "regress_x_to_y"} | request_body
    status, message = error_of(client.call("half_plus_two:regress", **request))
    assert status == 400
    assert fault in message


@pytest.mark.parametrize(
    ("model", "signature", "verb", "fault"),
    [
        (
            "half_plus_two",
            "classify_x_to_y",
            "regress",
            "No regression outputs found in SignatureDef: ",
        ),
        ("half_plus_two", "classify_labels", "regress", "Expected one output Tensor."),
        ("half_plus_two", "regress_x_to_y", "classify", "to contain at least one of"),
        ("multi", "serving_default", "regress", "Expected one input Tensor."),
        ("multi", "serving_default", "classify", "Expected one input Tensor."),
        ("multi", "scalar", "classify", "No classification inputs found in SignatureDef: "),
    ],
)
def test_signature_must_suit_the_verb(model: str, signature: str, verb: str, fault: str, client: Client):
    reply = client.call(f"{model}:{verb}", signature_name=signature, examples=[X])
    status, message = error_of(reply)
    assert status == 400
    assert fault in message


def test_failed_assertion_is_the_clients_fault(client: Client):
    status, message = error_of(client.call("multi:predict", signature_name="boom", instances=[-1]))
    assert status == 400
    assert "x must be positive" in message


def test_scalar_strings(client: Client):
    reply = client.call("multi:predict", signature_name="shout", inputs="a")
    assert reply.json() == {"outputs": "A"}
    batch = client.call("multi:predict", signature_name="shout", instances=["a", "b"])
    assert batch.json() == {"predictions": ["A", "B"]}


def test_types_without_json_form(client: Client):
    reply = client.call("multi:predict", signature_name="narrow", instances=[1])
    assert error_of(reply) == (400, "Failed to write JSON value for tensor type: half")


def test_signature_without_inputs(client: Client):
    reply = client.call("rec:predict", signature_name="__saved_model_init_op", inputs=[])
    assert error_of(reply) == (
        400,
        "Failed to get input map for signature: __saved_model_init_op",
    )


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("POST", "/V1/MODELS/half_plus_two:predict", 200),
        ("POST", "/v1/models/half_plus_two:Predict", 400),
        ("POST", "/v1/models/half_plus_two:predict?a=b", 400),
        ("GET", "/v1/models/half_plus_two?a=b", 404),
        ("GET", "/v1/models/%FF%00", 404),
        ("GET", f"/v1/models/half_plus_two/versions/{'9' * 5000}", 400),
        ("GET", "/v1/models/half_plus_two/labels/x", 400),
        ("DELETE", "/v1/models/half_plus_two", 400),
        ("GET", "//", 404),
    ],
)
def test_paths(method: str, path: str, status: int, client: Client):
    assert client.send(method, path, b'{"instances":[1.0]}').status == status


def test_deep_json_is_the_clients_fault(client: Client):
    for depth in (150, 900, 100_000):
        nested = b"[" * depth + b"]" * depth
        for body in (b'{"inputs":' + nested + b"}", b'{"instances":1,"x":' + nested + b"}"):
            assert client.send("POST", "/v1/models/half_plus_two:predict", body).status == 400


@pytest.mark.parametrize("model", ["half_plus_two", "rec", "multi"])
def test_sample_request_is_answered(model: str, client: Client, library):
    folder = library / model
    signatures = load(str(folder)).signatures
    body = json.loads(sample_request(signatures["serving_default"]))
    # A scalar among `multi`'s outputs has no row form.
    expected = 400 if model == "multi" else 200
    assert client.call(f"{model}:predict", **body).status == expected
    if model == "multi":
        scalar = json.loads(sample_request(signatures["scalar"]))
        assert client.call("multi:predict", signature_name="scalar", **scalar).status == 200
