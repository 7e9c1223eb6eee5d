"""Which process a run belongs to, and the end of runs whose process is dead."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from socket import gethostname
from typing import Any

import psutil

logger = logging.getLogger(__name__)

HOST = "her2.host"
PROCESS = "her2.process"
_LINUX = Path("/proc")


def process_tags() -> dict[str, str]:
    """Return the tags by which a run is known to be this process's.

    A process is its number and when it started, within its space of process numbers: two
    containers may share a host's name, and a number is given again.
    """
    pid = os.getpid()
    return {HOST: gethostname(), PROCESS: f"{_space()}:{pid}:{_started(pid)}"}


def is_dead(tags: dict[str, str]) -> bool:
    """Whether the process of a run is known to be gone; another machine's never is."""
    space, _, rest = tags.get(PROCESS, "").partition(":")
    pid, _, started = rest.partition(":")
    if tags.get(HOST) != gethostname() or space != _space() or not pid.isdigit():
        return False
    return _started(int(pid)) != started


def is_alive(tags: dict[str, str]) -> bool:
    """Whether another process of this machine is writing the run at this moment."""
    known = tags.get(HOST) == gethostname() and tags.get(PROCESS, "").startswith(f"{_space()}:")
    return known and not is_dead(tags) and tags[PROCESS] != process_tags()[PROCESS]


def mark_stale(client: Any) -> None:
    """End runs of this machine whose process is dead as KILLED."""
    filter_string = f"attributes.status = 'RUNNING' and tags.`{HOST}` = '{gethostname()}'"
    killed = 0
    for run in search_everywhere(client, filter_string):
        if is_dead(run.data.tags):
            client.set_tag(run.info.run_id, "status", "killed")
            client.set_terminated(run.info.run_id, "KILLED")
            killed += 1
    if killed:
        logger.info("tracking: %d runs of processes that are gone are marked KILLED", killed)


def search_everywhere(client: Any, filter_string: str, *, deleted: bool = False) -> list[Any]:
    """Return all runs of a store that a filter finds, of every experiment."""
    from mlflow.entities import ViewType

    view = ViewType.ALL if deleted else ViewType.ACTIVE_ONLY
    experiments = [e.experiment_id for e in client.search_experiments()]
    found: list[Any] = []
    token = None
    while experiments:
        page = client.search_runs(
            experiments, filter_string, run_view_type=view, max_results=1000, page_token=token
        )
        found += page
        token = page.token
        if not token:
            break
    return found


def _space() -> str:
    """Return the name of this process's space of process numbers; empty where there is none."""
    try:
        return str(Path("/proc/self/ns/pid").stat().st_ino)
    except OSError:
        return ""


def _started(pid: int) -> str:
    """Return when a process started; empty if it is gone.

    On Linux in clock ticks, with the boot that they count from; elsewhere in seconds.
    """
    if not _LINUX.is_dir():
        try:
            process = psutil.Process(pid)
            is_gone = process.status() == psutil.STATUS_ZOMBIE
            return "" if is_gone else f"{process.create_time():.2f}"
        except psutil.NoSuchProcess:
            return ""
    try:
        fields = (_LINUX / str(pid) / "stat").read_text().rpartition(")")[2].split()
        boot = (_LINUX / "sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""
    return "" if fields[0] == "Z" else f"{fields[19]}:{boot[:8]}"
