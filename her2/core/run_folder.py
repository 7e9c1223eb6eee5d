"""The folder of a run: what made it is recorded first, and a changed recipe is refused."""

from __future__ import annotations

import errno
import logging
import os
import platform
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

import yaml

from her2.core.errors import BadConfig
from her2.core.masking import masked
from her2.core.places import packaged_path, project_root
from her2.core.store import file_sha256, remove_temporaries, write_atomic, write_json
from her2.core.version import __version__

logger = logging.getLogger(__name__)

# settings that do not change a result, so a run may be resumed with others
FREE_SETTINGS = ("compute", "tracking", "cache")
LOCK = ".lock"  # in the folder of a run that is going on
# files that are written before anything is fitted; a command that is refused writes no others
_WRITTEN_FIRST = {"config.yaml", "environment.json", "split.json", LOCK}
_open_here: set[Path] = set()  # folders of this process's runs


@contextmanager
def alone_in(path: Path) -> Iterator[None]:
    """Keep other runs out of a folder for as long as this lasts, or this process lives.

    The lock is the system's, so a killed run leaves none. A network file system whose server
    offers no locks cannot keep runs of other machines out; it is said, and the run goes on.

    Raises
    ------
    BadConfig
        If another run is going on there.
    """
    path.mkdir(parents=True, exist_ok=True)
    name = path.resolve()
    with _locked(path / LOCK, is_ours=name in _open_here) as is_free:
        if not is_free:
            raise BadConfig(
                f"expected no other run in {path}, found one that is going on there; wait for its "
                "end, or choose another run_dir"
            )
        _open_here.add(name)
        try:
            yield
        finally:
            _open_here.discard(name)


@contextmanager
def _locked(path: Path, *, is_ours: bool) -> Iterator[bool]:
    """Yield whether a file could be locked, which is removed in the end.

    The lock belongs to this process alone: children that outlive it hold nothing. So it keeps no
    second run of this process out, which `is_ours` does.
    """
    if is_ours:
        yield False
        return
    try:
        import fcntl
    except ImportError:  # a system without these locks
        yield True
        return
    while True:
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            fcntl.lockf(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno in (errno.EACCES, errno.EAGAIN):
                os.close(handle)
                yield False
                return
            logger.warning("run: the file system of %s has no locks; start no second run", path)
        if _is_file(path, handle):
            break
        os.close(handle)  # the run before removed it in between
    try:
        yield True
    finally:
        path.unlink(missing_ok=True)
        os.close(handle)


def _is_file(path: Path, handle: int) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(handle))
    except FileNotFoundError:
        return False


@dataclass(frozen=True)
class RunFolder:
    """A run's folder, opened for one recipe (`open`).

    Attributes
    ----------
    path
        The folder.
    """

    path: Path

    @classmethod
    def open(cls, path: Path, config: dict[str, Any]) -> RunFolder:
        """Record config.yaml and environment.json; go on where the same recipe was stopped.

        A folder of other settings is refused, but taken over where that run had not begun.
        """
        folder = cls(path)
        path.mkdir(parents=True, exist_ok=True)
        for place in (path, *(p for p in path.iterdir() if p.is_dir() and not _is_run(p))):
            remove_temporaries(place)
        recorded = folder.file("config.yaml")
        if recorded.is_file():
            changed = _changed(yaml.safe_load(recorded.read_text()) or {}, config)
            if changed and any(file.name not in _WRITTEN_FIRST for file in path.iterdir()):
                shown = ", ".join(changed[:3])
                more = f" and {len(changed) - 3} more" if len(changed) > 3 else ""
                raise BadConfig(
                    f"expected the settings of the run in {path}, found others ({shown}{more}); "
                    "choose another run_dir, or give the settings of that run"
                )
            if changed:
                folder.file("split.json").unlink(missing_ok=True)  # drawn by the other recipe
            logger.info("run: going on in %s", path)
        text = yaml.safe_dump(masked(config), sort_keys=False, allow_unicode=True)
        write_atomic(recorded, text.encode())
        write_json(folder.file("environment.json"), environment())
        return folder

    def file(self, name: str) -> Path:
        """Return the path of a file of the run."""
        return self.path / name


def _is_run(path: Path) -> bool:
    """Whether a folder is that of a run of its own, which may be going on."""
    return any((path / name).exists() for name in ("config.yaml", LOCK))


def environment() -> dict[str, Any]:
    """Return what the run was made with: versions, commit, lock, machine; no time, no host."""
    return {
        "her2": __version__,
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}",
        "cores": os.cpu_count(),
        "git": git_state(),
        "lock_sha256": lock_sha256(),
        "packages": dict(_packages()),
    }


@lru_cache(maxsize=1)
def _packages() -> tuple[tuple[str, str], ...]:
    """Return names and versions of what is installed; a process does not see others later."""
    return tuple(sorted({d.metadata["Name"]: d.version for d in distributions()}.items()))


def git_state() -> dict[str, Any]:
    """Return the commit of the checkout and whether files differ from it; None in a wheel."""
    root = project_root()
    commit = _git(root, "rev-parse", "HEAD")
    status = _git(root, "status", "--porcelain")
    return {"commit": commit or None, "dirty": None if commit is None else bool(status)}


def lock_sha256() -> str | None:
    """Return the hash of requirements.lock; None where there is none."""
    lock = packaged_path("requirements.lock")
    return file_sha256(lock) if lock.is_file() else None


def _git(root: Path, *arguments: str) -> str | None:
    if not (root / ".git").exists():
        return None
    try:
        done = subprocess.run(
            ["git", "-C", str(root), *arguments], capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return None  # no git on this machine, or no commit yet: recorded as unknown
    return done.stdout.strip()


def _changed(before: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """Return settings that differ and would change a result, in words."""
    old, new = (_flat(masked(config)) for config in (before, now))
    names = sorted(k for k in {*old, *new} if old.get(k) != new.get(k))
    return [f"{name}: {old.get(name)} -> {new.get(name)}" for name in names]


def _flat(config: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in config.items():
        if not prefix and key in FREE_SETTINGS:
            continue
        if isinstance(value, dict):
            flat |= _flat(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat
