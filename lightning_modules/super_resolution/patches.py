"""Pairs of small and large patches of native images, and frames for validation.

Small patches are as a coarser scanner would have shown the large ones. Photo recipes blur,
compress and take noise away. A scanner's point-spread function is wider across the beam than
along it, and its speckle is the signal that radiomics reads: it is changed a little, never
removed. The patches of a step depend on the seed and its number only, so that an interrupted fit
resumes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pytorch_lightning as pl
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional
from torch.utils.data import DataLoader

from her2.core.errors import BadArgument
from her2.core.settings import EnhanceSettings
from lightning_modules.super_resolution.rescaling import FACTOR, shrunk, shrunk_bicubic
from lightning_modules.torch_runtime import child_seed

VALIDATION_SIDE = 256  # pixels: only the middle of a validation frame is used, to save time
GREY_LEVELS = 256  # of a small image
_CUT = 3.0  # standard deviations at which a kernel ends
Frame = NDArray[np.uint8]
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
    """

    axial: Range = (0.0, 0.8)
    lateral_ratio: Range = (1.0, 1.8)
    speckle: Range = (0.0, 0.02)
    speckle_width: float = 1.0
    gain: Range = (0.9, 1.1)
    bicubic: float = 0.25


DEGRADATION = Degradation()


class Pair(NamedTuple):
    """Small images (B, 1, H, W) and the large ones (B, 1, 4 H, 4 W) that they show, in [0, 1]."""

    small: Tensor
    large: Tensor


def degrade(large: Tensor, degradation: Degradation, generator: torch.Generator) -> Pair:
    """Return small images of large ones (B, 1, 4 H, 4 W) in [0, 1], and what they show.

    The gain is applied to both; otherwise the generator would learn to undo it.

    >>> still = Degradation(axial=(0, 0), speckle=(0, 0), gain=(1, 1), bicubic=0)
    >>> small, _ = degrade(torch.full((1, 1, 8, 8), 0.2), still, torch.Generator().manual_seed(0))
    >>> small.shape, round(small.max().item() * 255)
    (torch.Size([1, 1, 2, 2]), 51)
    """
    n = len(large)
    axial, ratio, speckle, gain = (
        low + (high - low) * torch.rand(n, generator=generator)
        for low, high in (degradation.axial, degradation.lateral_ratio, degradation.speckle,
                          degradation.gain)
    )  # fmt: skip
    large = (large * gain.view(-1, 1, 1, 1)).clamp(0.0, 1.0)
    blurred = blur(large, axial, axial * ratio)
    is_bicubic = torch.rand(n, generator=generator) < degradation.bicubic
    small = torch.where(is_bicubic.view(-1, 1, 1, 1), shrunk_bicubic(blurred), shrunk(blurred))
    noise = correlated_noise(tuple(small.shape), degradation.speckle_width, generator)
    small = small * (1.0 + speckle.view(-1, 1, 1, 1) * noise)
    return Pair(quantised(small), large)


def quantised(images: Tensor, levels: int = GREY_LEVELS) -> Tensor:
    """Images in [0, 1] with so many grey levels.

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


class PatchBatches:
    """Pairs of random patches of native images, (H, W) uint8 each, for some steps by number.

    An image that is smaller than a patch is mirrored at its edges.
    """

    def __init__(
        self, frames: Sequence[Frame], settings: EnhanceSettings, seed: int, steps: range
    ) -> None:
        self.side = settings.patch_size * FACTOR
        self.frames = [_at_least(frame, self.side) for frame in frames]
        self.batch_size = settings.batch_size
        self.seed = seed
        self.steps = steps

    def __len__(self) -> int:
        """Count the steps."""
        return len(self.steps)

    def __iter__(self) -> Iterator[Pair]:
        """Yield the pairs of every step; the same ones each time."""
        for step in self.steps:
            generator = torch.Generator().manual_seed(child_seed(self.seed, step))
            patches = np.stack([self._patch(generator) for _ in range(self.batch_size)])
            yield degrade(_as_images(patches), DEGRADATION, generator)

    def _patch(self, generator: torch.Generator) -> Frame:
        """Return a random patch, mirrored left to right half of the time.

        Never upside down: the beam comes from above.
        """
        frame = self.frames[_drawn(len(self.frames), generator)]
        top, left = (_drawn(length - self.side + 1, generator) for length in frame.shape)
        patch = frame[top : top + self.side, left : left + self.side]
        return patch[:, ::-1] if _drawn(2, generator) else patch


class PatchDataModule(pl.LightningDataModule):
    """Patches to fit on, and the middles of other frames, if any, to look at after every epoch."""

    def __init__(
        self,
        train: Sequence[Frame],
        validation: Sequence[Frame],
        settings: EnhanceSettings,
        seed: int,
    ) -> None:
        super().__init__()
        if not train:
            raise BadArgument("expected images to fit a generator on, found none; give one")
        self.train_frames = train
        self.validation = [validation_pair(frame) for frame in validation]
        self.settings = settings
        self.seed = seed

    def train_dataloader(self) -> PatchBatches:
        """Patches of the current epoch (the trainer asks again for every epoch)."""
        start = self.trainer.current_epoch * self.settings.steps_per_epoch
        stop = min(start + self.settings.steps_per_epoch, self.settings.n_steps)
        return PatchBatches(self.train_frames, self.settings, self.seed, range(start, stop))

    def val_dataloader(self) -> DataLoader[Pair] | list[Pair]:
        """Return the validation frames, one a batch."""
        if not self.validation:
            return []
        return DataLoader(self.validation, batch_size=None)  # type: ignore[arg-type]


def validation_pair(frame: Frame) -> Pair:
    """Return the middle of a frame, in whole blocks, and its quarter, shrunk by area."""
    starts = [max((length - VALIDATION_SIDE) // 2, 0) for length in frame.shape]
    rows, columns = (slice(start, start + VALIDATION_SIDE) for start in starts)
    middle = frame[rows, columns]
    middle = np.pad(middle, [(0, -length % FACTOR) for length in middle.shape], mode="edge")
    large = _as_images(middle[np.newaxis])
    return Pair(quantised(shrunk(large)), large)


def _as_images(frames: Frame) -> Tensor:
    return torch.from_numpy(frames)[:, None].float() / 255


def _at_least(frame: Frame, side: int) -> Frame:
    missing = [max(side - length, 0) for length in frame.shape]
    if not any(missing):
        return frame
    return np.pad(frame, [(m // 2, m - m // 2) for m in missing], mode="symmetric")


def _drawn(n: int, generator: torch.Generator) -> int:
    return int(torch.randint(n, (1,), generator=generator).item())
