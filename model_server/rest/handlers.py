"""TF Serving's REST API without the HTTP server: a method, a path and a body in, an answer out."""

import dataclasses
import re
import urllib.parse
from typing import NamedTuple

from model_server.calls import Calls
from model_server.config_files import DEFAULT_METRICS_PATH
from model_server.errors import Code, ServingError, invalid_argument
from model_server.forms import json_print
from model_server.forms.json_forms import decode_predict, encode_predict, parse_object, signature_name
from model_server.metrics import CONTENT_TYPE as METRICS_TYPE
from model_server.metrics import Metrics
from model_server.models import examples, status
from model_server.models.manager import ModelManager

_ENTRYPOINT = "REST"
_JSON = "application/json"
_VERSION_OR_LABEL = r"(?:/versions/(?P<version>[0-9]+)|/labels/(?P<label>[^/:]+))?"
_CALL = re.compile(
    rf"/v1/models/(?P<name>[^/:]+){_VERSION_OR_LABEL}:(?P<verb>(?-i:classify|regress|predict))",
    re.IGNORECASE,
)
_MODEL = re.compile(
    rf"/v1/models(?:/(?P<name>[^/:]+))?{_VERSION_OR_LABEL}(?:/(?P<metadata>metadata))?",
    re.IGNORECASE,
)
_PREFIX = re.compile(r"/v1/.*", re.IGNORECASE)
_NOT_FOUND_PAGE = b"""<HTML><HEAD>
<TITLE>404 Not Found</TITLE>
</HEAD><BODY>
<H1>Not Found</H1>
</BODY></HTML>
"""
_WEB = ("http://", "https://")
_MAX_VERSION = 2**63 - 1
# Python refuses to read numbers of thousands of digits.
_MAX_DIGITS = 19


class Answer(NamedTuple):
    """What goes back to the client."""

    status: int
    body: bytes
    content_type: str = _JSON


@dataclasses.dataclass(frozen=True)
class Call:
    """A call to a model, as its path names it.

    Args:
      name: the model.
      version: its version, None for the latest.
      label: the label of a version, instead of its number.
      verb: "predict", "classify" or "regress".
    """

    name: str
    version: int | None
    label: str | None
    verb: str


class RestApi:
    """Answers requests from the models of a manager.

    Args:
      manager: the models.
      calls: where calls are counted.
      metrics: what Prometheus is told.
      metrics_path: where Prometheus finds them; None for nowhere.
    """

    def __init__(
        self, manager: ModelManager, calls: Calls, metrics: Metrics, metrics_path: str | None = DEFAULT_METRICS_PATH
    ) -> None:
        self._manager = manager
        self._metrics = metrics
        self._metrics_path = metrics_path
        self._calls = calls

    def parse(self, method: str, target: str, origin: str = "") -> Call | Answer:
        """Returns the call to a model that a request is, else the answer to it.

        Args:
          method: the HTTP method.
          target: the path as the client sent it, percent signs and query and all.
          origin: the header of that name.
        """
        if target.partition("?")[0] == self._metrics_path:
            return Answer(200, self._metrics.text(), METRICS_TYPE)
        if not _PREFIX.fullmatch(target):
            return Answer(404, _NOT_FOUND_PAGE, "text/html")
        if method == "OPTIONS":
            return Answer(200 if origin.startswith(_WEB) else 400, b"", "text/html; charset=ISO-8859-1")
        call = _CALL.fullmatch(target) if method == "POST" else None
        model = _MODEL.fullmatch(target) if method == "GET" else None
        found = call or model
        if found is None:
            return error_answer(invalid_argument(f"Malformed request: {method} {target}"))
        digits = (found["version"] or "").lstrip("0")
        if len(digits) > _MAX_DIGITS or int(digits or 0) > _MAX_VERSION:
            return Answer(400, b"")
        version = int(digits or 0) if found["version"] else None
        name, label = _decoded(found["name"]), _decoded(found["label"])
        if call:
            return Call(name, version, label, call["verb"])  # type: ignore[arg-type]  # the pattern has the verb
        return self._describe(name, version, label, bool(model["metadata"]))

    def run(self, call: Call, body: bytes) -> Answer:
        """Runs a call to a model; blocks until the model has answered."""
        try:
            with self._calls.counted(call.name, call.verb, _ENTRYPOINT):
                return Answer(200, json_print.to_bytes(self._run(call, body)))
        except ServingError as error:
            return error_answer(error)

    def count(self, call: Call, code: Code) -> None:
        """Counts a call that does not come to run."""
        self._calls.count(call.name, call.verb, _ENTRYPOINT, code)

    def _run(self, call: Call, body: bytes) -> str:
        try:
            return self._answer(call, body)
        except RecursionError:
            # What no one reads may be nested as deep as the standard parser goes, but not be quoted.
            raise invalid_argument("JSON Parse error: Nesting is too deep") from None

    def _answer(self, call: Call, body: bytes) -> str:
        document = parse_object(body)
        signature = signature_name(document)
        if call.verb == "predict":
            with self._manager.use(call.name, call.version, call.label) as servable:
                form, tensors = decode_predict(document, servable.input_types(signature))
                return encode_predict(servable.predict(signature, tensors), form)
        serialized = examples.decode_examples(document)
        with self._manager.use(call.name, call.version, call.label) as servable:
            if call.verb == "classify":
                return examples.encode_classifications(examples.classify(servable, signature, serialized))
            return examples.encode_regressions(examples.regress(servable, signature, serialized))

    def _describe(self, name: str | None, version: int | None, label: str | None, metadata: bool) -> Answer:
        try:
            if not name:
                raise invalid_argument("Missing model name in request.")
            if metadata:
                with self._manager.use(name, version, label) as servable:
                    text = status.encode_metadata(servable)
            else:
                text = status.encode_status(self._manager.status(name, version, label))
        except ServingError as error:
            return error_answer(error)
        return Answer(200, json_print.to_bytes(text))


def error_answer(error: ServingError) -> Answer:
    """Returns the answer that tells a client of an error."""
    text = json_print.members([("error", json_print.quote(error.message))], 0)
    return Answer(error.http_status, json_print.to_bytes(text))


def _decoded(part: str | None) -> str | None:
    return None if part is None else urllib.parse.unquote(part, errors="surrogateescape")
