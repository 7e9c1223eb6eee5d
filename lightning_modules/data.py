"""Lesion crops as batches: decoded once, kept in memory, augmented a batch at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pytorch_lightning as pl
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional


@dataclass(frozen=True)
class Augmentation:
    """Random changes of a crop.

    shift: the largest shift, as a share of the side (a random crop of a padded image);
    flips: mirror images along the beam's axis, and against it, half of the time.
    """

    shift: float
    flips_horizontally: bool
    flips_vertically: bool


# The beam comes from above: shadows and enhancement lie below a lesion, so an upside-down image
# is none that a scanner makes. The paper flips both ways.
AUGMENTATIONS: dict[str, Augmentation | None] = {
    "default": Augmentation(shift=0.1, flips_horizontally=True, flips_vertically=False),
    "paper": Augmentation(shift=0.1, flips_horizontally=True, flips_vertically=True),
    "none": None,
}


class Batch(NamedTuple):
    """Lesions that go through the network together.

    crops: (B, 1, S, S), grey levels 0 to 255; y_true: (B,) float32, 0 or 1; affine: (B, 2, 3)
    changes that are still to be made to the crops, or None.
    """

    crops: Tensor
    y_true: Tensor
    affine: Tensor | None


def draw_affine(n: int, augmentation: Augmentation, generator: torch.Generator) -> Tensor:
    """Random flips and shifts as matrices (n, 2, 3) for `apply_affine`."""
    flips = torch.rand(n, 2, generator=generator) < 0.5
    flips &= torch.tensor([augmentation.flips_horizontally, augmentation.flips_vertically])
    shifts = torch.rand(n, 2, generator=generator) * 2 - 1
    affine = torch.zeros(n, 2, 3)
    affine[:, 0, 0] = 1 - 2 * flips[:, 0].float()
    affine[:, 1, 1] = 1 - 2 * flips[:, 1].float()
    affine[:, :, 2] = 2 * augmentation.shift * shifts  # the grid runs from -1 to 1
    return affine


def apply_affine(crops: Tensor, affine: Tensor) -> Tensor:
    """Move crops (B, 1, S, S) by matrices (B, 2, 3); float32, what is beyond the edge mirrored."""
    grid = functional.affine_grid(affine, list(crops.shape), align_corners=False)
    return functional.grid_sample(
        crops.float(), grid, padding_mode="reflection", align_corners=False
    )


class Batches:
    """Batches of crops in memory, of sizes that differ by one at most.

    Parameters
    ----------
    crops
        (N, 1, S, S) uint8.
    y_true
        (N,) float32.
    batch_size
        Most lesions in a batch.
    seed
        Of order and augmentation; None keeps the order of the rows and changes nothing.
    augmentation
        Random changes, drawn here and made where the batch is used.
    """

    def __init__(
        self,
        crops: Tensor,
        y_true: Tensor,
        *,
        batch_size: int,
        seed: int | None = None,
        augmentation: Augmentation | None = None,
    ) -> None:
        self.crops = crops
        self.y_true = y_true
        self.batch_size = batch_size
        self.seed = seed
        self.augmentation = augmentation

    def __len__(self) -> int:
        """Count the batches."""
        return -(-len(self.crops) // self.batch_size)

    def __iter__(self) -> Iterator[Batch]:
        """Yield the batches; the same ones each time."""
        if len(self.crops) == 0:
            return
        if self.seed is None:
            for rows in torch.arange(len(self.crops)).tensor_split(len(self)):
                yield Batch(self.crops[rows], self.y_true[rows], None)
            return
        yield from self._shuffled(torch.Generator().manual_seed(self.seed))

    def _shuffled(self, generator: torch.Generator) -> Iterator[Batch]:
        order = torch.randperm(len(self.crops), generator=generator)
        for rows in order.tensor_split(len(self)):
            affine = None
            if self.augmentation is not None:
                affine = draw_affine(len(rows), self.augmentation, generator)
            yield Batch(self.crops[rows], self.y_true[rows], affine)


class LesionDataModule(pl.LightningDataModule):
    """Crops to train on and crops to judge by.

    Parameters
    ----------
    train, judged
        Crops (N, 1, S, S) uint8 and outcomes (N,) float32 of each; `judged` may be None.
    batch_size
        Most lesions in a batch.
    augmentation
        Changes of the training crops; the judged ones are never changed.
    seed
        Of order and augmentation; an epoch's draws depend on it and the epoch's number only.
    """

    def __init__(
        self,
        train: tuple[Tensor, Tensor],
        judged: tuple[Tensor, Tensor] | None,
        *,
        batch_size: int,
        augmentation: Augmentation | None,
        seed: int,
    ) -> None:
        super().__init__()
        self.train_rows = train
        self.judged_rows = judged
        self.batch_size = batch_size
        self.augmentation = augmentation
        self.seed = seed

    def train_dataloader(self) -> Batches:
        """Batches of the current epoch (the trainer asks again for every epoch)."""
        epoch = self.trainer.current_epoch if self.trainer else 0
        return Batches(
            *self.train_rows,
            batch_size=self.batch_size,
            seed=child_seed(self.seed, epoch),
            augmentation=self.augmentation,
        )

    def val_dataloader(self) -> Batches | list[Batches]:
        """Batches of the judged crops, in order."""
        if self.judged_rows is None:
            return []
        return Batches(*self.judged_rows, batch_size=self.batch_size)

    def on_after_batch_transfer(self, batch: Batch, dataloader_idx: int) -> Batch:
        """Make the drawn changes on the device where the network is."""
        if batch.affine is None:
            return batch
        return Batch(apply_affine(batch.crops, batch.affine), batch.y_true, None)


def child_seed(seed: int, *key: int) -> int:
    """Seed of a step of a seeded run, independent of that of every other key.

    >>> child_seed(0, 1) != child_seed(0, 2)
    True
    """
    return int(np.random.SeedSequence(seed, spawn_key=key).generate_state(1, np.uint64)[0] >> 1)


def as_rows(
    crops: NDArray[np.uint8], y_true: NDArray[Any], index: NDArray[np.integer[Any]]
) -> tuple[Tensor, Tensor]:
    """Copy some rows: crops (n, 1, S, S) uint8 and outcomes (n,) float32."""
    outcomes = torch.from_numpy(y_true[index].astype(np.float32))
    return torch.from_numpy(crops[index])[:, None], outcomes
