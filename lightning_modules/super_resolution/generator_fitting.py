"""Fitting of a generator, which can be interrupted at any time and resumes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pytorch_lightning as pl
import torch
from torch import nn

from her2.core.errors import BadConfig
from her2.core.store import write_atomic
from lightning_modules.lightning_trainer import EpochEnd, quiet_trainer
from lightning_modules.networks.unet_discriminator import UNetDiscriminator
from lightning_modules.super_resolution.generator_files import Seen, save_generator
from lightning_modules.super_resolution.generator_plan import FittingPlan
from lightning_modules.super_resolution.patches import Frame, PatchDataModule
from lightning_modules.super_resolution.srgan import SuperResolution
from lightning_modules.torch_runtime import interruptible, seeded

CHECKPOINT = "checkpoint.ckpt"
WEIGHTS = "generator.safetensors"
HISTORY = "history.csv"
OnEpoch = Callable[[int, nn.Module], None]


def fit_generator(
    train: Sequence[Frame],
    validation: Sequence[Frame],
    plan: FittingPlan,
    seen: Seen,
    *,
    folder: Path,
    on_epoch: OnEpoch = lambda step, network: None,
    advance: Callable[[int], None] = lambda done: None,
) -> pd.DataFrame:
    """Fit a generator, write it to ``folder/generator.safetensors``, and return its history.

    Every `plan.steps_per_epoch` steps the state is written, whole or not at all. A folder with a
    state resumes from it, and ends with the same weights as a fit that was never interrupted.

    Parameters
    ----------
    train, validation
        Native images, (H, W) uint8 each. Validation images decide nothing; there may be none.
    plan
        Sizes, steps, seed.
    seen
        Patients and images, written into the file.
    folder
        Of this fit alone.
    on_epoch
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
    schedule = plan.schedule
    with seeded(plan.seed):
        generator = plan.architecture.build()  # first: the order decides the initial weights
        discriminator = UNetDiscriminator(plan.discriminator_channels)
    module = SuperResolution(generator, discriminator, schedule)
    checkpoint = folder / CHECKPOINT
    fit = quiet_trainer(
        plan.accelerator,
        group="enhance",
        n_threads=plan.n_threads,
        max_epochs=-(-schedule.n_steps // plan.steps_per_epoch),
        devices=1,
        limit_val_batches=1.0 if validation else 0,
        deterministic="warn",
        callbacks=[
            _Progress(on_epoch, advance),
            EpochEnd(checkpoint, lambda fitted: _write_history(fitted, folder)),
        ],
        reload_dataloaders_every_n_epochs=1,
    )
    with seeded(plan.seed), fit as trainer, interruptible():
        trainer.fit(
            module,
            datamodule=PatchDataModule(train, validation, plan),
            ckpt_path=str(checkpoint) if checkpoint.is_file() else None,
            weights_only=True,
        )
    network = module.mean_generator
    if not all(torch.isfinite(parameter).all() for parameter in network.parameters()):
        raise BadConfig(
            "expected the generator's fit to converge, found weights that are not finite; lower "
            "enhance.learning_rate"
        )
    save_generator(folder / WEIGHTS, network, plan.architecture, seen, n_steps=schedule.n_steps)
    checkpoint.unlink(missing_ok=True)
    return pd.DataFrame(module.history)


def read_history(folder: Path) -> pd.DataFrame:
    """Return the history of a finished fit."""
    return pd.read_csv(folder / HISTORY)


def _write_history(module: SuperResolution, folder: Path) -> None:
    text = pd.DataFrame(module.history).to_csv(index=False, lineterminator="\n")
    write_atomic(folder / HISTORY, text.encode())


class _Progress(pl.Callback):
    """Reports how far the fit is."""

    def __init__(self, on_epoch: OnEpoch, advance: Callable[[int], None]) -> None:
        self.on_epoch = on_epoch
        self.advance = advance

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: SuperResolution, *arguments: Any
    ) -> None:
        """Report the steps that are done."""
        self.advance(pl_module.n_done)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: SuperResolution) -> None:
        """Hand over the generator as it is."""
        self.on_epoch(pl_module.n_done, pl_module.mean_generator)
