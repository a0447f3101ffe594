"""A real browser, driven over the DevTools protocol: https://chromedevtools.github.io/devtools-protocol/."""

import base64
import contextlib
import itertools
import json
import os
import pathlib
import shutil
import signal
import subprocess
import urllib.request
from collections.abc import Iterator
from typing import Any

from websockets.sync.client import ClientConnection, connect

from tests.model_server.server_process import DEADLINE_SECONDS, wait_until

_NAMES = ("chromium", "chromium-browser", "google-chrome")
_FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--remote-debugging-port=0",
)


class Page:
    """A tab, and what its console said.

    Args:
      socket: the tab's DevTools connection.
    """

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._numbers = itertools.count()
        self.problems: list[str] = []
        """Errors and warnings of scripts, the console, the network and the content security policy."""
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.do(f"{domain}.enable")

    def do(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Runs a DevTools command and returns its result."""
        number = next(self._numbers)
        self._socket.send(json.dumps({"id": number, "method": method, "params": parameters}))
        while True:
            message = json.loads(self._socket.recv(DEADLINE_SECONDS))
            if message.get("id") == number:
                if "error" in message:
                    raise AssertionError(f"{method}: {message['error']}")
                return message["result"]
            self._note(message)

    def run(self, script: str) -> Any:
        """Returns the value of a JavaScript expression, once it is there where it is a promise."""
        answer = self.do("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            raise AssertionError(f"{script}: {answer['exceptionDetails']}")
        return answer["result"].get("value")

    def open(self, url: str) -> None:
        """Goes to an address."""
        self.do("Page.navigate", url=url)
        wait_until(
            lambda: self.run(f"location.href.startsWith({json.dumps(url)}) && document.readyState") == "complete"
        )

    def wait_for(self, condition: str) -> None:
        """Returns once a JavaScript expression is true."""
        wait_until(lambda: self.run(condition))

    def press(self, key: str, code: int) -> None:
        """Presses a key that is no character, by its name and its Windows key code."""
        for kind in ("rawKeyDown", "keyUp"):
            self.do("Input.dispatchKeyEvent", type=kind, key=key, windowsVirtualKeyCode=code)
            if key == "Enter" and kind == "rawKeyDown":
                self.do("Input.dispatchKeyEvent", type="char", key=key, text="\r")

    def type(self, text: str) -> None:
        """Types into what has the focus."""
        self.do("Input.insertText", text=text)

    def resize(self, width: int, height: int) -> None:
        """Gives the page a size in CSS pixels."""
        self.do(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600
        )

    def screenshot(self, path: pathlib.Path) -> None:
        """Writes a picture of the whole page, PNG."""
        picture = self.do("Page.captureScreenshot", captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(picture["data"]))

    def _note(self, message: dict[str, Any]) -> None:
        parameters = message.get("params", {})
        match message.get("method"):
            case "Runtime.exceptionThrown":
                self.problems.append(str(parameters["exceptionDetails"]))
            case "Runtime.consoleAPICalled" if parameters["type"] in ("error", "warning", "assert"):
                self.problems.append(str(parameters["args"]))
            case "Log.entryAdded" if parameters["entry"]["level"] in ("error", "warning"):
                self.problems.append(str(parameters["entry"]))


@contextlib.contextmanager
def open_page(folder: pathlib.Path) -> Iterator[Page]:
    """Runs a browser of its own while the block runs.

    Args:
      folder: where its profile and its log go.
    """
    program = next(filter(None, map(shutil.which, _NAMES)), None)
    if program is None:
        raise AssertionError(f"A browser must be installed, one of {_NAMES}: apt-get install chromium")
    profile = folder / "profile"
    with (folder / "browser.log").open("wb") as log:
        process = subprocess.Popen(
            [program, *_FLAGS, f"--user-data-dir={profile}", "about:blank"],
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        with connect(_socket_url(profile, process), max_size=None) as socket:
            yield Page(socket)
    finally:
        process.terminate()
        process.wait(DEADLINE_SECONDS)
        # Its helpers may live a little longer, and write to the profile.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


def _socket_url(profile: pathlib.Path, process: subprocess.Popen) -> str:
    """Returns the address of the first tab's DevTools, once the browser has told its port."""
    announced = profile / "DevToolsActivePort"
    wait_until(lambda: process.poll() is not None or (announced.exists() and "\n" in announced.read_text()))
    if process.poll() is not None:
        log = (profile.parent / "browser.log").read_text()
        raise AssertionError(f"The browser ended with {process.returncode}:\n{log}")
    port = announced.read_text().split()[0]
    found: list[str] = []

    def look() -> bool:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/json", timeout=DEADLINE_SECONDS) as answer:
            found.extend(tab["webSocketDebuggerUrl"] for tab in json.load(answer) if tab["type"] == "page")
        return bool(found)

    wait_until(look)
    return found[0]
