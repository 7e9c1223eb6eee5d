"""Enlargement of whole clinical frames, tile by tile and without seams."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from her2.core.errors import BadConfig
from lightning_modules.networks.rrdb import RRDBGenerator
from lightning_modules.super_resolution.rescaling import FACTOR, enlarged_bicubic
from lightning_modules.torch_runtime import torch_threads

Network = Callable[[Tensor], Tensor]
TILE_SIZE = 256
_LEAST_TILE = 8


@dataclass(frozen=True)
class Enlarger:
    """Enlarges images four times.

    Attributes
    ----------
    method
        ``bicubic`` or ``srgan``.
    key
        All that the result depends on beside the image.
    network
        Maps (1, 1, H, W) in [0, 1] to (1, 1, 4 H, 4 W).
    reach
        Pixels of the input that a pixel of the output depends on, in each direction.
    tile_size
        Side of a tile.
    device
        Where the network is.
    """

    method: str
    key: str
    network: Network
    reach: int
    tile_size: int = TILE_SIZE
    device: str = "cpu"

    def __call__(self, pixels: NDArray[np.generic]) -> NDArray[np.generic]:
        """Enlarge an image (H, W) to (4 H, 4 W) in its own type and range of grey levels.

        On one CPU thread: the bytes then depend on nothing else.
        """
        low, high = grey_range(pixels)
        small = torch.from_numpy((pixels.astype(np.float32) - low) / (high - low))
        with torch.inference_mode(), torch_threads(1):
            large = enlarged_by_tiles(
                self.network, small[None, None].to(self.device), reach=self.reach,
                tile_size=self.tile_size,
            )  # fmt: skip
        return as_stored(large[0, 0].cpu().numpy(), pixels)


def bicubic_enlarger() -> Enlarger:
    """Return bicubic enlargement, which needs no fit."""
    return Enlarger("bicubic", "bicubic", enlarged_bicubic, reach=3)


def generator_enlarger(
    network: RRDBGenerator, *, key: str, tile_size: int, device: str = "cpu"
) -> Enlarger:
    """Return enlargement by a fitted generator; `key` is the hash of its weights."""
    placed = network.eval().to(device).to(memory_format=torch.channels_last)
    return Enlarger("srgan", key, placed, network.reach, tile_size, device)


def enlarged_by_tiles(
    network: Network, small: Tensor, *, reach: int, tile_size: int = TILE_SIZE
) -> Tensor:
    """Return an image (1, 1, H, W) enlarged by tiles, with as much around each as it depends on.

    At the image's own edge a tile ends where the image ends, so the result is that of the whole
    image everywhere, up to the last bits of a float. Memory grows with the square of tile size and
    reach together.

    >>> small = torch.rand(1, 1, 20, 30)
    >>> tiled = enlarged_by_tiles(enlarged_bicubic, small, reach=3, tile_size=8)
    >>> torch.allclose(tiled, enlarged_bicubic(small), atol=1e-5)
    True
    """
    if tile_size < _LEAST_TILE:
        raise BadConfig(
            f"expected enhance.tile_size of at least {_LEAST_TILE} pixels, found {tile_size}; "
            f"{TILE_SIZE} is usual"
        )
    height, width = small.shape[-2:]
    large = small.new_empty(1, 1, FACTOR * height, FACTOR * width)
    for top in range(0, height, tile_size):
        for left in range(0, width, tile_size):
            rows, own_rows, in_rows = _tile(top, tile_size, height, reach)
            columns, own_columns, in_columns = _tile(left, tile_size, width, reach)
            tile = network(small[..., rows, columns])
            large[..., own_rows, own_columns] = tile[..., in_rows, in_columns]
    return large


def _tile(start: int, size: int, length: int, reach: int) -> tuple[slice, slice, slice]:
    """Return what a tile is made of, its place in the large image, and in the network's output."""
    stop = min(start + size, length)
    first = max(start - reach, 0)
    return (
        slice(first, min(stop + reach, length)),
        slice(FACTOR * start, FACTOR * stop),
        slice(FACTOR * (start - first), FACTOR * (stop - first)),
    )


def grey_range(pixels: NDArray[np.generic]) -> tuple[float, float]:
    """Return the grey levels that become 0 and 1: the type's for 8 bits, else the image's own."""
    if pixels.dtype == np.uint8:
        return 0.0, 255.0
    low, high = float(np.min(pixels)), float(np.max(pixels))
    return low, high if high > low else low + 1.0


def as_stored(large: NDArray[np.float32], pixels: NDArray[np.generic]) -> NDArray[np.generic]:
    """Return grey levels in [0, 1] as those of an image: its range, and its type."""
    low, high = grey_range(pixels)
    levels = low + np.clip(large.astype(np.float64), 0.0, 1.0) * (high - low)
    whole = np.issubdtype(pixels.dtype, np.integer)
    return (np.rint(levels) if whole else levels).astype(pixels.dtype)
