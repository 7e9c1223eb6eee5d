"""Opening a store: its tables and its experiment are made once, whoever comes first."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from her2.core.machine import exclusive_lock
from her2.tracking.address import check_database, client, database_file
from her2.tracking.processes import mark_stale

# MLflow's pages then show training runs first, not traces of language models
EXPERIMENT = {"mlflow.experimentKind": "custom_model_development"}


@dataclass(frozen=True)
class OpenStore:
    """A store that answers, and one experiment of it."""

    uri: str
    experiment_id: str

    @property
    def client(self) -> Any:
        """MLflow's client of the store."""
        return client(self.uri)


def open_store(uri: str, experiment: str) -> OpenStore:
    """Return the store with its experiment; runs that a dead process left open are ended.

    Raises
    ------
    MlflowException, SQLAlchemyError, OSError, ImportError
        The store does not answer; see `her2.tracking.address.spared`.
    """
    check_database(uri)
    with _one_at_a_time(database_file(uri)):
        opened = OpenStore(uri, _experiment(client(uri), uri, experiment))
    mark_stale(opened.client)
    return opened


def _experiment(client: Any, uri: str, name: str) -> str:
    """Return the experiment's id; a new one of the local store keeps its files beside it."""
    from mlflow.exceptions import MlflowException

    found = client.get_experiment_by_name(name)
    if found is not None:
        return str(found.experiment_id)
    file = database_file(uri)
    location = None
    if file is not None:
        location = (file.resolve().parent / "artifacts" / name).as_uri()
    try:
        return str(client.create_experiment(name, artifact_location=location, tags=EXPERIMENT))
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
        return str(client.get_experiment_by_name(name).experiment_id)  # another process's


@contextmanager
def _one_at_a_time(file: Path | None) -> Iterator[None]:
    """Hold the lock of a database file: two processes that make its tables break each other."""
    if file is None:
        yield
        return
    with exclusive_lock(file.with_name(f"{file.name}.lock")):
        yield
