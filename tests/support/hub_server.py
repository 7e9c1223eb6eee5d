"""A Hugging Face hub of one file on this machine: as it should be, or with one fault."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

COMMIT = "0123456789abcdef0123456789abcdef01234567"
STORAGE = "/storage"  # on another host than the hub, which answers with a redirection
XET_TOKEN = "/xet-token"
SLOWLY_S = 1.0


@dataclass
class Hub:
    """What is served, what goes wrong, and what was asked for.

    content: weights of `repository`; asked: method and path of every request; address: for
    HF_ENDPOINT. fault: a status for every request (``"404"``), or one of

    - ``hangs``: no answer;
    - ``stalls``: half of the bytes, then none;
    - ``truncated``: half of the bytes, then the end of the connection;
    - ``short``: half of the bytes, as if they were all;
    - ``changed``: as many bytes, one of them another;
    - ``page``: what a network shows that lets nobody out before a login;
    - ``xet``: the file is in the chunked storage of the hub, which does not have it;
    - ``slow``: the bytes take `SLOWLY_S`.
    """

    repository: str
    content: bytes
    fault: str = ""
    asked: list[str] = field(default_factory=list)
    address: str = ""
    stopping: threading.Event = field(default_factory=threading.Event)

    @property
    def path(self) -> str:
        """Path of the file."""
        return f"/{self.repository}/resolve/main/model.safetensors"

    @property
    def sha256(self) -> str:
        """SHA-256 of the file; the hub announces it as the ETag of a large file."""
        return hashlib.sha256(self.content).hexdigest()


class _Handler(BaseHTTPRequestHandler):
    """Answers as huggingface.co does for a large file."""

    protocol_version = "HTTP/1.1"
    server: Any

    def do_HEAD(self) -> None:
        path, hub = urlsplit(self.path).path, self.server.hub
        hub.asked.append(f"{self.command} {path}")
        if hub.fault == "hangs":
            self._wait()
        elif hub.fault == "page":
            self._say(200, b"<html>Log in</html>")
        elif hub.fault.isdigit():
            missing = {"X-Error-Code": "EntryNotFound"} if hub.fault == "404" else {}
            self._say(int(hub.fault), b"{}", missing)
        elif path == hub.path:
            self._redirect(hub)
        elif path == STORAGE:
            self._send(hub)
        elif path == XET_TOKEN:
            expiry = str(int(time.time()) + 3600)
            self._say(200, b"{}", {"X-Xet-Cas-Url": hub.address, "X-Xet-Access-Token": "token",
                                   "X-Xet-Token-Expiration": expiry})  # fmt: skip
        else:
            self._say(404, b"{}")

    do_GET = do_HEAD

    def log_message(self, *_: object) -> None:
        pass

    def _redirect(self, hub: Hub) -> None:
        headers = {
            "Location": f"http://localhost:{self.server.server_port}{STORAGE}",
            "X-Repo-Commit": COMMIT,
            "X-Linked-Etag": f'"{hub.sha256}"',
            "X-Linked-Size": str(len(hub.content)),
            "Accept-Ranges": "bytes",
        }
        if hub.fault == "xet":
            headers |= {"X-Xet-Hash": "ab" * 32, "X-Xet-Refresh-Route": hub.address + XET_TOKEN}
        self._say(302, b"Found", headers)

    def _send(self, hub: Hub) -> None:
        content = hub.content
        if self.command == "HEAD":  # an address that is signed for GET
            self._say(403, b"")
            return
        if hub.fault == "slow":
            time.sleep(SLOWLY_S)
        if hub.fault == "changed":
            content = content[:-1] + bytes([content[-1] ^ 1])
        half = content[: len(content) // 2]
        self._say(
            200,
            half if hub.fault == "short" else content,
            {"ETag": f'"{hub.sha256}"'},
            sent=half if hub.fault in ("truncated", "stalls") else None,
        )
        if hub.fault == "stalls":
            self._wait()
        self.close_connection = True

    def _wait(self) -> None:
        self.server.hub.stopping.wait()
        self.close_connection = True

    def _say(
        self,
        status: int,
        content: bytes,
        headers: Mapping[str, str] | None = None,
        *,
        sent: bytes | None = None,
    ) -> None:
        """Answer; sent: instead of the content that the headers announce."""
        self.send_response(status)
        for name, value in {**(headers or {}), "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content if sent is None else sent)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    hub: Hub

    def handle_error(self, *_: object) -> None:  # a client that has gone
        pass


@contextmanager
def hub_server(repository: str, content: bytes, fault: str = "") -> Iterator[Hub]:
    """Serve `content` as the weights of `repository` until the end of the block."""
    server = _Server(("127.0.0.1", 0), _Handler)
    address = f"http://127.0.0.1:{server.server_port}"
    server.hub = Hub(repository, content, fault, address=address)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server.hub
    finally:
        server.hub.stopping.set()
        server.shutdown()
        thread.join()
        server.server_close()
