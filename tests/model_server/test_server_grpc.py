"""The gRPC services answer as REST does, from the same models, with TF Serving's codes."""

import grpc
import numpy as np
import pytest
import tensorflow as tf
from google.protobuf import json_format, text_format
from tensorflow.core.framework import tensor_pb2
from tensorflow_serving.apis import (
    classification_pb2,
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_management_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
    regression_pb2,
)

from model_server.errors import Code
from tests.model_server.grpc_client import predict, predict_request, spec, status_of
from tests.model_server.server_process import Client

X = {"x": np.float32([1.0])}


@pytest.fixture
def prediction(channel: grpc.Channel) -> prediction_service_pb2_grpc.PredictionServiceStub:
    """The service that runs models."""
    return prediction_service_pb2_grpc.PredictionServiceStub(channel)


@pytest.fixture
def service(channel: grpc.Channel) -> model_service_pb2_grpc.ModelServiceStub:
    """The service that tells of models."""
    return model_service_pb2_grpc.ModelServiceStub(channel)


@pytest.mark.parametrize(
    ("name", "signature", "inputs"),
    [
        ("half_plus_two", "", {"x": np.float32([[1.0, 1e30], [-3.25, 0.1]])}),
        ("rec", "", {"user_id": np.array([b"u", b"v"]), "history": np.array([[b"a", b""], [b"c", b"d"]])}),
        ("rec", "", {"user_id": np.array(["ü"]), "history": np.zeros([1, 0], "S1")}),
        ("multi", "", {"i": np.int64([1, -(2**62)]), "b": np.array([True, False]), "d": np.full([2, 2], 1 / 3)}),
        ("multi", "scalar", {"x": np.float32(3.5)}),
        ("multi", "inv", {"z": np.float32([0.0, -0.0, -1.0, 7.0])}),
        ("multi", "echo", {"s": np.array([b"a", b"bcd"])}),
    ],
)
def test_grpc_answers_as_rest(name: str, signature: str, inputs: dict, client: Client, channel: grpc.Channel):
    columns = {
        key: value.astype(str).tolist() if value.dtype.kind == "S" else value.tolist() for key, value in inputs.items()
    }
    reply = client.call(f"{name}:predict", inputs=columns, signature_name=signature).json()["outputs"]
    outputs = predict(channel, name, inputs, signature=signature)
    rest = reply if len(outputs) > 1 else {next(iter(outputs)): reply}
    rest.pop("raw_bytes", None)
    for key, value in rest.items():
        got = outputs[key]
        if got.dtype == object:
            assert np.array(value, "U").tolist() == np.char.decode(got.astype("S"), "utf-8").tolist()
        else:
            np.testing.assert_allclose(got, np.array(value, got.dtype), rtol=1e-6)
            assert got.shape == np.shape(value)


def test_values_are_in_the_fields_tf_serving_fills(prediction):
    response = prediction.Predict(predict_request("half_plus_two", {"x": np.float32([[1.0], [2.0]])}))
    tensor = response.outputs["y"]
    assert list(tensor.float_val) == [2.5, 3.0]
    assert [dim.size for dim in tensor.tensor_shape.dim] == [2, 1]
    assert tensor.dtype == tf.float32.as_datatype_enum
    assert response.model_spec == spec("half_plus_two", version=123, signature="serving_default")


def test_types_without_json_form_have_a_proto_form(channel: grpc.Channel):
    half = predict(channel, "multi", {"x": np.uint8([1, 255])}, signature="narrow")["half"]
    assert half.dtype == np.float16
    assert half.tolist() == [1.0, 255.0]


def test_only_the_outputs_asked_for_are_sent(prediction):
    request = predict_request("rec", {"user_id": ["u"], "history": [["a"]]})
    request.output_filter.append("score")
    assert set(prediction.Predict(request).outputs) == {"score"}
    request.output_filter.append("score")
    assert status_of(prediction.Predict, request) == ("INVALID_ARGUMENT", "duplicate output tensor alias: score")
    request.output_filter[:] = ["scores"]
    assert status_of(prediction.Predict, request) == (
        "INVALID_ARGUMENT",
        "output tensor alias not found in signature: scores Outputs expected to be in the set {item_id,score}.",
    )


@pytest.mark.parametrize(
    ("request_message", "code", "text"),
    [
        (predict_pb2.PredictRequest(), "INVALID_ARGUMENT", "Missing ModelSpec"),
        (predict_request("nope", X), "NOT_FOUND", "Servable not found for request: Latest(nope)"),
        (predict_request("half_plus_two", X, version=9), "NOT_FOUND", "Servable not found for request: Specific("),
        (predict_request("half_plus_two", X, label="x"), "INVALID_ARGUMENT", "Unrecognized servable version label: x"),
        (
            predict_request("half_plus_two", X, signature="s"),
            "FAILED_PRECONDITION",
            'Serving signature key "s" not found',
        ),
        (predict_request("half_plus_two", {}), "INVALID_ARGUMENT", "Missing but required: {x}"),
        (predict_request("half_plus_two", X | {"z": 1.0}), "INVALID_ARGUMENT", "Sent extra: {z}"),
        (predict_request("half_plus_two", {"x": np.int64([1])}), "INVALID_ARGUMENT", ""),
        (predict_request("half_plus_two", {"x": ["a"]}), "INVALID_ARGUMENT", ""),
        (predict_request("multi", {"x": np.int32([1])}, signature="narrow"), "INVALID_ARGUMENT", ""),
        (predict_request("multi", {"x": np.float32([-1])}, signature="boom"), "INVALID_ARGUMENT", "x must be positive"),
        (predict_request("rec", {"user_id": ["u"], "history": ["a"]}), "INVALID_ARGUMENT", ""),
    ],
)
def test_clients_fault_has_its_code(request_message, code: str, text: str, prediction):
    got, message = status_of(prediction.Predict, request_message)
    assert got == code
    assert text in message
    assert len(message.encode()) <= 1024


@pytest.mark.parametrize(
    ("proto", "fault"),
    [
        ('dtype: DT_FLOAT tensor_shape { dim { size: 3 } } tensor_content: "abc"', ""),
        ("dtype: DT_FLOAT tensor_shape { dim { size: -1 } } float_val: 1", "not fully defined"),
        ("dtype: DT_FLOAT tensor_shape { unknown_rank: true } float_val: 1", "not fully defined"),
        ("dtype: DT_FLOAT tensor_shape { dim { size: 1 } } float_val: 1 float_val: 2", ""),
        ("dtype: DT_FLOAT tensor_shape { dim { size: 1000000000000 } } float_val: 1", "more than"),
        ("dtype: DT_STRING tensor_shape { dim { size: 1000000000000 } } string_val: 'a'", "more than"),
        ("dtype: DT_STRING tensor_shape { dim { size: 9000000000000000000 } dim { size: 9 } }", "more than"),
        ("dtype: DT_FLOAT tensor_shape { " + "dim { size: 1 } " * 300 + "} float_val: 1", "300 dimensions"),
        ("dtype: DT_RESOURCE tensor_shape { }", ""),
        ("dtype: 9999 tensor_shape { }", ""),
        ("tensor_shape { }", ""),
    ],
)
def test_invalid_tensor_is_the_clients_fault(proto: str, fault: str, prediction):
    tensor = text_format.Parse(proto, tensor_pb2.TensorProto())
    code, message = status_of(prediction.Predict, predict_request("half_plus_two", {"x": tensor}))
    assert code == "INVALID_ARGUMENT"
    assert message.startswith("Input x must be a valid tensor proto. Received: ")
    assert fault in message


def test_many_tensors_may_not_take_more_than_one(prediction):
    tensor = tensor_pb2.TensorProto(dtype=tf.float32.as_datatype_enum, float_val=[1.0])
    # Each of them just below the limit of 64 MiB.
    tensor.tensor_shape.dim.add(size=2**24 - 1)
    request = predict_request("half_plus_two", {f"x{number:03}": tensor for number in range(1000)})
    code, message = status_of(prediction.Predict, request)
    assert code == "INVALID_ARGUMENT"
    assert message.startswith("Input x001 must be a valid tensor proto. Received: 16777215 elements, more than 4 bytes")


def test_values_that_are_left_out_repeat_the_last_one(channel: grpc.Channel):
    tensor = tensor_pb2.TensorProto(dtype=tf.float32.as_datatype_enum, float_val=[1.0, 2.0])
    tensor.tensor_shape.dim.add(size=4)
    assert predict(channel, "half_plus_two", {"x": tensor})["y"].tolist() == [2.5, 3.0, 3.0, 3.0]
    del tensor.float_val[:]
    assert predict(channel, "half_plus_two", {"x": tensor})["y"].tolist() == [2.0] * 4
    nothing = tensor_pb2.TensorProto(dtype=tf.string.as_datatype_enum)
    nothing.tensor_shape.dim.add(size=2)
    assert predict(channel, "multi", {"s": nothing}, signature="echo")["n"].tolist() == [0, 0]


def test_bytes_that_are_no_message_are_the_clients_fault(channel: grpc.Channel):
    for method in ("PredictionService/Predict", "ModelService/GetModelStatus"):
        call = channel.unary_unary(f"/tensorflow.serving.{method}")
        code, message = status_of(call, b"\xff\xff\xff")
        assert code == "INVALID_ARGUMENT"
        assert message.startswith("The request must be a protobuf message of the method's type")
    assert status_of(channel.unary_unary("/tensorflow.serving.Nope/Nope"), b"")[0] == "UNIMPLEMENTED"
    assert (
        status_of(channel.unary_unary("/tensorflow.serving.PredictionService/MultiInference"), b"")[0]
        == "UNIMPLEMENTED"
    )


def test_metadata_is_that_of_rest(client: Client, prediction):
    request = get_model_metadata_pb2.GetModelMetadataRequest(
        model_spec=spec("lab", label="stable"), metadata_field=["signature_def"]
    )
    response = prediction.GetModelMetadata(request)
    assert response.model_spec.version.value == 1
    signatures = get_model_metadata_pb2.SignatureDefMap()
    assert response.metadata["signature_def"].Unpack(signatures)
    expected = client.get("lab/labels/stable/metadata").json()["metadata"]["signature_def"]
    got = json_format.MessageToDict(signatures, including_default_value_fields=True, preserving_proto_field_name=True)
    assert got == expected


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ([], "GetModelMetadataRequest must specify at least one metadata_field"),
        (["nope"], "Metadata field nope is not supported"),
    ],
)
def test_metadata_fields_must_be_known(fields: list[str], message: str, prediction):
    request = get_model_metadata_pb2.GetModelMetadataRequest(model_spec=spec("lab"), metadata_field=fields)
    assert status_of(prediction.GetModelMetadata, request) == ("INVALID_ARGUMENT", message)


def test_status_is_that_of_rest(client: Client, service):
    request = get_model_status_pb2.GetModelStatusRequest(model_spec=spec("mixed"))
    rest = client.get("mixed").json()["model_version_status"]
    for got, expected in zip(service.GetModelStatus(request).model_version_status, rest, strict=True):
        assert got.version == int(expected["version"])
        assert got.State.Name(got.state) == expected["state"]
        assert got.status.error_code == Code[expected["status"]["error_code"]]
        assert got.status.error_message == expected["status"]["error_message"]
    unknown = get_model_status_pb2.GetModelStatusRequest(model_spec=spec("mixed", version=77))
    assert status_of(service.GetModelStatus, unknown) == ("NOT_FOUND", "Could not find version 77 of model mixed")
    assert status_of(service.GetModelStatus, get_model_status_pb2.GetModelStatusRequest())[1] == "Missing ModelSpec"


def test_examples_are_classified_and_regressed(prediction):
    example = tf.train.Example()
    example.features.feature["x"].float_list.value.append(1.0)
    request = classification_pb2.ClassificationRequest(model_spec=spec("half_plus_two", signature="classify_labels"))
    request.input.example_list.examples.append(example)
    (item,) = prediction.Classify(request).result.classifications
    assert [(found.label, found.score) for found in item.classes] == [("2.500000", 2.5)]
    regress = regression_pb2.RegressionRequest(model_spec=spec("half_plus_two", signature="regress_x_to_y"))
    regress.input.example_list_with_context.context.CopyFrom(example)
    regress.input.example_list_with_context.examples.add()
    assert [found.value for found in prediction.Regress(regress).result.regressions] == [2.5]
    regress.input.Clear()
    assert status_of(prediction.Regress, regress) == ("INVALID_ARGUMENT", "Input is empty.")


def test_reload_wants_a_list_of_models(service):
    request = model_management_pb2.ReloadConfigRequest()
    assert status_of(service.HandleReloadConfigRequest, request)[0] == "INVALID_ARGUMENT"
    request.config.model_config_list.config.add(name="m")
    code, message = status_of(service.HandleReloadConfigRequest, request)
    assert code == "INVALID_ARGUMENT"
    assert message == "Expected model m to have an absolute path or URI; got base_path()="
    request.config.model_config_list.config[0].base_path = "models/m"
    code, message = status_of(service.HandleReloadConfigRequest, request)
    assert code == "INVALID_ARGUMENT"
    assert message == "Expected model m to have an absolute path or URI; got base_path()=models/m"


def test_calls_are_counted_as_grpc(client: Client, channel: grpc.Channel):
    predict(channel, "half_plus_two", X)
    page = client.send("GET", "/monitoring/prometheus/metrics").body.decode()
    assert 'request_latency_count{API="Predict",entrypoint="GRPC",model_name="half_plus_two"}' in page


def test_quoted_bytes_that_are_not_utf8_are_the_clients_fault(
    prediction: prediction_service_pb2_grpc.PredictionServiceStub,
):
    request = predict_request("half_plus_two", {"inputs": [b"\xff\xfe"]}, signature="regress_x_to_y")
    code, message = status_of(prediction.Predict, request)
    assert code == "INVALID_ARGUMENT"
    # gRPC's texts are UTF-8.
    assert message.startswith("Could not parse example input, value: '??'")
