"""Finished runs, found again in the store by their ids."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from her2.core.errors import BadArgument, MissingInput
from her2.tracking.address import (
    check_database,
    client,
    database_file,
    quiet,
    reason,
    shown,
    store_errors,
    tracking_uri,
)

SHORTEST_PREFIX = 6
LENGTH = 32
_ID = re.compile(r"[0-9a-f]{6,32}")


@dataclass(frozen=True)
class FoundRun:
    """A run of the store: what it is called, what it was made with, and what it came to."""

    run_id: str
    name: str
    tags: Mapping[str, str]
    params: Mapping[str, str]
    metrics: Mapping[str, float]


def find_runs(ids: Sequence[str], *, uri: str | None) -> list[FoundRun]:
    """Return the runs of some ids, in their order; an id may be a prefix that only one run has.

    Raises
    ------
    BadArgument
        No id, an id that no run or more than one run has, or fewer than 6 characters of it.
    MissingInput
        The store does not exist or does not answer.
    """
    if wrong := [given for given in ids if not _ID.fullmatch(given)]:
        raise BadArgument(
            f"expected run ids of {SHORTEST_PREFIX} to {LENGTH} digits 0-9 and a-f, found "
            f"{', '.join(map(repr, wrong))}; MLflow's page of a run shows its id"
        )
    address = tracking_uri(uri)
    _check_exists(address)
    try:
        with quiet():
            check_database(address)
            return [_found(client(address), given, address) for given in ids]
    except store_errors() as error:
        raise _absent(address, error) from error


def fetch(run_id: str, artifact_path: str, folder: Path, *, uri: str | None) -> Path:
    """Return a file of a run, brought from the store into `folder`.

    Raises
    ------
    MissingInput
        The run has no such file, or the store does not answer.
    """
    address = tracking_uri(uri)
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with quiet():
            check_database(address)
            path = Path(client(address).download_artifacts(run_id, artifact_path, str(folder)))
    except store_errors() as error:
        raise MissingInput(
            f"expected {artifact_path} of run {run_id[:8]} in {shown(address)}, found "
            f"{reason(error, address)}; her2 sync sends what a run folder holds"
        ) from error
    return path


def _found(client: Any, given: str, address: str) -> FoundRun:
    """Return the one run whose id begins with what was given."""
    experiments = [e.experiment_id for e in client.search_experiments()]
    found = client.search_runs(experiments, f"attributes.run_id LIKE '{given}%'", max_results=3)
    if len(found) != 1:
        many = ", ".join(run.info.run_id[:10] for run in found)
        raise BadArgument(
            f"expected one run whose id begins with {given} in {shown(address)}, found "
            f"{f'more than one ({many})' if many else 'none'}; give more of its id"
        )
    run = found[0]
    return FoundRun(
        str(run.info.run_id), str(run.info.run_name), dict(run.data.tags),
        dict(run.data.params), dict(run.data.metrics),
    )  # fmt: skip


def _check_exists(address: str) -> None:
    """Refuse an SQLite file that is not there: MLflow would make an empty one."""
    file = database_file(address)
    if file is not None and not file.is_file():
        raise MissingInput(
            f"expected an MLflow store at {address}, found no file; set tracking.uri=ADDRESS"
        )


def _absent(address: str, error: Exception) -> MissingInput:
    return MissingInput(
        f"expected an MLflow store that answers at {shown(address)}, found "
        f"{reason(error, address)}; set tracking.uri=ADDRESS"
    )
