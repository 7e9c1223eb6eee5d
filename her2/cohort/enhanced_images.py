"""Enhanced images on disk: written whole or not at all, each with a hash of its bytes.

Only the pixels are kept. Mask and spacing stay those of the stored image: a pixel of these is a
block of enhanced pixels, so a mask is enlarged by nearest neighbour and nothing is resampled.
"""

from __future__ import annotations

import hashlib
import io
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from her2.cohort.problems import refuse
from her2.core.store import write_atomic

_DIGEST_BYTES = 32
_FAST = 1  # zlib's level: a frame is written once and read a few times
_AGAIN = "run the same command again: it is made anew"


def write_enhanced(path: Path, pixels: NDArray[np.generic]) -> None:
    """Write an image (H, W) of any numeric type."""
    buffer = io.BytesIO()
    np.save(buffer, np.ascontiguousarray(pixels), allow_pickle=False)
    payload = zlib.compress(buffer.getvalue(), _FAST)
    write_atomic(path, hashlib.sha256(payload).digest() + payload)


def is_whole(path: Path) -> bool:
    """Whether an enhanced image is there and undamaged."""
    return path.is_file() and _payload(path) is not None


def read_enhanced(path: Path, stored: tuple[int, int]) -> NDArray[np.generic]:
    """Read an enhanced image whose stored one has the shape `stored`.

    Raises
    ------
    InputProblem
        The file is gone or damaged, or its sides are no whole multiple of the stored image's.
    """
    payload = _payload(path) if path.is_file() else None
    if payload is None:
        path.unlink(missing_ok=True)
        raise refuse("D02", "the enhanced image in the cache is gone or damaged", _AGAIN)
    pixels: NDArray[np.generic] = np.load(io.BytesIO(zlib.decompress(payload)), allow_pickle=False)
    times = pixels.shape[0] // stored[0]
    if times < 1 or pixels.shape != (times * stored[0], times * stored[1]):
        what = f"an enhanced image of {pixels.shape} pixels for a stored one of {stored}"
        raise refuse("D02", what, _AGAIN)
    return pixels


def in_blocks(mask: NDArray[np.bool_], times: int) -> NDArray[np.bool_]:
    """Return a mask whose every pixel is a block of `times` x `times`.

    Examples
    --------
    >>> in_blocks(np.array([[True, False]]), 2).astype(int).tolist()
    [[1, 1, 0, 0], [1, 1, 0, 0]]
    """
    return mask.repeat(times, axis=0).repeat(times, axis=1)


def _payload(path: Path) -> bytes | None:
    content = path.read_bytes()
    payload = content[_DIGEST_BYTES:]
    is_good = hashlib.sha256(payload).digest() == content[:_DIGEST_BYTES]
    return payload if is_good else None
