"""What concerns the process: ScaNN's ops, flags, and a graceful end."""

import os
import pathlib
import signal
import socket

import pytest

from model_server import __main__ as command
from tests.model_server import server_process
from tests.model_server.server_process import Client

QUERY = [[1.0, 0.0, 0.0, 0.0]]


def test_scann_is_missed_only_where_it_is_called(client: Client):
    assert client.states("scann") == {1: "AVAILABLE"}
    search = client.call("scann:predict", instances=QUERY)
    assert search.status == 404
    assert search.json()["error"].startswith("Op type not registered 'Scann>ScannSearchBatched' in binary running on ")
    assert client.call("scann:predict", signature_name="plain", instances=QUERY).status == 200


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_call_under_way_is_answered_before_the_end(number: int, library: pathlib.Path, tmp_path: pathlib.Path):
    (tmp_path / "scann").mkdir()
    os.symlink(library / "scann", tmp_path / "scann/1")
    flags = ["--model", f"search={tmp_path}/scann"]
    with server_process.serving(tmp_path / "log", *flags) as server:
        client = server.client
        found = client.call("search:predict", instances=QUERY)
        plain = client.call("search:predict", signature_name="plain", instances=QUERY)
        # With ScaNN's ops loaded, brute force finds what the matrix product finds.
        assert found.json() == plain.json()
        body = b'{"instances": [[1.0, 0.0, 0.0, 0.0]]}'
        with client.begin_call("search", body) as connection:
            server.signal(number)
            server_process.wait_until(lambda: not client.accepted())
            connection.sendall(body)
            answer = server_process.read_all(connection)
        assert answer.startswith(b"HTTP/1.1 200 ")
        assert answer.endswith(found.body)
        assert server.wait() == 0
        assert "Traceback" not in server.log()


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ([], "one of --model-base-path, --model and --model_config_file is needed"),
        (["--model", "a:b=x"], "`name` must be non-empty and have no '/' or ':'"),
        (["--model_config_file", "missing"], "`model_config_file` must be a text proto"),
        (["--model", "a=x", "--threads", "0"], "`threads` must be positive"),
        (["--model", "a=x", "--port", "BUSY"], "`port` must be free"),
        (["--model-base-path", "VERSIONS"], "`--model-base-path` must be a folder of models"),
    ],
)
def test_wrong_flags_end_with_one_line(
    flags: list[str],
    message: str,
    models: pathlib.Path,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture,
):
    with socket.create_server(("127.0.0.1", 0)) as busy:
        values = {"BUSY": str(busy.getsockname()[1]), "VERSIONS": f"{models}/half_plus_two"}
        try:
            code = command.main([values.get(flag, flag) for flag in flags])
        except SystemExit as error:
            code = error.code
    assert code == 2
    assert message in caplog.text + capsys.readouterr().err
