"""MLflow's server and PostgreSQL on this machine, started for a test and ended with it."""

from __future__ import annotations

import getpass
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PATIENCE = 150.0  # seconds until a server answers: it makes its tables first


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@contextmanager
def mlflow_server(backend: str, folder: Path, port: int) -> Iterator[str]:
    """Address of a server with an artifact proxy, whose files lie in `folder`."""
    command = [
        sys.executable, "-m", "mlflow", "server", "--backend-store-uri", backend,
        "--artifacts-destination", str(folder / "artifacts"), "--serve-artifacts",
        "--host", "127.0.0.1", "--port", str(port), "--workers", "1",
    ]  # fmt: skip
    quiet = {**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    with (folder / "server.log").open("a") as log:
        server = subprocess.Popen(command, stdout=log, stderr=log, env=quiet)
    address = f"http://127.0.0.1:{port}"
    try:
        _wait(f"{address}/health", server)
        yield address
    finally:
        server.terminate()
        try:
            server.wait(20)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait(20)


def _wait(address: str, server: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        assert server.poll() is None, f"the server of {address} has ended; see server.log"
        try:
            with urllib.request.urlopen(address, timeout=5):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.5)
    raise AssertionError(f"no answer from {address}")


def postgres_programs() -> Path | None:
    """Folder of PostgreSQL's programs; None where it is not installed."""
    found = shutil.which("initdb")
    folders = [Path(found).resolve().parent] if found else []
    folders += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return next((f for f in folders if (f / "initdb").is_file()), None)


@contextmanager
def postgres() -> Iterator[str]:
    """Address of an empty database; as root the server runs as the user postgres."""
    programs = postgres_programs()
    assert programs is not None
    is_root = getpass.getuser() == "root"
    run = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"] if is_root else []
    # not among pytest's own folders, which are closed to other users
    with tempfile.TemporaryDirectory(prefix="her2-postgres-") as name:
        folder, port = Path(name), free_port()
        folder.chmod(0o777)
        make = [*run, programs / "initdb", "-D", folder / "data", "-U", "postgres", "-A", "trust"]
        subprocess.run(make, check=True, capture_output=True)
        serve = [*run, programs / "postgres", "-D", folder / "data", "-p", str(port),
                 "-h", "127.0.0.1", "-k", folder, "-F"]  # fmt: skip
        with (folder / "log").open("a") as log:
            server = subprocess.Popen(serve, stdout=log, stderr=log)
        try:
            _wait_for_postgres(programs, folder, port)
            yield f"postgresql+psycopg://postgres@127.0.0.1:{port}/postgres"
        finally:
            server.send_signal(signal.SIGINT)  # it ends its clients' sessions as well
            server.wait(30)


def _wait_for_postgres(programs: Path, folder: Path, port: int) -> None:
    ready = [programs / "pg_isready", "-h", "127.0.0.1", "-p", str(port)]
    end = time.monotonic() + 30
    while subprocess.run(ready, capture_output=True).returncode:
        assert time.monotonic() < end, (folder / "log").read_text()
        time.sleep(0.2)
