"""MLflow's store: where it is, how it is opened, and a warning where it does not answer.

Two processes that make the tables of one database break each other: a lock lets one at a time.
"""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import lru_cache
from pathlib import Path
from textwrap import shorten
from typing import Any

from her2.core.errors import MissingInput
from her2.core.machine import exclusive_lock
from her2.core.masking import masked_address
from her2.core.places import project_store
from her2.tracking.processes import mark_stale

DEFAULTS = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false",
    # MLflow's own patience is minutes, in which a finished study would seem to hang
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "30",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
}
for _name, _value in DEFAULTS.items():
    os.environ.setdefault(_name, _value)

logger = logging.getLogger("her2.tracking")

# MLflow's, of its own types when it is imported, and of pandas 3
OWN_WARNINGS = (
    ".*Any type hint is inferred as AnyType",
    ".*Add type hints to the `predict` method",
    "Operation with range is deprecated",
)
LONGEST_REASON = 160  # characters
DATABASES = ("sqlite", "postgresql", "mysql", "mssql")
SQLITE = "sqlite:///"
# MLflow's pages then show training runs first, not traces of language models
EXPERIMENT = {"mlflow.experimentKind": "custom_model_development"}


def tracking_uri(named: str | None) -> str:
    """Return the address of the store: named, else ``$MLFLOW_TRACKING_URI``, else the project's.

    The project's store is ``mlruns/mlflow.db``, an SQLite file.
    """
    if address := named or os.environ.get("MLFLOW_TRACKING_URI"):
        return address
    store = project_store()
    store.mkdir(parents=True, exist_ok=True)
    return f"{SQLITE}{store / 'mlflow.db'}"


def shown(uri: str) -> str:
    """Return an address without a password.

    >>> shown("https://user:pass@word@server/path")
    'https://***@server/path'
    """
    return masked_address(uri)


def database_file(uri: str) -> Path | None:
    """Return the file of an SQLite store; None for another kind of store."""
    return Path(uri.removeprefix(SQLITE)) if uri.startswith(SQLITE) else None


def check_database(uri: str) -> None:
    """Connect once to a store that is a database: MLflow itself would try for minutes."""
    import sqlalchemy

    if uri.partition("://")[0].partition("+")[0] not in DATABASES:
        return
    if (file := database_file(uri)) is not None:
        file.parent.mkdir(parents=True, exist_ok=True)
    engine = sqlalchemy.create_engine(uri)
    try:
        engine.connect().close()
    finally:
        engine.dispose()


@lru_cache(maxsize=4)
def client(uri: str) -> Any:
    """Return MLflow's client of a store, one a process."""
    from mlflow.tracking import MlflowClient

    return MlflowClient(tracking_uri=uri, registry_uri=uri)


def store_errors() -> tuple[type[Exception], ...]:
    """Return what a store raises that does not answer, or answers no."""
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    return (MlflowException, SQLAlchemyError, OSError, ImportError)


def reason(error: Exception, uri: str) -> str:
    """Return the first line of an error, without the password of the address."""
    if _has_no_connection(error):
        return f"no connection to {shown(uri)}"
    lines = shown(str(error).strip().replace(uri, shown(uri))).splitlines() or [
        type(error).__name__
    ]
    return shorten(lines[0], LONGEST_REASON, placeholder=" ...")


def _has_no_connection(error: BaseException | None) -> bool:
    """Whether an error began as a server that could not be reached."""
    from requests.exceptions import ConnectionError, Timeout

    while error is not None:
        if isinstance(error, (ConnectionError, Timeout)):
            return True
        error = error.__cause__ or error.__context__
    return False


def spared(uri: str, sentence: str) -> AbstractContextManager[None, bool]:
    """Turn a store that does not answer into one warning, a sentence with its ``{reason}``."""
    return _spared(uri, sentence)  # type: ignore[return-value]  # it does swallow what it names


@contextmanager
def _spared(uri: str, sentence: str) -> Iterator[None]:
    try:
        with quiet():
            yield
    except store_errors() as error:
        logger.warning("tracking: %s", sentence.format(reason=reason(error, uri)))


@contextmanager
def require_store(uri: str) -> Iterator[None]:
    """Turn a store that does not answer into `MissingInput`."""
    try:
        with quiet():
            yield
    except store_errors() as error:
        raise MissingInput(
            f"expected an MLflow store that answers at {shown(uri)}, found {reason(error, uri)}; "
            "start it, or set tracking.uri=ADDRESS"
        ) from error


@contextmanager
def quiet() -> Iterator[None]:
    """Keep messages of the store on migrations and retries off the user's screen."""
    import mlflow  # noqa: F401  # it sets the level of its logger when it is imported

    noisy = [logging.getLogger(name) for name in ("alembic", "mlflow", "urllib3")]
    levels = [log.level for log in noisy]
    for log in noisy:
        log.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            for message in OWN_WARNINGS:
                warnings.filterwarnings("ignore", message)
            yield
    finally:
        for log, level in zip(noisy, levels, strict=True):
            log.setLevel(level)


def open_store(uri: str, experiment: str) -> str:
    """Return the id of a store's experiment; runs that a dead process left open are ended.

    `store_errors` are raised where the store does not answer; see `spared`.
    """
    check_database(uri)
    file = database_file(uri)
    with exclusive_lock(file.with_name(f"{file.name}.lock")) if file else nullcontext():
        experiment_id = _find_or_make_experiment(client(uri), file, experiment)
    mark_stale(client(uri))
    return experiment_id


def _find_or_make_experiment(client: Any, file: Path | None, name: str) -> str:
    """Return the experiment's id; a new one of an SQLite file keeps its files beside it."""
    from mlflow.exceptions import MlflowException

    found = client.get_experiment_by_name(name)
    if found is not None:
        return str(found.experiment_id)
    location = (file.resolve().parent / "artifacts" / name).as_uri() if file else None
    try:
        return str(client.create_experiment(name, artifact_location=location, tags=EXPERIMENT))
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
        return str(client.get_experiment_by_name(name).experiment_id)  # another process's
