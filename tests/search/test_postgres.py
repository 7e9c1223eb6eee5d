"""Two sweepers on one study in PostgreSQL, started by the test where Debian's package is."""

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from optuna.trial import TrialState
from search_app import App

PASSWORD = "not written anywhere"


def binaries() -> Path | None:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    return found[-1].parent if found else None


def as_postgres(*command: object) -> list[str]:
    """The server refuses to run as root."""
    words = [str(word) for word in command]
    return ["runuser", "-u", "postgres", "--", *words] if os.getuid() == 0 else words


@pytest.fixture(scope="module")
def server(tmp_path_factory) -> Iterator[str]:
    """Address of a server of its own, without the password."""
    pytest.importorskip("psycopg")
    bin_folder = binaries()
    if bin_folder is None or (os.getuid() == 0 and shutil.which("runuser") is None):
        pytest.skip("PostgreSQL is not installed (apt-get install postgresql)")
    folder = Path("/tmp") / f"her2-postgres-{os.getpid()}"
    folder.mkdir(mode=0o700)
    secret = folder / "password"
    secret.write_text(PASSWORD)
    if os.getuid() == 0:
        for path in (folder, secret):
            shutil.chown(path, "postgres")
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    data = folder / "data"
    make = as_postgres(
        bin_folder / "initdb", "-D", data, "-U", "her2", "--auth=scram-sha-256",
        f"--pwfile={secret}",
    )  # fmt: skip
    subprocess.run(make, check=True, capture_output=True, cwd="/")
    options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={folder}"
    control = (bin_folder / "pg_ctl", "-D", data, "-w", "-l", folder / "log")
    subprocess.run(
        as_postgres(*control, "-o", options, "start"), check=True, cwd="/",
        stdout=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        yield f"postgresql+psycopg://her2@127.0.0.1:{port}/postgres"
    finally:
        subprocess.run(as_postgres(*control, "-m", "immediate", "stop"), check=True, cwd="/",
                       stdout=subprocess.DEVNULL)  # fmt: skip
        shutil.rmtree(folder)


def overrides(name: str, *more: str) -> tuple[str, ...]:
    return (
        "x=interval(-1,1)", "hydra.sweeper.storage_password_env=HER2_TEST_PASSWORD",
        "hydra.sweeper.n_trials=12", f"hydra.sweeper.study_name={name}", *more,
    )  # fmt: skip


def trials(server: str, name: str, monkeypatch) -> list:
    import optuna

    from her2.search.storage import open_storage, storage_address

    monkeypatch.setenv("HER2_TEST_PASSWORD", PASSWORD)
    storage = open_storage(storage_address(server), "HER2_TEST_PASSWORD")
    found = optuna.load_study(study_name=name, storage=storage).get_trials(deepcopy=False)
    storage.remove_session()
    storage.engine.dispose()
    return found


@pytest.mark.slow
def test_two_sweepers_share_a_study(app: App, server, monkeypatch):
    both = [
        app.start(server, *overrides("two", "seconds=0.2"), HER2_TEST_PASSWORD=PASSWORD)
        for _ in range(2)
    ]
    assert [process.wait(timeout=120) for process in both] == [0, 0], app.output
    found = trials(server, "two", monkeypatch)
    states = [t.state for t in found]
    finished = [t for t in found if t.state == TrialState.COMPLETE]
    assert 12 <= len(finished) <= 13
    assert TrialState.RUNNING not in states
    assert len({t.params["x"] for t in finished}) == len(finished)
    assert len(set(pids(app))) == 2  # both have worked
    written = [p for p in app.folder.rglob("*") if p.is_file()]
    assert not [p for p in written if PASSWORD.encode() in p.read_bytes()]


@pytest.mark.slow
def test_the_trials_of_a_killed_sweeper_are_run_by_the_other_one(app: App, server, monkeypatch):
    name = "killed"
    one, other = (
        app.start(server, *overrides(name, "seconds=0.4"), HER2_TEST_PASSWORD=PASSWORD)
        for _ in range(2)
    )
    for _ in range(600):
        if len(app.runs()) >= 4:
            break
        time.sleep(0.05)
    os.killpg(one.pid, signal.SIGKILL)
    one.wait()
    assert other.wait(timeout=120) == 0, app.output
    found = trials(server, name, monkeypatch)
    assert TrialState.RUNNING not in [t.state for t in found]
    finished = [t for t in found if t.state == TrialState.COMPLETE]
    assert len(finished) == 12
    lost = [t for t in found if t.state == TrialState.FAIL]
    assert all(t.params["x"] in [f.params["x"] for f in finished] for t in lost)


def pids(app: App) -> list[str]:
    return [line.split()[2] for line in (app.folder / "log").read_text().splitlines()]
