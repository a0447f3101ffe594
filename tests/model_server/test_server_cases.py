"""Every recorded answer of TF Serving 2.16.1 is given again."""

import json
import pathlib
import re
import shutil
from typing import Any

import pytest

from tests.model_server import saved_models
from tests.model_server.server_process import Client, Reply, wait_until
from tests.paths import ROOT

CASES = {case["name"]: case for case in json.loads((ROOT / "tests/data/tfserving_cases.json").read_text())}
# The cases that tell of versions coming and going, in the order it happened.
STAGED = {
    "hot status before",
    "hot status after",
    "hot old version status",
    "latest removed from disk: status",
    "all versions removed: status",
}
# Where this server answers otherwise on purpose: nowhere, so far as the recordings go.
DIFFERENCES: set[str] = set()


def test_all_cases_are_there():
    assert len(CASES) == 80
    assert set(CASES) >= STAGED | DIFFERENCES


@pytest.mark.parametrize("name", [name for name in CASES if name not in STAGED])
def test_case(name: str, client: Client, models: pathlib.Path):
    check(name, client, models)


@pytest.mark.parametrize(
    ("origin", "status"), [("https://a.test", 200), ("http://a.test", 200), ("ftp://a.test", 400), (None, 400)]
)
def test_options_want_an_origin_of_the_web(origin: str | None, status: int, client: Client):
    headers = {"Origin": origin} if origin else {}
    reply = client.send("OPTIONS", "/v1/models/half_plus_two", headers=headers)
    assert (reply.status, reply.body) == (status, b"")


def test_versions_come_and_go(client: Client, models: pathlib.Path, library: pathlib.Path):
    hot = models / "hot"
    check("hot status before", client, models)
    saved_models.push(f"{library}/half_plus_three", f"{hot}/2")
    wait_until(lambda: client.states("hot") == {2: "AVAILABLE", 1: "END"})
    check("hot status after", client, models)
    check("hot old version status", client, models)
    assert client.call("hot:predict", instances=[1.0]).json() == {"predictions": [3.5]}
    shutil.rmtree(hot / "2")
    wait_until(lambda: client.states("hot") == {2: "END", 1: "AVAILABLE"})
    check("latest removed from disk: status", client, models)
    shutil.rmtree(hot / "1")
    wait_until(lambda: client.states("hot") == {2: "END", 1: "END"})
    check("all versions removed: status", client, models)
    gone = client.call("hot:predict", instances=[1.0])
    assert (gone.status, gone.json()) == (
        404,
        {"error": "Servable not found for request: Latest(hot)"},
    )


def check(name: str, client: Client, models: pathlib.Path) -> None:
    """Sends a case's request and compares the answer, in bytes where TF Serving's are stable."""
    case = CASES[name]
    body = None if case["body"] is None else case["body"].encode()
    reply = client.send(case["method"], case["path"], body, case.get("headers"))
    expected = case["response"].replace("${BASE}/models", str(models))
    assert reply.status == case["status"]
    assert reply.content_type == case["content_type"]
    assert parsed(text_of(reply)) == parsed(expected)
    if case["byte_stable"]:
        assert nameless(text_of(reply)) == nameless(expected)


def text_of(reply: Reply) -> str:
    """Bytes that are not UTF-8 are recorded as backslash escapes."""
    return reply.body.decode("utf-8", "backslashreplace")


def nameless(text: str) -> str:
    """The numbers in function names are those of the export, not of the server."""
    return re.sub(r"__inference_serve_\d+", "__inference_serve_0", text)


def parsed(text: str) -> Any:
    """The JSON value, or the text itself where it is none; NaN equals NaN in it."""
    if not text.startswith("{"):
        return text
    escaped = nameless(text).replace("\\x", "\\\\x")
    return json.loads(escaped, parse_constant=str)
