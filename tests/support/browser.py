"""A headless Chromium driven over the DevTools protocol through a pipe: no port, no package.

References
----------
.. [1] Chrome DevTools Protocol. https://chromedevtools.github.io/devtools-protocol/
"""

from __future__ import annotations

import fcntl
import json
import os
import select
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
PATIENCE = 20.0  # seconds for one answer
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--disable-dev-shm-usage", "--disable-extensions", "--no-default-browser-check",
    "--host-resolver-rules=MAP * ~NOTFOUND", "--remote-debugging-pipe", "about:blank",
)  # fmt: skip
# the browser reads from 3 and writes to 4
_START = (
    "import os, sys; [os.dup2(int(sys.argv[k]), k + 2) for k in (1, 2)]; "
    "os.execv(sys.argv[3], sys.argv[3:])"
)


def program() -> str | None:
    """Path of an installed browser of the Chromium family."""
    return next((path for name in PROGRAMS if (path := shutil.which(name))), None)


class Browser:
    """One browser with one page, and all that the page tried, said and asked for."""

    def __init__(self, path: str, profile: Path) -> None:
        self._written, self._read, child = _pipes()
        self._process = subprocess.Popen(
            [
                sys.executable,
                "-ISc",
                _START,
                *map(str, child),
                path,
                f"--user-data-dir={profile}",
                *FLAGS,
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            pass_fds=child,
        )
        for fd in child:
            os.close(fd)
        self._buffer = b""
        self._last = 0
        self._session: str | None = None
        self.events: list[dict[str, Any]] = []
        self._open_page()

    def _open_page(self) -> None:
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        attached = self.call("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        """Answer to one call of the protocol."""
        self._last += 1
        message = {"id": self._last, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._written, json.dumps(message).encode() + b"\0")
        while (answer := self._next()).get("id") != self._last:
            self._note(answer)
        assert "error" not in answer, (method, answer["error"])
        return answer["result"]

    def open(self, path: Path, *, width: int = 1400, height: int = 900) -> None:
        """Load a file and wait until it is there; forget what earlier pages did."""
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width, height=height, deviceScaleFactor=1, mobile=False,
        )  # fmt: skip
        self.events = []
        self.call("Page.navigate", url=path.as_uri())
        while not self.happened("Page.loadEventFired"):
            self._note(self._next())

    def value(self, expression: str) -> Any:
        """Value of a JavaScript expression in the page; a promise is awaited."""
        answer = self.call(
            "Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True
        )
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def press(self, key: str) -> None:
        """Press a key on what has the focus."""
        code = {"Enter": 13, "Escape": 27}[key]
        keys = {"key": key, "code": key, "windowsVirtualKeyCode": code}
        text = {"text": "\r"} if key == "Enter" else {}
        self.call("Input.dispatchKeyEvent", type="keyDown", **keys, **text)
        self.call("Input.dispatchKeyEvent", type="keyUp", **keys)

    def happened(self, *methods: str) -> list[dict[str, Any]]:
        """Events of these names since the page was opened."""
        return [event["params"] for event in self.events if event["method"] in methods]

    def complaints(self) -> list[Any]:
        """Errors, warnings and messages of the console, uncaught exceptions and dialogs."""
        return self.happened(
            "Runtime.exceptionThrown", "Runtime.consoleAPICalled", "Log.entryAdded",
            "Page.javascriptDialogOpening",
        )  # fmt: skip

    def requests(self) -> list[str]:
        """Addresses that the page asked for."""
        sent = self.happened("Network.requestWillBeSent")
        return [event["request"]["url"] for event in sent]

    def close(self) -> None:
        """End the browser that was started here, and nothing else."""
        os.close(self._written)  # Chromium leaves when its pipe closes
        os.close(self._read)
        try:
            self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(timeout=5)

    def _note(self, message: dict[str, Any]) -> None:
        if "method" not in message:
            return
        self.events.append(message)
        if message["method"] == "Page.javascriptDialogOpening":  # it would block the page
            self._last += 1
            accept = {"id": self._last, "method": "Page.handleJavaScriptDialog"}
            accept |= {"params": {"accept": True}, "sessionId": self._session}
            os.write(self._written, json.dumps(accept).encode() + b"\0")

    def _next(self) -> dict[str, Any]:
        end = time.monotonic() + PATIENCE
        while b"\0" not in self._buffer:
            ready, _, _ = select.select([self._read], [], [], max(end - time.monotonic(), 0))
            assert ready, "the browser does not answer"
            chunk = os.read(self._read, 1 << 20)
            assert chunk, "the browser has left"
            self._buffer += chunk
        message, self._buffer = self._buffer.split(b"\0", 1)
        return json.loads(message)


def _pipes() -> tuple[int, int, tuple[int, int]]:
    """Ends to write to and to read from, and the two of the child, clear of its 3 and 4."""
    fds = (*os.pipe(), *os.pipe())
    high = [fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 10) for fd in fds]
    for fd in fds:
        os.close(fd)
    child_reads, written, read, child_writes = high
    return written, read, (child_reads, child_writes)
