"""Which version of a model a protobuf request is about."""

from typing import NamedTuple

from google.protobuf import message

from model_server.errors import invalid_argument


class Wanted(NamedTuple):
    """A version of a model, as a client names it.

    Args:
      name: the model.
      version: its number, None for the latest.
      label: its label, instead of the number.
    """

    name: str
    version: int | None
    label: str | None


def wanted(request: message.Message) -> Wanted:
    """Returns what the request's `model_spec` names.

    Raises:
      ServingError: INVALID_ARGUMENT where it has none.
    """
    if not request.HasField("model_spec"):
        raise invalid_argument("Missing ModelSpec")
    spec = request.model_spec
    choice = spec.WhichOneof("version_choice")
    return Wanted(
        spec.name,
        spec.version.value if choice == "version" else None,
        spec.version_label if choice == "version_label" else None,
    )
