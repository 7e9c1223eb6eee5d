"""Where a study lies: an SQLite file of the project, a journal file, or a database server."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from optuna.storages import JournalStorage, RDBStorage, get_storage
from optuna.storages.journal import JournalFileBackend
from optuna.storages.journal._file import BaseJournalFileLock  # the package does not name it

from her2.core.errors import BadConfig, MissingInput
from her2.core.machine import exclusive_lock
from her2.core.places import project_store

if TYPE_CHECKING:
    from optuna.storages import BaseStorage
    from sqlalchemy.engine import URL

JOURNAL = "journal:"
_WAIT_SECONDS = 60.0  # of a process for another one that writes to the same SQLite file
HOPELESS = (
    "refused", "authentication", "does not exist", "unable to open", "not a database", "resolve",
)  # fmt: skip
_TRIES = 5  # to make the tables of a database that others make at the same time


@dataclass(frozen=True)
class StoragePlace:
    """Address of a storage, without its password; the variable that holds it.

    It goes to other processes and into log lines, so it never holds the password itself.
    """

    address: str
    password_env: str | None = None

    @property
    def file(self) -> Path | None:
        """The file of a storage that is one."""
        for start in (JOURNAL, "sqlite:///"):
            if self.address.startswith(start):
                return Path(self.address.removeprefix(start))
        return None


def storage_place(named: str | None, password_env: str | None) -> StoragePlace:
    """Return where a study lies: named, else mlruns/optuna.db of the project.

    Raises
    ------
    BadConfig
        It is no address, or holds a password.
    """
    if named is None:
        return StoragePlace(f"sqlite:///{project_store() / 'optuna.db'}")
    if named.startswith(JOURNAL):
        path = Path(named.removeprefix(JOURNAL)).expanduser()
        if not path.name:
            raise BadConfig(f"expected hydra.sweeper.storage=journal:FILE, found {named}")
        return StoragePlace(f"{JOURNAL}{path.absolute()}")
    url = _url(named)
    if url.password is not None:
        raise BadConfig(
            "expected hydra.sweeper.storage without a password, which would be written to files, "
            f"found one in {url.render_as_string()}; put it into an environment variable and give "
            "its name as hydra.sweeper.storage_password_env"
        )
    if url.get_backend_name() == "sqlite" and url.database:
        return StoragePlace(f"sqlite:///{Path(url.database).expanduser().absolute()}")
    return StoragePlace(named, password_env)


def open_storage(place: StoragePlace) -> BaseStorage:
    """Return Optuna's storage of a place; a new one is made.

    Raises
    ------
    BadConfig, MissingInput
        It cannot be opened; the message has no password.
    """
    if place.file is not None:
        try:
            place.file.parent.mkdir(parents=True, exist_ok=True)
            if place.address.startswith(JOURNAL):
                return _open_journal(place.file)
        except OSError as error:
            raise MissingInput(
                f"expected a storage that can be written, found {place.file}: {error.strerror}; "
                "choose another hydra.sweeper.storage"
            ) from error
    return get_storage(_open_database(place))


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


def _with_password(place: StoragePlace) -> URL:
    url = _url(place.address)
    if place.password_env is None:
        return url
    password = os.environ.get(place.password_env)
    if password is None:
        raise BadConfig(
            f"expected the password of the storage in the environment variable "
            f"{place.password_env}, found none; export it before the command"
        )
    return url.set(password=password)


def _open_database(place: StoragePlace) -> RDBStorage:
    from optuna.exceptions import StorageInternalError
    from sqlalchemy.exc import NoSuchModuleError, SQLAlchemyError

    url = _with_password(place)
    options: dict[str, Any] = {"pool_pre_ping": True}
    if url.get_backend_name() == "sqlite":
        options = {"connect_args": {"timeout": _WAIT_SECONDS}}
    for attempt in range(_TRIES):
        try:
            return RDBStorage(url.render_as_string(hide_password=False), engine_kwargs=options)
        except (NoSuchModuleError, ImportError) as error:
            raise BadConfig(
                f"expected a database driver for {place.address}, found none; for PostgreSQL pip "
                "install 'her2[postgresql]'"
            ) from error
        except (SQLAlchemyError, StorageInternalError, RuntimeError) as error:
            if attempt + 1 == _TRIES or _is_refused(error):
                raise MissingInput(_unreachable(place, url, error)) from error
            time.sleep(0.3 * (attempt + 1))  # others may be making the tables at this moment
    raise AssertionError("the loop returns or raises")


def _is_refused(error: Exception) -> bool:
    """Whether another try is of no use."""
    text = str(error).lower()
    return any(word in text for word in HOPELESS)


def _unreachable(place: StoragePlace, url: URL, error: Exception) -> str:
    said = str(error).splitlines() or [type(error).__name__]
    reason = said[0]
    if url.password is not None:
        reason = reason.replace(str(url.password), "***")
    return (
        f"expected a storage that answers at {place.address}, found: {reason}; see "
        "hydra.sweeper.storage"
    )


class FileLock(BaseJournalFileLock):
    """Lock of a journal that the system gives back when its process is killed."""

    def __init__(self, path: Path) -> None:
        self._lock = exclusive_lock(path)

    def acquire(self) -> bool:
        """Wait for the lock."""
        self._lock.acquire()
        return True

    def release(self) -> None:
        """Give it back."""
        self._lock.release()


def _open_journal(path: Path) -> JournalStorage:
    lock = FileLock(path.with_name(f"{path.name}.lock"))
    with _held(lock):
        _mend(path)
    try:
        return JournalStorage(JournalFileBackend(str(path), lock_obj=lock))
    except ValueError as error:
        raise BadConfig(
            f"expected a journal of Optuna, found {path}, which is none; choose another file"
        ) from error


@contextmanager
def _held(lock: FileLock) -> Iterator[None]:
    lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _mend(path: Path) -> None:
    """Take away half a line at the end, which a killed process has left; no one writes now."""
    if not path.is_file() or path.stat().st_size == 0:
        return
    with path.open("rb+") as stream:
        content = stream.read()
        if not content.endswith(b"\n"):
            stream.truncate(content.rfind(b"\n") + 1)
