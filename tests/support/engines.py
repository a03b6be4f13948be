"""Browsers as distributions ship them, driven by WebDriver and as narrow as a phone.

Chromium and WebKit have a driver; Firefox is spoken to by Marionette, the protocol that its driver would translate to.
"""

import json
import os
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import httpx
import pytest

from tests.support.servers import free_port, running

WIDTH, HEIGHT = 390, 844
SECONDS = 60
"""For one command; a browser that starts on a busy machine takes some."""

ELEMENT = "element-6066-11e4-a52e-4f735466cecf"
"""Under this name WebDriver returns a reference to an element."""

FIREFOX_PREFERENCES = {
    "browser.aboutwelcome.enabled": False,
    "datareporting.policy.dataSubmissionEnabled": False,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
    "toolkit.legacyUserProfileCustomizations.stylesheets": True,
}
NARROW_FIREFOX = ":root { min-width: 0 !important }"
NARROW_GTK = "* { min-width: 0; padding: 0; margin: 0; border-width: 0; font-size: 4px }"
"""The bars of a desktop browser are wider than a phone."""

CHROMIUM = {
    "goog:chromeOptions": {
        "args": ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-background-networking"],
        "mobileEmulation": {"deviceMetrics": {"width": WIDTH, "height": HEIGHT, "pixelRatio": 2, "touch": True}},
    }
}


class Call(Protocol):
    """One WebDriver command: its path over HTTP, its name in Marionette, and what it is given."""

    def __call__(self, path: str, name: str, /, **given: Any) -> Any: ...


class Driver:
    """A browser window."""

    def __init__(self, call: Call) -> None:
        self._call = call

    def open(self, url: str) -> None:
        """Go to an address, until it is loaded."""
        self._call("url", "Navigate", url=url)

    def run(self, script: str, *arguments: Any) -> Any:
        """What a script returns in the page."""
        return self._call("execute/sync", "ExecuteScript", script=script, args=list(arguments))

    def press(self, words: str, within: str = "//body") -> None:
        """Press the first button with these words, as a finger would: it must be shown, and nothing may cover it."""
        path = f"({within}//button[normalize-space()='{words}'])[1]"
        found = self._call("element", "FindElement", using="xpath", value=path)[ELEMENT]
        self._call(f"element/{found}/click", "ElementClick", id=found)

    def text(self) -> str:
        """The words that are shown."""
        return str(self.run("return document.body.innerText"))


class _Marionette:
    """Firefox's own end: `LENGTH:[0, number, command, parameters]` on a socket, and the same back."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), SECONDS)
        self._answers = self._socket.makefile("rb")
        self._read()

    def __call__(self, _path: str, name: str, /, **given: Any) -> Any:
        written = json.dumps([0, 1, f"WebDriver:{name}", given]).encode()
        self._socket.sendall(b"%d:%s" % (len(written), written))
        _, _, error, result = self._read()
        assert error is None, error
        return result.get("value", result) if isinstance(result, dict) else result

    def _read(self) -> Any:
        digits = b""
        while (byte := self._answers.read(1)) != b":":
            assert byte, "Firefox has ended"
            digits += byte
        return json.loads(self._answers.read(int(digits)))

    def close(self) -> None:
        self._answers.close()
        self._socket.close()


class _Http:
    """A driver that speaks WebDriver over HTTP."""

    def __init__(self, port: int, capabilities: dict[str, Any]) -> None:
        self._client = httpx.Client(base_url=f"http://127.0.0.1:{port}/", timeout=SECONDS)
        self._session = ""
        asked = {"alwaysMatch": capabilities}
        self._session = f"session/{self('session', '', capabilities=asked)['sessionId']}/"

    def __call__(self, path: str, _name: str, /, **given: Any) -> Any:
        answer = self._client.post(self._session + path, json=given)
        value = answer.json()["value"]
        assert answer.is_success, value
        return value

    def close(self) -> None:
        self._client.delete(self._session.rstrip("/"))
        self._client.close()


@contextmanager
def chromium(folder: Path) -> Iterator[Driver]:
    """Debian: chromium-driver."""
    port = free_port()
    with (
        running([_program("chromedriver"), f"--port={port}"], port, folder / "driver.log"),
        closing(_Http(port, CHROMIUM)) as call,
    ):
        yield Driver(call)


@contextmanager
def webkit(folder: Path) -> Iterator[Driver]:
    """Debian: webkit2gtk-driver, and xvfb where there is no display."""
    driver, port = _program("WebKitWebDriver"), free_port()
    style = folder / "gtk-3.0" / "gtk.css"
    style.parent.mkdir()
    style.write_text(NARROW_GTK, encoding="utf-8")
    with ExitStack() as stack:
        environment = {"DISPLAY": os.environ.get("DISPLAY") or stack.enter_context(_display())}
        environment |= {"XDG_CONFIG_HOME": str(folder), "LIBGL_ALWAYS_SOFTWARE": "1"}
        command = ["env", *(f"{name}={value}" for name, value in environment.items()), driver, f"--port={port}"]
        stack.enter_context(running(command, port, folder / "driver.log"))
        call = stack.enter_context(closing(_Http(port, {})))
        call("window/rect", "", width=WIDTH, height=HEIGHT)
        yield Driver(call)


@contextmanager
def _display() -> Iterator[str]:
    command = [_program("Xvfb"), "-displayfd", "1", "-screen", "0", "1600x1200x24", "-nolisten", "tcp"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as server:  # noqa: S603
        assert server.stdout is not None
        yield f":{server.stdout.readline().decode().strip()}"
        server.terminate()


@contextmanager
def firefox(folder: Path) -> Iterator[Driver]:
    """Debian: firefox-esr."""
    program, port = _program("firefox-esr"), free_port()
    (folder / "chrome").mkdir()
    (folder / "chrome" / "userChrome.css").write_text(NARROW_FIREFOX, encoding="utf-8")
    preferences = {**FIREFOX_PREFERENCES, "marionette.port": port}
    lines = [f"user_pref({json.dumps(name)}, {json.dumps(value)});\n" for name, value in preferences.items()]
    (folder / "user.js").write_text("".join(lines), encoding="utf-8")
    command = [program, "--headless", "--no-remote", "--marionette", "--profile", str(folder)]
    with running(command, port, folder / "firefox.log"), closing(_Marionette(port)) as call:
        call("", "NewSession")
        call("", "SetWindowRect", width=WIDTH, height=HEIGHT)
        yield Driver(call)


def _program(name: str) -> str:
    return shutil.which(name) or pytest.skip(f"no `{name}` on PATH")


class Engine(NamedTuple):
    """A browser by name, and how it is started with a folder of its own."""

    name: str
    start: Callable[[Path], Any]


ENGINES = (Engine("chromium", chromium), Engine("firefox", firefox), Engine("webkit", webkit))
