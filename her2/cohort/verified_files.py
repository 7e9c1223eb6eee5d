"""Decoded files that the process keeps, because several steps of a run look at the same lesions.

Off until `keep_decoded` makes room: a worker process sees each lesion once.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from pathlib import Path
from threading import Lock
from typing import Any, Protocol, TypeVar

import numpy as np

Decoded = TypeVar("Decoded")
Answer = TypeVar("Answer", covariant=True)
Key = tuple[str, Path, int | None]
State = tuple[int, int, int]


class _Kept:
    """What was decoded, as long as its file is unchanged. What no longer fits is not kept."""

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


_kept = _Kept()


def keep_decoded(room_bytes: int) -> None:
    """Make room for decoded files in this process; 0 forgets them.

    Examples
    --------
    >>> keep_decoded(0)
    """
    _kept.room = room_bytes
    if not room_bytes:
        _kept.clear()


class Decode(Protocol[Answer]):
    """A function that decodes a file; of a stack, the image with the number `frame`."""

    __qualname__: str

    def __call__(self, path: Path, frame: int | None = None) -> Answer:
        """Return what the file holds."""


def kept(
    arrays: Callable[[Decoded], tuple[Any, ...]],
) -> Callable[[Decode[Decoded]], Decode[Decoded]]:
    """Decorate a function that decodes a file, so that its answer is kept while there is room.

    arrays: those of an answer; they are made read-only, because every reader has the same.
    """

    def decorated(decode: Decode[Decoded]) -> Decode[Decoded]:
        @wraps(decode)
        def decoded(path: Path, frame: int | None = None) -> Decoded:
            state = _state(path) if _kept.room else None
            if state is None:
                return decode(path, frame)
            key = (decode.__qualname__, path.absolute(), frame)
            known: Decoded | None = _kept.get(key, state)
            if known is not None:
                return known
            found = decode(path, frame)
            own = [array for array in arrays(found) if isinstance(array, np.ndarray)]
            for array in own:
                array.setflags(write=False)
            _kept.put(key, state, found, sum(array.nbytes for array in own))
            return found

        return decoded

    return decorated


def _state(path: Path) -> State | None:
    """Return what tells a changed file from the one that was decoded; None: decoding will say."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino
