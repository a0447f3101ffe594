"""The answers about a model: the state of its versions, and its signatures."""

import json
from collections.abc import Sequence

from google.protobuf import json_format
from tensorflow_serving.apis import get_model_metadata_pb2, get_model_status_pb2, model_pb2

from model_server.models.manager import VersionStatus
from model_server.models.servable import Servable


def status_response(versions: Sequence[VersionStatus]) -> get_model_status_pb2.GetModelStatusResponse:
    """Returns the states of versions as TF Serving's message."""
    response = get_model_status_pb2.GetModelStatusResponse()
    for version in versions:
        item = response.model_version_status.add(version=version.version, state=version.state.value)
        item.status.error_code = int(version.code)
        item.status.error_message = version.message.encode("utf-8", "replace").decode()
    return response


def signature_map(servable: Servable) -> get_model_metadata_pb2.SignatureDefMap:
    """Returns a version's signatures as TF Serving's message."""
    signatures = get_model_metadata_pb2.SignatureDefMap()
    for name, signature in servable.signatures.items():
        signatures.signature_def[name].CopyFrom(signature)
    return signatures


def encode_status(versions: Sequence[VersionStatus]) -> str:
    """Returns the states of versions as JSON."""
    return _to_json(status_response(versions), keep_names=False)


def encode_metadata(servable: Servable) -> str:
    """Returns a version's name, number and signatures as JSON."""
    spec = model_pb2.ModelSpec(name=servable.name)
    spec.version.value = servable.version
    metadata = f'{{"signature_def": {_to_json(signature_map(servable))}}}'
    return f'{{\n"model_spec":{_to_json(spec)},\n"metadata": {metadata}\n}}\n'


def _to_json(message: object, keep_names: bool = True) -> str:
    fields = json_format.MessageToDict(
        message, including_default_value_fields=True, preserving_proto_field_name=keep_names
    )
    return json.dumps(fields, indent=1, ensure_ascii=False) + "\n"
