"""Where a study lies: an SQLite file of the project, a journal file, or a database server."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from optuna.exceptions import StorageInternalError
from optuna.storages import JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock

from her2.core.errors import BadConfig, MissingInput
from her2.core.places import project_store

if TYPE_CHECKING:
    from sqlalchemy.engine import URL

Storage = JournalStorage | RDBStorage
JOURNAL = "journal:"
LOCK_SECONDS = 30  # after which the lock of a journal is that of a killed process
_WAIT_SECONDS = 60.0  # of a process for another one that writes to the same SQLite file
_TRIES = 5  # to make the tables of a database that others make at the same time
_HOPELESS = (
    "refused", "authentication", "does not exist", "unable to open", "not a database", "resolve",
)  # fmt: skip


def storage_address(named: str | None) -> str:
    """Return where a study lies, never with a password: named, else mlruns/optuna.db."""
    if named is None:
        return f"sqlite:///{project_store() / 'optuna.db'}"
    if named.startswith(JOURNAL):
        path = Path(named.removeprefix(JOURNAL)).expanduser()
        if not path.name:
            raise BadConfig(f"expected hydra.sweeper.storage=journal:FILE, found {named}")
        return f"{JOURNAL}{path.absolute()}"
    url = _url(named)
    if url.password is not None:
        raise BadConfig(
            "expected hydra.sweeper.storage without a password, which would be written to files, "
            f"found one in {url.render_as_string()}; put it into an environment variable and give "
            "its name as hydra.sweeper.storage_password_env"
        )
    if url.get_backend_name() == "sqlite" and url.database:
        return f"sqlite:///{Path(url.database).expanduser().absolute()}"
    return named


def open_storage(address: str, password_env: str | None = None) -> Storage:
    """Return Optuna's storage of an address; a new one is made, and no message has a password.

    password_env: name of the environment variable with the password of a server.
    """
    kind, _, name = address.partition(":")
    path = Path(name.removeprefix("///"))
    try:
        if kind in ("journal", "sqlite"):
            path.parent.mkdir(parents=True, exist_ok=True)
        if kind == "journal":
            return _open_journal(path)
    except OSError as error:
        raise MissingInput(
            f"expected a storage that can be written, found {path}: {error.strerror}; choose "
            "another hydra.sweeper.storage"
        ) from error
    return _open_database(address, password_env)


def _url(address: str) -> URL:
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        return make_url(address)
    except ArgumentError as error:
        raise BadConfig(
            "expected hydra.sweeper.storage as sqlite:///FILE, journal:FILE or "
            f"postgresql://USER@HOST/DATABASE, found {address}"
        ) from error


def _with_password(address: str, password_env: str | None) -> URL:
    if password_env is None:
        return _url(address)
    if password_env not in os.environ:
        raise BadConfig(
            f"expected the password of the storage in the environment variable {password_env}, "
            "found none; export it before the command"
        )
    return _url(address).set(password=os.environ[password_env])


def _open_database(address: str, password_env: str | None) -> RDBStorage:
    from sqlalchemy.exc import NoSuchModuleError, SQLAlchemyError

    url = _with_password(address, password_env)
    options: dict[str, Any] = {"pool_pre_ping": True}
    if url.get_backend_name() == "sqlite":
        options = {"connect_args": {"timeout": _WAIT_SECONDS}}
    for attempt in range(1, _TRIES + 1):
        try:
            return RDBStorage(url.render_as_string(hide_password=False), engine_kwargs=options)
        except (NoSuchModuleError, ImportError) as error:
            raise BadConfig(
                f"expected a database driver for {address}, found none; for PostgreSQL pip "
                "install 'her2[postgresql]'"
            ) from error
        except (SQLAlchemyError, StorageInternalError, RuntimeError) as error:
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            if url.password is not None:
                reason = reason.replace(str(url.password), "***")
            if attempt == _TRIES or any(word in str(error).lower() for word in _HOPELESS):
                raise MissingInput(
                    f"expected a storage that answers at {address}, found: {reason}; see "
                    "hydra.sweeper.storage"
                ) from error
            time.sleep(0.3 * attempt)  # others may be making the tables at this moment
    raise AssertionError("the loop returns or raises")


def _open_journal(path: Path) -> JournalStorage:
    lock = JournalFileOpenLock(str(path), grace_period=LOCK_SECONDS)
    lock.acquire()
    try:
        _mend(path)
    finally:
        lock.release()
    try:
        return JournalStorage(JournalFileBackend(str(path), lock_obj=lock))
    except ValueError as error:
        raise BadConfig(
            f"expected a journal of Optuna, found {path}, which is none; choose another file"
        ) from error


def _mend(path: Path) -> None:
    """Take away half a line at the end, which a killed process has left; no one writes now."""
    if path.is_file():
        content = path.read_bytes()
        whole = content.rfind(b"\n") + 1
        if whole < len(content):
            os.truncate(path, whole)
