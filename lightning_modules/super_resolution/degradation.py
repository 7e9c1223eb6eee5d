"""B-mode images as a coarser scanner would have shown them.

Photo recipes blur, compress and take noise away. A scanner's point-spread function is wider
across the beam than along it, and its speckle is the signal that radiomics reads: it is changed a
little, never removed.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from her2.core.errors import BadConfig
from lightning_modules.super_resolution.rescaling import FACTOR, shrunk, shrunk_bicubic

_CUT = 3.0  # standard deviations at which a kernel ends
_GAIN_LIMITS = (0.0, 1.0)
Range = tuple[float, float]


@dataclass(frozen=True)
class Degradation:
    """How far images are degraded; every sample draws its own numbers from these ranges.

    Attributes
    ----------
    axial
        Standard deviation of the point-spread function along the beam (rows), in pixels of the
        large image.
    lateral_ratio
        How many times wider it is across the beam (columns), at least 1.
    speckle
        Standard deviation of the multiplicative speckle, as a share of the grey level.
    speckle_width
        Its correlation length across the beam in pixels of the small image; half of it along.
    gain
        Factor of all grey levels, of large and small image alike.
    bicubic
        Share of samples that are shrunk bicubically, the others by area.
    levels
        Grey levels of the small image (256 = 8 bits).
    """

    axial: Range = (0.0, 0.8)
    lateral_ratio: Range = (1.0, 1.8)
    speckle: Range = (0.0, 0.02)
    speckle_width: float = 1.0
    gain: Range = (0.9, 1.1)
    bicubic: float = 0.25
    levels: int = 256

    def __post_init__(self) -> None:
        ranges = (self.axial, self.lateral_ratio, self.speckle, self.gain)
        if any(low < 0 or high < low for low, high in ranges) or self.lateral_ratio[0] < 1:
            raise BadConfig(
                "expected ranges (low, high) of at least 0, and a beam that is wider laterally "
                f"than axially (lateral_ratio of at least 1), found {self}"
            )


def degrade(
    large: Tensor, degradation: Degradation, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Return small images, and the large ones that they show.

    The gain is applied to both; otherwise the generator would learn to undo it.

    Parameters
    ----------
    large
        (B, 1, 4 H, 4 W) in [0, 1].
    generator
        Of the CPU; every draw comes from it.

    Returns
    -------
    small, large
        (B, 1, H, W) and (B, 1, 4 H, 4 W), in [0, 1]; the small ones in `levels` grey levels.

    Examples
    --------
    >>> still = Degradation(axial=(0, 0), speckle=(0, 0), gain=(1, 1), bicubic=0)
    >>> small, _ = degrade(torch.full((1, 1, 8, 8), 0.2), still, torch.Generator().manual_seed(0))
    >>> small.shape, round(small.max().item() * 255)
    (torch.Size([1, 1, 2, 2]), 51)
    """
    n = len(large)
    axial, ratio, speckle, gain = (
        _drawn(limits, n, generator)
        for limits in (degradation.axial, degradation.lateral_ratio, degradation.speckle,
                       degradation.gain)
    )  # fmt: skip
    large = (large * gain.view(-1, 1, 1, 1)).clamp(*_GAIN_LIMITS)
    blurred = blur(large, axial, axial * ratio)
    is_bicubic = torch.rand(n, generator=generator) < degradation.bicubic
    small = torch.where(is_bicubic.view(-1, 1, 1, 1), shrunk_bicubic(blurred), shrunk(blurred))
    noise = correlated_noise(tuple(small.shape), degradation.speckle_width, generator)
    small = small * (1.0 + speckle.view(-1, 1, 1, 1) * noise)
    return quantised(small, degradation.levels), large


def native_quarter(large: Tensor, levels: int = 256) -> Tensor:
    """Return validation images (B, 1, 4 H, 4 W) in [0, 1] shrunk by area and quantised only."""
    return quantised(shrunk(large, FACTOR), levels)


def quantised(images: Tensor, levels: int = 256) -> Tensor:
    """Images in [0, 1] with so many grey levels.

    Examples
    --------
    >>> [round(x, 2) for x in quantised(torch.tensor([-0.1, 0.3, 0.7, 2.0]), 3).tolist()]
    [0.0, 0.5, 0.5, 1.0]
    """
    steps = levels - 1
    return torch.round(images.clamp(0.0, 1.0) * steps) / steps


def blur(images: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Gaussian blur of each image with its own standard deviations, (B,) pixels each; 0: none."""
    return _blurred(_blurred(images, rows, axis=2), columns, axis=3)


def _blurred(images: Tensor, sd: Tensor, *, axis: int) -> Tensor:
    radius = max(int(torch.ceil(_CUT * sd.max()).item()), 1)
    offsets = torch.arange(-radius, radius + 1, dtype=images.dtype)
    kernels = torch.exp(-0.5 * (offsets / sd.clamp_min(1e-3)[:, None]) ** 2)
    kernels = kernels / kernels.sum(dim=1, keepdim=True)
    shape = [len(images), 1, 1, 1]
    shape[axis] = 2 * radius + 1
    padding = (radius, radius, 0, 0) if axis == 3 else (0, 0, radius, radius)
    padded = functional.pad(images, padding, mode="replicate").transpose(0, 1)
    out = functional.conv2d(padded, kernels.view(shape), groups=len(images))
    return out.transpose(0, 1)


def correlated_noise(shape: tuple[int, ...], width: float, generator: torch.Generator) -> Tensor:
    """Gaussian noise of mean 0 and standard deviation 1, wider across the beam than along it."""
    white = torch.randn(shape, generator=generator)
    sd = torch.full((shape[0],), width)
    noise = blur(white, 0.5 * sd, sd)
    return noise / noise.std(dim=(1, 2, 3), keepdim=True).clamp_min(1e-6)


def _drawn(limits: Range, n: int, generator: torch.Generator) -> Tensor:
    low, high = limits
    return low + (high - low) * torch.rand(n, generator=generator)
