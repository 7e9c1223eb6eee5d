"""Patches of native images as pairs (small, large), and whole frames to look at.

What a step sees depends on the seed and the step's number only, so that a training which was
stopped goes on as if it had not been.
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
from lightning_modules.data import child_seed
from lightning_modules.degradation import Degradation, degrade, native_quarter
from lightning_modules.rescaling import FACTOR

VALIDATION_SIDE = 256  # pixels: of a validation frame the middle is looked at, for time's sake
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
        Native images, (H, W) uint8 each.
    patch_size
        Side of the small patch; a frame too small for it is mirrored at its edges.
    steps
        Numbers of the steps.
    seed
        Root of every draw.

    Examples
    --------
    >>> frame = np.zeros((40, 50), np.uint8)
    >>> batches = PatchBatches([frame], patch_size=8, batch_size=2, steps=range(3), seed=0,
    ...                        degradation=Degradation())
    >>> [tuple(pair.large.shape) for pair in batches]
    [(2, 1, 32, 32), (2, 1, 32, 32), (2, 1, 32, 32)]
    """

    def __init__(
        self,
        frames: Sequence[Frame],
        *,
        patch_size: int,
        batch_size: int,
        steps: range,
        seed: int,
        degradation: Degradation,
    ) -> None:
        self.side = patch_size * FACTOR
        self.frames = [_at_least(frame, self.side) for frame in frames]
        self.batch_size = batch_size
        self.steps = steps
        self.seed = seed
        self.degradation = degradation

    def __len__(self) -> int:
        """Count the steps."""
        return len(self.steps)

    def __iter__(self) -> Iterator[Pair]:
        """Yield the pairs of every step; the same ones each time."""
        for step in self.steps:
            yield self._pair(torch.Generator().manual_seed(child_seed(self.seed, step)))

    def _pair(self, generator: torch.Generator) -> Pair:
        patches = np.stack([self._patch(generator) for _ in range(self.batch_size)])
        large = torch.from_numpy(patches)[:, None].float() / 255
        return Pair(*degrade(large, self.degradation, generator))

    def _patch(self, generator: torch.Generator) -> Frame:
        """Return a random patch, mirrored left to right half of the time.

        Never upside down: the beam comes from above.
        """
        frame = self.frames[_drawn(len(self.frames), generator)]
        top, left = (_drawn(length - self.side + 1, generator) for length in frame.shape)
        patch = frame[top : top + self.side, left : left + self.side]
        return patch[:, ::-1] if _drawn(2, generator) else patch


class PatchDataModule(pl.LightningDataModule):
    """Patches to fit on, and the middles of other frames to look at after every epoch.

    Parameters
    ----------
    train, validation
        Native images, (H, W) uint8 each; `validation` may be empty.
    steps_per_epoch
        Steps between two looks, and two checkpoints.
    """

    def __init__(
        self,
        train: Sequence[Frame],
        validation: Sequence[Frame],
        *,
        patch_size: int,
        batch_size: int,
        steps_per_epoch: int,
        n_steps: int,
        seed: int,
        degradation: Degradation,
    ) -> None:
        super().__init__()
        if not train:
            raise BadArgument("expected images to fit a generator on, found none; give one")
        self.validation = [validation_pair(frame) for frame in validation]
        self.steps_per_epoch, self.n_steps = steps_per_epoch, n_steps
        self.settings: dict[str, Any] = {
            "patch_size": patch_size, "batch_size": batch_size, "seed": seed,
            "degradation": degradation,
        }  # fmt: skip
        self.train_frames = train

    def train_dataloader(self) -> PatchBatches:
        """Patches of the current epoch (the trainer asks again for every epoch)."""
        epoch = self.trainer.current_epoch if self.trainer else 0
        start = epoch * self.steps_per_epoch
        steps = range(start, min(start + self.steps_per_epoch, self.n_steps))
        return PatchBatches(self.train_frames, steps=steps, **self.settings)

    def val_dataloader(self) -> DataLoader[Pair] | list[Pair]:
        """Frames to look at, one a batch."""
        if not self.validation:
            return []
        return DataLoader(self.validation, batch_size=None)  # type: ignore[arg-type]


def validation_pair(frame: Frame) -> Pair:
    """Return the middle of a frame and its quarter, shrunk by area."""
    middle = whole_blocks(_middle(frame, VALIDATION_SIDE))
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


def _middle(frame: Frame, side: int) -> Frame:
    cut = []
    for length in frame.shape:
        start = max((length - side) // 2, 0)
        cut.append(slice(start, start + side))
    return frame[cut[0], cut[1]]


def _at_least(frame: Frame, side: int) -> Frame:
    missing = [max(side - length, 0) for length in frame.shape]
    if not any(missing):
        return frame
    return np.pad(frame, [(m // 2, m - m // 2) for m in missing], mode="symmetric")


def _drawn(n: int, generator: torch.Generator) -> int:
    return int(torch.randint(n, (1,), generator=generator).item())
