"""Fitting of a generator that can be stopped at any time and goes on where it was."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
import pytorch_lightning as pl
import torch
from pytorch_lightning.utilities.exceptions import MisconfigurationException
from torch import nn

from her2.core.errors import BadConfig
from her2.core.store import write_atomic
from lightning_modules.degradation import Degradation
from lightning_modules.generator_files import Architecture, Seen, save_generator
from lightning_modules.interrupting import interruptible
from lightning_modules.networks.unet_discriminator import N_LEVELS, UNetDiscriminator
from lightning_modules.patches import Frame, PatchDataModule
from lightning_modules.reproducible import seeded, torch_threads
from lightning_modules.rescaling import FACTOR
from lightning_modules.super_resolution import Schedule, SuperResolution

CHECKPOINT = "checkpoint.ckpt"
WEIGHTS = "generator.safetensors"
HISTORY = "history.csv"
Look = Callable[[int, nn.Module], None]


@dataclass(frozen=True)
class FittingPlan:
    """Everything that the fitted weights depend on, beside the images.

    steps_per_epoch: steps between two checkpoints, and two looks at validation frames;
    n_threads: of the CPU; the last bits depend on it, so it is not left to the machine.
    """

    architecture: Architecture
    schedule: Schedule
    discriminator_channels: int = 64
    patch_size: int = 32
    batch_size: int = 8
    steps_per_epoch: int = 200
    seed: int = 0
    n_threads: int = 1
    accelerator: str = "auto"
    degradation: Degradation = field(default_factory=Degradation)

    def __post_init__(self) -> None:
        least = {
            "batch_size": self.batch_size, "steps_per_epoch": self.steps_per_epoch,
            "n_threads": self.n_threads, "max_steps_pixel": self.schedule.pixel_steps,
        }  # fmt: skip
        wrong = [f"enhance.{name}={value}" for name, value in least.items() if value < 1]
        if self.schedule.adversarial_steps < 0:
            wrong.append(f"enhance.max_steps_adversarial={self.schedule.adversarial_steps}")
        if wrong:
            raise BadConfig(
                f"expected numbers of steps, images and threads of at least 1 (adversarial steps: "
                f"0), found {', '.join(wrong)}; raise them"
            )
        if self.patch_size < 8 or self.patch_size * FACTOR % 2**N_LEVELS:
            raise BadConfig(
                "expected enhance.patch_size of at least 8 and even, found "
                f"{self.patch_size}; 32 is usual"
            )


def fit_generator(
    train: Sequence[Frame],
    validation: Sequence[Frame],
    plan: FittingPlan,
    seen: Seen,
    *,
    folder: Path,
    look: Look = lambda step, network: None,
    advance: Callable[[int], None] = lambda done: None,
) -> pd.DataFrame:
    """Fit a generator, write it to ``folder/generator.safetensors``, and return its history.

    Every `plan.steps_per_epoch` steps the state is written, whole or not at all; a folder with a
    state goes on from it and ends with the same weights as if it had never been stopped.

    Parameters
    ----------
    train, validation
        Native images, (H, W) uint8 each. Validation images are looked at, nothing is decided by
        them; there may be none.
    plan
        Sizes, steps, seed.
    seen
        Whose images these are, written into the file.
    folder
        Of this fit alone.
    look
        Called with the steps done and the generator after every epoch.
    advance
        Called with the steps done.

    Returns
    -------
    DataFrame
        One row an epoch: stage, step, pixel, gradient, feature_matching, adversarial,
        discriminator (mean losses of the epoch), psnr, psnr_bicubic (of the validation images).

    Raises
    ------
    BadConfig
        The accelerator does not exist, or the fit diverges.
    """
    with seeded(plan.seed):
        module = SuperResolution(
            plan.architecture.build(), UNetDiscriminator(plan.discriminator_channels),
            plan.schedule,
        )  # fmt: skip
    data = PatchDataModule(
        train, validation, patch_size=plan.patch_size, batch_size=plan.batch_size,
        steps_per_epoch=plan.steps_per_epoch, n_steps=plan.schedule.n_steps, seed=plan.seed,
        degradation=plan.degradation,
    )  # fmt: skip
    checkpoint = folder / CHECKPOINT
    _run(module, data, plan, checkpoint, [_Teller(look, advance), _Keeper(checkpoint)])
    history = _checked(module)
    save_generator(
        folder / WEIGHTS, module.mean_generator, plan.architecture, seen,
        n_steps=plan.schedule.n_steps,
    )  # fmt: skip
    checkpoint.unlink(missing_ok=True)
    return history


def read_history(folder: Path) -> pd.DataFrame:
    """Return the history of a finished fit."""
    return pd.read_csv(folder / HISTORY)


class _Keeper(pl.callbacks.Checkpoint):
    """Writes the whole state after every epoch, so that a reader finds the old one or the new."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Write the state; Lightning calls this after the module's own hook."""
        unfinished = self.path.with_suffix(".unfinished")
        trainer.save_checkpoint(unfinished)
        unfinished.replace(self.path)
        table = pd.DataFrame(pl_module.history)
        text = table.to_csv(index=False, lineterminator="\n")
        write_atomic(self.path.parent / HISTORY, text.encode())


class _Teller(pl.Callback):
    """Tells how far the fit is."""

    def __init__(self, look: Look, advance: Callable[[int], None]) -> None:
        self.look = look
        self.advance = advance

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: SuperResolution, *arguments: Any
    ) -> None:
        """Tell the steps that are done."""
        self.advance(pl_module.n_done)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: SuperResolution) -> None:
        """Show the generator as it is."""
        self.look(pl_module.n_done, pl_module.mean_generator)


def _run(
    module: SuperResolution,
    data: PatchDataModule,
    plan: FittingPlan,
    checkpoint: Path,
    callbacks: list[pl.Callback],
) -> None:
    n_epochs = -(-plan.schedule.n_steps // plan.steps_per_epoch)
    resumed = str(checkpoint) if checkpoint.is_file() else None
    with seeded(plan.seed), torch_threads(plan.n_threads), _quiet(), interruptible():
        trainer = _trainer(
            n_epochs, plan.accelerator, checkpoint.parent, callbacks, looks=bool(data.validation)
        )
        trainer.fit(module, datamodule=data, ckpt_path=resumed, weights_only=True)


def _trainer(
    n_epochs: int, accelerator: str, folder: Path, callbacks: list[pl.Callback], *, looks: bool
) -> pl.Trainer:
    try:
        return pl.Trainer(
            max_epochs=n_epochs,
            accelerator=accelerator,
            devices=1,
            limit_val_batches=1.0 if looks else 0,
            deterministic="warn",
            default_root_dir=folder,
            logger=False,
            callbacks=callbacks,
            enable_progress_bar=False,
            enable_model_summary=False,
            num_sanity_val_steps=0,
            reload_dataloaders_every_n_epochs=1,
        )
    except (MisconfigurationException, ValueError) as error:
        raise BadConfig(
            f"expected enhance.accelerator to be one that this machine has, found "
            f"{accelerator!r}; use auto or cpu"
        ) from error


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep Lightning's own lines off the user's screen."""
    log = logging.getLogger("pytorch_lightning")
    level = log.level
    log.setLevel(logging.WARNING)
    try:
        with warnings.catch_warnings():
            # Lightning 2.6 still asks torch's pytree for a class that torch has deprecated.
            warnings.filterwarnings("ignore", ".*treespec, LeafSpec.*", FutureWarning)
            # the loader is a list in memory: no worker could make it faster
            warnings.filterwarnings("ignore", ".*does not have many workers.*")
            # bicubic enlargement has no deterministic gradient on a GPU
            warnings.filterwarnings("ignore", ".*does not have a deterministic implementation.*")
            yield
    finally:
        log.setLevel(level)


def _checked(module: SuperResolution) -> pd.DataFrame:
    """Return the history of a fit whose weights are numbers."""
    if not all(torch.isfinite(p).all() for p in module.mean_generator.parameters()):
        raise BadConfig(
            "expected the generator's fit to converge, found weights that are not finite; lower "
            "enhance.learning_rate"
        )
    return pd.DataFrame(module.history)
