"""Lesion crops as batches, which stay on the device and are augmented there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pytorch_lightning as pl
import torch
from numpy.typing import NDArray
from torch import Tensor

from lightning_modules.fine_tuning.augmentation import Augmentation, apply_changes, draw_changes
from lightning_modules.torch_runtime import child_seed


class Batch(NamedTuple):
    """Lesions that go through the network together.

    Attributes
    ----------
    crops
        (B, 1, S, S), grey levels 0 to 255.
    y_true
        (B,) float32, 0 or 1.
    share
        Weight of one row's loss in the mean over the batch, all devices together.
    """

    crops: Tensor
    y_true: Tensor
    share: float


@dataclass(frozen=True)
class Shuffling:
    """How training rows are drawn in an epoch.

    Attributes
    ----------
    seed
        Of order and augmentation, together with the epoch's number.
    augmentation
        Changes of the crops, or None.
    balanced
        Whether there are as many rows of each outcome, those of the rarer one several times.
    """

    seed: int
    augmentation: Augmentation | None = None
    balanced: bool = False


@dataclass
class Batches:
    """Batches of rows that lie in memory, of sizes that differ by one at most.

    Attributes
    ----------
    crops
        (N, 1, S, S) uint8, on the device where they are used.
    y_true
        (N,) float32.
    batch_size
        Most lesions in a batch, all processes together.
    shuffling
        Order and changes; None keeps the order of the rows and changes nothing.
    epoch
        Number of the epoch that is drawn next.
    rank
        Number of this process, from 0, and of the processes that share every batch.
    """

    crops: Tensor
    y_true: Tensor
    batch_size: int
    shuffling: Shuffling | None = None
    epoch: Callable[[], int] = lambda: 0
    rank: tuple[int, int] = (0, 1)

    def __len__(self) -> int:
        """Count the batches."""
        return -(-len(self.crops) // self.batch_size)

    def __iter__(self) -> Iterator[Batch]:
        """Yield the batches of the current epoch; the same ones each time."""
        if len(self.crops) == 0:
            return
        if self.shuffling is not None:
            yield from self._shuffled(self.shuffling)
            return
        for part, share in self._parts():
            yield Batch(self.crops[part], self.y_true[part], share)

    def _parts(self) -> Iterator[tuple[slice, float]]:
        """Yield this process's part of each batch, and a row's share of that batch."""
        number, n_processes = self.rank
        for rows in torch.arange(len(self.crops)).tensor_split(len(self)):
            own = rows.tensor_split(n_processes)[number]
            start = int(own[0]) if len(own) else 0
            yield slice(start, start + len(own)), 1.0 / len(rows)

    def _shuffled(self, shuffling: Shuffling) -> Iterator[Batch]:
        generator = torch.Generator().manual_seed(child_seed(shuffling.seed, self.epoch()))
        drawn = self._order(shuffling, generator).to(self.crops.device)  # once an epoch
        changes = None
        if shuffling.augmentation is not None:
            changes = draw_changes(len(drawn), shuffling.augmentation, generator)
            changes = changes.to(self.crops.device)
        for part, share in self._parts():
            crops = self.crops[drawn[part]]
            if changes is not None:
                crops = apply_changes(crops, changes.rows(part))
            yield Batch(crops, self.y_true[drawn[part]], share)

    def _order(self, shuffling: Shuffling, generator: torch.Generator) -> Tensor:
        n = len(self.crops)
        if not shuffling.balanced:
            return torch.randperm(n, generator=generator)
        outcomes = self.y_true.cpu()
        halves = [
            _repeated(torch.nonzero(outcomes == level)[:, 0], size, generator)
            for level, size in ((0, n - n // 2), (1, n // 2))
        ]
        rows = torch.cat(halves)
        return rows[torch.randperm(n, generator=generator)]


def _repeated(rows: Tensor, size: int, generator: torch.Generator) -> Tensor:
    """Draw `size` of some rows; none twice before all others are drawn as often."""
    rounds = -(-size // len(rows))
    drawn = [rows[torch.randperm(len(rows), generator=generator)] for _ in range(rounds)]
    return torch.cat(drawn)[:size]


class LesionDataModule(pl.LightningDataModule):
    """Crops (N, 1, S, S) uint8 and outcomes (N,) float32, resident on the device.

    Those of `watched` have their loss recorded after every epoch, without augmentation.
    """

    def __init__(
        self,
        train: tuple[Tensor, Tensor],
        watched: list[tuple[Tensor, Tensor]],
        *,
        batch_size: int,
        shuffling: Shuffling,
    ) -> None:
        super().__init__()
        self.train_rows = train
        self.watched_rows = watched
        self.batch_size = batch_size
        self.shuffling = shuffling

    def setup(self, stage: str) -> None:
        """Move all rows to the device, once."""
        device = self.trainer.strategy.root_device
        self.train_rows, *self.watched_rows = [
            (crops.to(device), y_true.to(device))
            for crops, y_true in (self.train_rows, *self.watched_rows)
        ]

    def train_dataloader(self) -> Batches:
        """Batches of the current epoch."""
        return Batches(
            *self.train_rows,
            batch_size=self.batch_size,
            shuffling=self.shuffling,
            epoch=lambda: int(self.trainer.current_epoch),
            rank=self._rank(),
        )

    def val_dataloader(self) -> list[Batches]:
        """Batches of the watched rows, in order."""
        return [
            Batches(*rows, batch_size=self.batch_size, rank=self._rank())
            for rows in self.watched_rows
        ]

    def _rank(self) -> tuple[int, int]:
        return int(self.trainer.global_rank), int(self.trainer.world_size)

    def transfer_batch_to_device(
        self, batch: Batch, device: torch.device, dataloader_idx: int
    ) -> Batch:
        """Return the batch: its rows are on the device."""
        return batch


def as_rows(
    crops: NDArray[np.uint8], y_true: NDArray[Any], index: NDArray[np.integer[Any]]
) -> tuple[Tensor, Tensor]:
    """Copy some rows: crops (n, 1, S, S) uint8 and outcomes (n,) float32."""
    outcomes = torch.from_numpy(y_true[index].astype(np.float32))
    return torch.from_numpy(crops[index])[:, None], outcomes
