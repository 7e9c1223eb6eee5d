"""Fitting of a generator, which can be interrupted at any time and resumes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

import pandas as pd
import torch
from pytorch_lightning.callbacks import LambdaCallback

from her2.core.errors import BadConfig
from her2.core.settings import EnhanceSettings
from her2.core.store import write_atomic
from lightning_modules.lightning_trainer import EpochEnd, quiet_trainer
from lightning_modules.networks.rrdb import RRDBGenerator
from lightning_modules.networks.unet_discriminator import N_LEVELS, UNetDiscriminator
from lightning_modules.super_resolution.generator_files import Seen, save_generator
from lightning_modules.super_resolution.patches import Frame, PatchDataModule
from lightning_modules.super_resolution.rescaling import FACTOR
from lightning_modules.super_resolution.srgan import SuperResolution
from lightning_modules.torch_runtime import interruptible, seeded

CHECKPOINT = "checkpoint.ckpt"
WEIGHTS = "generator.safetensors"
HISTORY = "history.csv"


def check_fit(settings: EnhanceSettings) -> None:
    """Raise BadConfig unless a generator of these settings can be built and fitted."""
    with torch.device("meta"):  # no memory, and nothing is drawn
        RRDBGenerator(**asdict(settings.generator))
    if settings.max_steps_pixel < 1:
        raise BadConfig(
            f"expected numbers of steps, images and threads of at least 1 (adversarial steps: "
            f"0), found enhance.max_steps_pixel={settings.max_steps_pixel}; raise them"
        )
    if settings.patch_size < 8 or settings.patch_size * FACTOR % 2**N_LEVELS:
        raise BadConfig(
            "expected enhance.patch_size of at least 8 and even, found "
            f"{settings.patch_size}; 32 is usual"
        )


def fit_generator(
    train: Sequence[Frame],
    validation: Sequence[Frame],
    settings: EnhanceSettings,
    seen: Seen,
    *,
    seed: int,
    folder: Path,
    report: Callable[[int, RRDBGenerator], None] = lambda step, network: None,
) -> pd.DataFrame:
    """Fit a generator, write it to ``folder/generator.safetensors``, and return its history.

    Every `settings.steps_per_epoch` steps the state is written, whole or not at all. A folder
    with a state resumes from it, and ends with the same weights as a fit that was never
    interrupted; it must be of this fit alone. Images are (H, W) uint8 each; those of `validation`,
    if any, decide nothing. report: called after every step with the steps done, and the generator
    as it is.

    The history has a row an epoch: stage, step, pixel, gradient, feature_matching, adversarial,
    discriminator (mean losses of the epoch), psnr, psnr_bicubic (of the validation images).
    """
    check_fit(settings)
    with seeded(seed):  # first the generator: the order decides the initial weights
        networks = (
            RRDBGenerator(**asdict(settings.generator)),
            UNetDiscriminator(settings.discriminator_channels),
        )
    module = SuperResolution(*networks, settings)
    _fit(module, PatchDataModule(train, validation, settings, seed), seed, folder, report)
    network = module.mean_generator
    if not all(torch.isfinite(parameter).all() for parameter in network.parameters()):
        raise BadConfig(
            "expected the generator's fit to converge, found weights that are not finite; lower "
            "enhance.learning_rate"
        )
    save_generator(folder / WEIGHTS, network, seen, n_steps=settings.n_steps)
    (folder / CHECKPOINT).unlink(missing_ok=True)
    return pd.DataFrame(module.history)


def _fit(
    module: SuperResolution,
    data: PatchDataModule,
    seed: int,
    folder: Path,
    report: Callable[[int, RRDBGenerator], None],
) -> None:
    settings, checkpoint = module.settings, folder / CHECKPOINT
    told = LambdaCallback(
        on_train_batch_end=lambda trainer, fitted, *_: report(fitted.n_done, fitted.mean_generator)
    )
    fit = quiet_trainer(
        settings.accelerator,
        group="enhance",
        n_threads=settings.n_threads,
        max_epochs=-(-settings.n_steps // settings.steps_per_epoch),
        devices=1,
        limit_val_batches=1.0 if data.validation else 0,
        deterministic="warn",
        callbacks=[told, EpochEnd(checkpoint, lambda fitted: _write_history(fitted, folder))],
        reload_dataloaders_every_n_epochs=1,
    )
    with seeded(seed), fit as trainer, interruptible():
        start = str(checkpoint) if checkpoint.is_file() else None
        trainer.fit(module, datamodule=data, ckpt_path=start, weights_only=True)


def read_history(folder: Path) -> pd.DataFrame:
    """Return the history of a finished fit."""
    return pd.read_csv(folder / HISTORY)


def _write_history(module: SuperResolution, folder: Path) -> None:
    text = pd.DataFrame(module.history).to_csv(index=False, lineterminator="\n")
    write_atomic(folder / HISTORY, text.encode())
