"""Files that are either whole or absent, and a cache that is addressed by content.

A killed run leaves no half-written file under its final name, and a damaged cache entry is
noticed, removed and computed again.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import re
import secrets
import stat
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from her2.core.errors import Her2Error, MissingInput

logger = logging.getLogger(__name__)

_DIGEST_BYTES = 32
LARGEST_FILE = 16 * 2**30  # bytes of any file that a user names
_LARGEST_ENTRY = 64 * 2**20  # bytes of an entry of the cache: a few thousand numbers
_TEMPORARY = re.compile(r"\..+\.[0-9a-f]{16}")
_LONGEST_NAME = 100  # characters of a temporary file's, which gets 18 more


def write_atomic(path: Path, payload: bytes) -> None:
    """Write `payload` to `path` so that any reader finds the old file or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.parent / f".{path.name[:_LONGEST_NAME]}.{secrets.token_hex(8)}"
    # not tempfile's, which no one else may read, whatever the user's umask says
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(payload)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(path)
    except BaseException as error:
        temporary.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.filename is None:
            error.filename = str(path)  # a full disk does not say what it was too full for
        raise


def remove_temporaries(folder: Path) -> None:
    """Remove what `write_atomic` had begun in a folder when its process was killed."""
    for path in folder.glob(".*"):
        if _TEMPORARY.fullmatch(path.name) and path.is_file():
            path.unlink(missing_ok=True)


def write_json(path: Path, value: object) -> None:
    """Write `value` as JSON with a stable layout; NaN and infinity are refused."""
    text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False)
    write_atomic(path, (text + "\n").encode())


def regular_size(path: Path) -> int | None:
    """Return the bytes of a regular file; None for a folder, a pipe or a device.

    It is asked for before a file is opened, because opening a pipe would wait for ever. OSError
    and ValueError as of `Path.stat`.
    """
    status = path.stat()
    return status.st_size if stat.S_ISREG(status.st_mode) else None


def check_regular(
    path: Path, expected: str, fix: str, *, error: type[Her2Error] = MissingInput
) -> int:
    """Return the bytes of a file that a user named; one sentence where it cannot be read."""
    try:
        size = regular_size(path)
        if size is None:
            found = f"no regular file at {path}"
        elif size > LARGEST_FILE:
            found = f"{path} of {size} bytes, more than {LARGEST_FILE}"
        else:
            path.open("rb").close()
            return size
    except (FileNotFoundError, NotADirectoryError):
        found = f"no file {path}"
    except (OSError, ValueError) as problem:  # a name too long or with a NUL, no permission
        reason = getattr(problem, "strerror", None) or problem
        found = f"{str(path)[:200]!r} that cannot be opened ({reason})"
    raise error(f"expected {expected}, found {found}; {fix}")


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file's bytes as 64 hexadecimal digits."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def content_key(parts: Iterable[object]) -> str:
    """Return the SHA-256 of arrays (type, shape, bytes) and JSON values, in order.

    Examples
    --------
    >>> content_key([np.zeros(2), {"a": 1}]) == content_key([np.zeros(2), {"a": 1}])
    True
    >>> content_key([np.zeros(2)]) == content_key([np.zeros((2, 1))])
    False
    """
    digest = hashlib.sha256()
    for part in parts:
        if isinstance(part, np.ndarray):
            digest.update(f"{part.dtype.str}{part.shape}".encode())
            digest.update(np.ascontiguousarray(part).tobytes())
        else:
            digest.update(json.dumps(part, sort_keys=True).encode())
        digest.update(b"\x00")
    return digest.hexdigest()


def code_version(modules: Iterable[str | Path], packages: Iterable[str]) -> str:
    """Return a hash of source files and of installed package versions, for cache keys."""
    from importlib.metadata import version

    sources = [hashlib.sha256(Path(module).read_bytes()).hexdigest() for module in modules]
    return content_key([sources, [f"{name} {version(name)}" for name in packages]])


def default_cache() -> Path:
    """Return the user's cache folder: ``$HER2_CACHE``, else ``$XDG_CACHE_HOME/her2``."""
    named = os.environ.get("HER2_CACHE")
    if named:
        return Path(named)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "her2"


@dataclass(frozen=True)
class Store:
    """A cache of numbers by content key; each entry carries the hash of its key and its bytes.

    An entry that was moved to the place of another one is as damaged as one whose bytes differ.

    Attributes
    ----------
    root
        Folder of the entries, in subfolders named by the first two digits of their keys.
    """

    root: Path

    def path(self, key: str) -> Path:
        """Return the path of the entry of `key`."""
        return self.root / key[:2] / key

    def read(self, key: str) -> dict[str, float] | None:
        """Return the named numbers under `key`; None if absent or damaged (then removed)."""
        path = self.path(key)
        try:
            size = regular_size(path)
            content = path.read_bytes() if (size or _LARGEST_ENTRY) < _LARGEST_ENTRY else b""
        except FileNotFoundError:
            return None
        digest, payload = content[:_DIGEST_BYTES], content[_DIGEST_BYTES:]
        if digest == _digest(key, payload):
            values: dict[str, float] = json.loads(payload)
            return values
        if digest != hashlib.sha256(payload).digest():  # which entries of earlier versions have
            logger.warning("cache entry %s is damaged; it is removed and computed again", key)
        with suppress(OSError):  # a folder stays; another worker may have noticed it too
            path.unlink()
        return None

    def write(self, key: str, values: dict[str, float]) -> None:
        """Keep named numbers under `key`; floats are kept to the last bit."""
        payload = json.dumps(values).encode()
        write_atomic(self.path(key), _digest(key, payload) + payload)


def _digest(key: str, payload: bytes) -> bytes:
    return hashlib.sha256(key.encode() + b"\n" + payload).digest()
