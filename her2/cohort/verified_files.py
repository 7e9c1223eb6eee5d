"""Keeps decoded files in memory, because several steps of a run use the same lesions.

Off until `keep_decoded` makes room: a worker process sees each lesion once.
"""

from __future__ import annotations

from functools import wraps
from pathlib import Path
from threading import Lock
from typing import Any, Protocol, TypeVar

import numpy as np

Decoded = TypeVar("Decoded", covariant=True)
Key = tuple[str, Path, int | None]
State = tuple[int, int, int]


class _Cache:
    """Decoded files that have not changed since, as far as there is room."""

    def __init__(self) -> None:
        self.room = 0  # bytes
        self.used = 0
        self._found: dict[Key, tuple[State, Any, int]] = {}
        self._lock = Lock()

    def get(self, key: Key, state: State) -> Any | None:
        with self._lock:
            known = self._found.get(key)
        return known[1] if known is not None and known[0] == state else None

    def put(self, key: Key, state: State, value: Any, n_bytes: int) -> None:
        with self._lock:
            _, _, before = self._found.pop(key, (state, None, 0))
            self.used -= before
            if self.used + n_bytes <= self.room:
                self._found[key] = (state, value, n_bytes)
                self.used += n_bytes

    def clear(self) -> None:
        with self._lock:
            self._found.clear()
            self.used = 0


_cache = _Cache()


def keep_decoded(room_bytes: int) -> None:
    """Make room for decoded files in this process; 0 forgets them.

    Examples
    --------
    >>> keep_decoded(0)
    """
    _cache.room = room_bytes
    if not room_bytes:
        _cache.clear()


class Decode(Protocol[Decoded]):
    """A function that decodes a file; of a stack, the image with the number `frame`."""

    __qualname__: str

    def __call__(self, path: Path, frame: int | None = None) -> Decoded:
        """Return what the file holds."""


def cache_decoded(decode: Decode[Decoded]) -> Decode[Decoded]:
    """Decorate a function that decodes a file, so that its answer is cached while there is room.

    Arrays of the answer (of its attributes, or its items) become read-only: all callers share
    them.
    """

    @wraps(decode)
    def decode_or_recall(path: Path, frame: int | None = None) -> Decoded:
        state = _state(path) if _cache.room else None
        if state is None:
            return decode(path, frame)
        key = (decode.__qualname__, path.absolute(), frame)
        known: Decoded | None = _cache.get(key, state)
        if known is not None:
            return known
        answer = decode(path, frame)
        parts = answer if isinstance(answer, tuple) else vars(answer).values()
        arrays = [part for part in parts if isinstance(part, np.ndarray)]
        for array in arrays:
            array.setflags(write=False)
        _cache.put(key, state, answer, sum(array.nbytes for array in arrays))
        return answer

    return decode_or_recall


def _state(path: Path) -> State | None:
    """Return what differs when the file is changed; None where decoding will raise."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino
