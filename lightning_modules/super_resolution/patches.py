"""Pairs of small and large patches of native images, and frames for validation.

The patches of a step depend on the seed and its number only, so that an interrupted fit resumes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import pytorch_lightning as pl
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader

from her2.core.errors import BadArgument
from lightning_modules.super_resolution.degradation import degrade, native_quarter
from lightning_modules.super_resolution.generator_plan import FittingPlan
from lightning_modules.super_resolution.rescaling import FACTOR
from lightning_modules.torch_runtime import child_seed

VALIDATION_SIDE = 256  # pixels: only the middle of a validation frame is used, to save time
Frame = NDArray[np.uint8]


class Pair(NamedTuple):
    """Small images (B, 1, H, W) and the large ones (B, 1, 4 H, 4 W) that they show, in [0, 1]."""

    small: Tensor
    large: Tensor


class PatchBatches:
    """Pairs of random patches for a number of steps.

    Parameters
    ----------
    frames
        Native images, (H, W) uint8 each; one that is smaller than a patch is mirrored at its
        edges.
    plan
        Sizes, seed and degradation of the patches.
    steps
        Numbers of the steps.
    """

    def __init__(self, frames: Sequence[Frame], plan: FittingPlan, steps: range) -> None:
        self.side = plan.patch_size * FACTOR
        self.frames = [_at_least(frame, self.side) for frame in frames]
        self.plan = plan
        self.steps = steps

    def __len__(self) -> int:
        """Count the steps."""
        return len(self.steps)

    def __iter__(self) -> Iterator[Pair]:
        """Yield the pairs of every step; the same ones each time."""
        for step in self.steps:
            yield self._pair(torch.Generator().manual_seed(child_seed(self.plan.seed, step)))

    def _pair(self, generator: torch.Generator) -> Pair:
        patches = np.stack([self._patch(generator) for _ in range(self.plan.batch_size)])
        large = torch.from_numpy(patches)[:, None].float() / 255
        return Pair(*degrade(large, self.plan.degradation, generator))

    def _patch(self, generator: torch.Generator) -> Frame:
        """Return a random patch, mirrored left to right half of the time.

        Never upside down: the beam comes from above.
        """
        frame = self.frames[_drawn(len(self.frames), generator)]
        top, left = (_drawn(length - self.side + 1, generator) for length in frame.shape)
        patch = frame[top : top + self.side, left : left + self.side]
        return patch[:, ::-1] if _drawn(2, generator) else patch


class PatchDataModule(pl.LightningDataModule):
    """Patches to fit on, and the middles of other frames to evaluate after every epoch.

    Parameters
    ----------
    train, validation
        Native images, (H, W) uint8 each; `validation` may be empty.
    plan
        Sizes, steps, seed and degradation.
    """

    def __init__(
        self, train: Sequence[Frame], validation: Sequence[Frame], plan: FittingPlan
    ) -> None:
        super().__init__()
        if not train:
            raise BadArgument("expected images to fit a generator on, found none; give one")
        self.train_frames = train
        self.validation = [validation_pair(frame) for frame in validation]
        self.plan = plan

    def train_dataloader(self) -> PatchBatches:
        """Patches of the current epoch (the trainer asks again for every epoch)."""
        epoch = self.trainer.current_epoch if self.trainer else 0
        start = epoch * self.plan.steps_per_epoch
        stop = min(start + self.plan.steps_per_epoch, self.plan.schedule.n_steps)
        return PatchBatches(self.train_frames, self.plan, range(start, stop))

    def val_dataloader(self) -> DataLoader[Pair] | list[Pair]:
        """Return the validation frames, one a batch."""
        if not self.validation:
            return []
        return DataLoader(self.validation, batch_size=None)  # type: ignore[arg-type]


def validation_pair(frame: Frame) -> Pair:
    """Return the middle of a frame and its quarter, shrunk by area."""
    starts = [max((length - VALIDATION_SIDE) // 2, 0) for length in frame.shape]
    rows, columns = (slice(start, start + VALIDATION_SIDE) for start in starts)
    middle = whole_blocks(frame[rows, columns])
    large = torch.from_numpy(middle.copy())[None, None].float() / 255
    return Pair(native_quarter(large), large)


def whole_blocks(frame: NDArray[Any]) -> NDArray[Any]:
    """Return an image with its last rows and columns repeated up to a multiple of 4.

    Examples
    --------
    >>> whole_blocks(np.zeros((5, 8))).shape
    (8, 8)
    """
    missing = [(0, -length % FACTOR) for length in frame.shape]
    return np.pad(frame, missing, mode="edge")


def _at_least(frame: Frame, side: int) -> Frame:
    missing = [max(side - length, 0) for length in frame.shape]
    if not any(missing):
        return frame
    return np.pad(frame, [(m // 2, m - m // 2) for m in missing], mode="symmetric")


def _drawn(n: int, generator: torch.Generator) -> int:
    return int(torch.randint(n, (1,), generator=generator).item())
