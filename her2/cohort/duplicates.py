"""Near-duplicate images: flipped, re-encoded, rescaled or brightened copies of one picture.

A lesion is kept as two small pictures: its whole image and the surroundings of its mask, so that a
copy with other margins is found as well. Pairs whose perceptual hashes are close are confirmed by
the correlation of their details.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from her2.core.errors import BadArgument

FloatArray = NDArray[np.float32]
Extent = tuple[float, float]

SIDE = 32  # pixels of a small picture
VIEWS = ("image", "lesion")
FLIPS = ("none", "left-right", "up-down", "both")
# In 252 images of the public set BrEaST-Lesions-USG (31,626 pairs) and 210 simulated ones (21,945)
# the closest pair of different lesions differs in .27 of the bits, and in .19 where all images got
# one frame or one fan; their details correlate by .72 at most. Copies that were flipped, saved as
# JPEG (quality 50), shrunk to half, brightened or given noise differ in .10 at most, and correlate
# by .90 at least.
_MAX_DISTANCE = 0.17
_MIN_CORRELATION = 0.8
_HASH_SIDE = 16
_MARGIN = 0.25  # of the lesion's box, on every side
_DETAIL_SIGMA = 3.0  # pixels of a small picture: what is smoother says where tissue is, not whose
_BLOCKS = 4  # in a row of a small picture
_FLAT = 0.2  # of the typical detail of a picture's blocks
_ROWS_AT_ONCE = 1024


@dataclass(frozen=True)
class NearDuplicate:
    """Two lesions that show the same picture.

    Attributes
    ----------
    first, second
        Positions, first < second.
    view
        Which picture, of `VIEWS`.
    flip
        What turns the second into the first, of `FLIPS`.
    distance
        Share of the hash's bits that differ, 0 to 1.
    correlation
        Of the details, median over blocks, -1 to 1.
    """

    first: int
    second: int
    view: str
    flip: str
    distance: float
    correlation: float


def thumbnails(pixels: NDArray[np.generic], mask: NDArray[np.bool_]) -> FloatArray:
    """Return the small pictures of a lesion, (2, SIDE, SIDE): whole image, and around the mask.

    `pixels` are grey levels (H, W); `mask` (H, W) has a pixel at least.
    """
    if pixels.ndim != 2 or mask.shape != pixels.shape or not mask.any():
        raise BadArgument(
            f"expected an image (H, W) and a mask of its shape with a pixel, found "
            f"{pixels.shape} and {mask.shape} with {int(mask.sum())}; pass a verified lesion"
        )
    grey = pixels.astype(np.float32)
    whole = ((0.0, float(grey.shape[0])), (0.0, float(grey.shape[1])))
    around = (_surroundings(np.asarray(mask.any(axis=axis))) for axis in (1, 0))
    return np.stack([_shrunk(grey, *whole), _shrunk(grey, *around)])


def near_duplicates(
    images: NDArray[np.floating], *, owners: NDArray[np.int64] | None = None
) -> list[NearDuplicate]:
    """Return the pairs of lesions that show one picture, each pair once, by its better view.

    `images` are small pictures as `thumbnails` makes them, (n, n_views, SIDE, SIDE). A perceptual
    hash (signs of the differences between neighbouring cells, 512 bits) proposes pairs in all four
    orientations, and the correlation of details (the small picture without its smooth part, the
    median over 16 blocks) confirms them. Pairs of one of the `owners` (n,) are not reported.

    References
    ----------
    Zauner (2010), Implementation and benchmarking of perceptual image hash functions, section 3.2.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> pictures = rng.normal(size=(3, 1, 32, 32))
    >>> pictures[2] = 2 * pictures[0][:, :, ::-1] + 5
    >>> [(d.first, d.second, d.flip, round(d.correlation, 3)) for d in near_duplicates(pictures)]
    [(0, 2, 'left-right', 1.0)]
    """
    _check(images, owners)
    best: dict[tuple[int, int], NearDuplicate] = {}
    for view in range(images.shape[1]):
        small = images[:, view].astype(np.float32)
        for found in _in_one_view(small, VIEWS[min(view, 1)], owners):
            known = best.setdefault((found.first, found.second), found)
            if known.correlation < found.correlation:
                best[found.first, found.second] = found
    return [best[pair] for pair in sorted(best)]


def _check(images: NDArray[np.floating], owners: NDArray[np.int64] | None) -> None:
    if images.ndim != 4 or images.shape[1] > len(VIEWS) or images.shape[2] != images.shape[3]:
        raise BadArgument(
            f"expected small pictures (n, 1 or 2, side, side), found shape {images.shape}; make "
            "them with thumbnails()"
        )
    if owners is not None and owners.shape != images.shape[:1]:
        raise BadArgument(
            f"expected an owner of each of {len(images)} lesions, found {owners.shape}; pass one "
            "integer a lesion"
        )


def _in_one_view(
    small: FloatArray, view: str, owners: NDArray[np.int64] | None
) -> Iterator[NearDuplicate]:
    """Yield the pairs whose hashes are close and whose details correlate."""
    across = small[:, :, ::-1]
    turned = (small, across, small[:, ::-1], across[:, ::-1])  # as `FLIPS`
    signs = [_hash_signs(pictures) for pictures in turned]
    details = [_details(pictures) for pictures in turned]
    for flip, name in enumerate(FLIPS):
        for i, j, distance in _close(signs[0], signs[flip], owners):
            correlation = _correlation(details[0][i], details[flip][j])
            if correlation >= _MIN_CORRELATION:
                yield NearDuplicate(i, j, view, name, distance, correlation)


def _close(
    first: FloatArray, second: FloatArray, owners: NDArray[np.int64] | None
) -> Iterator[tuple[int, int, float]]:
    """Yield i < j and the share of differing bits of hashes (n, bits) of -1 and 1."""
    n, bits = first.shape
    for start in range(0, n, _ROWS_AT_ONCE):
        rows = first[start : start + _ROWS_AT_ONCE]
        distance = (1 - rows @ second.T / bits) / 2
        near = distance <= _MAX_DISTANCE
        near &= np.arange(n) > np.arange(start, start + len(rows))[:, np.newaxis]
        if owners is not None:
            near &= owners != owners[start : start + len(rows), np.newaxis]
        for i, j in np.argwhere(near).tolist():
            yield start + i, j, float(distance[i, j])


def _hash_signs(small: FloatArray) -> FloatArray:
    """Return -1 or 1 for every cell that is darker or brighter than its neighbour, (n, 512)."""
    cells = _HASH_SIDE + 1
    shares = _shares(small.shape[1], cells, 0.0, small.shape[1])
    grid = shares @ small @ shares.T
    right = grid[:, :-1, 1:] > grid[:, :-1, :-1]
    below = grid[:, 1:, :-1] > grid[:, :-1, :-1]
    bits = np.concatenate([right, below], axis=1).reshape(len(small), -1)
    return np.where(bits, np.float32(1), np.float32(-1))


def _details(small: FloatArray) -> FloatArray:
    """Pictures without their smooth part, (n, blocks, block²), of length 1 or 0 where flat."""
    rough = small - ndimage.gaussian_filter(small, (0, _DETAIL_SIGMA, _DETAIL_SIGMA))
    n, side = len(small), small.shape[1] // _BLOCKS
    grid = rough[:, : side * _BLOCKS, : side * _BLOCKS].reshape(n, _BLOCKS, side, _BLOCKS, side)
    blocks = grid.transpose(0, 1, 3, 2, 4).reshape(n, _BLOCKS**2, side**2)
    blocks = blocks - blocks.mean(axis=2, keepdims=True)
    length = np.linalg.norm(blocks, axis=2, keepdims=True)
    typical = np.sqrt((length**2).mean(axis=1, keepdims=True))
    # rounding of a flat picture is not detail
    brightest = np.abs(small).max(axis=(1, 2))[:, np.newaxis, np.newaxis]
    is_flat = (length < _FLAT * typical) | (length <= 1e-4 * (1 + brightest))
    return np.asarray(np.where(is_flat, 0, blocks / np.where(is_flat, 1, length)), np.float32)


def _correlation(first: FloatArray, second: FloatArray) -> float:
    """Return the median correlation of the blocks that are flat in neither picture.

    The median, because all images of one device can share a frame, a scale or a logo.
    """
    seen = first.any(axis=1) & second.any(axis=1)
    if 2 * seen.sum() < _BLOCKS**2 / 2:
        return 0.0
    return float(np.median((first[seen] * second[seen]).sum(axis=1)))


def _surroundings(occupied: NDArray[np.bool_]) -> Extent:
    """Return (start, stop), in rows or columns, of the lesion's box with its margin."""
    where = np.flatnonzero(occupied)
    margin = _MARGIN * (where[-1] + 1 - where[0])
    return max(0.0, where[0] - margin), min(float(len(occupied)), where[-1] + 1 + margin)


def _shrunk(grey: FloatArray, rows: Extent, columns: Extent) -> FloatArray:
    """Return the mean grey level of every cell of a SIDE x SIDE grid over a part of the image."""
    r = slice(int(rows[0]), int(np.ceil(rows[1])))
    c = slice(int(columns[0]), int(np.ceil(columns[1])))
    part = grey[r, c]
    down = _shares(part.shape[0], SIDE, rows[0] - r.start, rows[1] - r.start)
    across = _shares(part.shape[1], SIDE, columns[0] - c.start, columns[1] - c.start)
    return np.asarray(down @ part @ across.T, dtype=np.float32)


def _shares(n: int, cells: int, start: float, stop: float) -> FloatArray:
    """Return the share of each of n pixels in each of the cells from start to stop, (cells, n)."""
    edges = np.linspace(start, stop, cells + 1)
    pixel = np.arange(n)
    upper = np.minimum(edges[1:, np.newaxis], pixel + 1)
    lower = np.maximum(edges[:-1, np.newaxis], pixel)
    covered = np.clip(upper - lower, 0, None)
    return np.asarray(covered / covered.sum(axis=1, keepdims=True), dtype=np.float32)
