"""Lightning's trainer, set so that it repeats to the byte and leaves nothing behind."""

from __future__ import annotations

import logging
import tempfile
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Checkpoint
from pytorch_lightning.plugins.environments import LightningEnvironment
from pytorch_lightning.strategies import DDPStrategy
from pytorch_lightning.utilities.exceptions import MisconfigurationException

from her2.core.errors import BadConfig
from her2.core.settings import TrainerSettings
from lightning_modules.reproducible import torch_threads

# What Lightning 2.6 says that is no concern of who reads it.
_HARMLESS = (
    (".*treespec, LeafSpec.*", FutureWarning),  # it asks torch's pytree for a deprecated class
    (".*does not have many workers.*", UserWarning),  # the rows lie in memory
    (".*Checkpoint directory .* exists and is not empty.*", UserWarning),
)


@contextmanager
def quiet_trainer(
    settings: TrainerSettings,
    *,
    watches: bool,
    callbacks: Sequence[pl.Callback] = (),
    is_shared: bool = False,
) -> Iterator[pl.Trainer]:
    """Trainer for as long as the context lasts.

    Parameters
    ----------
    settings
        Epochs, accelerator, precision, devices and threads are read.
    watches
        Whether a fit looks at further rows after every epoch.
    callbacks
        Called by the trainer.
    is_shared
        Whether this process is one of several that train the network together.

    Raises
    ------
    BadConfig
        If the machine has no such accelerator.
    """
    loggers = [logging.getLogger(name) for name in ("pytorch_lightning", "lightning_fabric")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.WARNING)
    try:
        with (
            tempfile.TemporaryDirectory() as folder,
            torch_threads(settings.n_threads),
            warnings.catch_warnings(),
        ):
            for message, category in _HARMLESS:
                warnings.filterwarnings("ignore", message, category)
            parallel = _parallel(settings) if is_shared else {"devices": 1}
            yield _trainer(settings, folder, watches, list(callbacks), parallel)
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def _trainer(
    settings: TrainerSettings,
    folder: str,
    watches: bool,
    callbacks: list[pl.Callback],
    parallel: dict[str, Any],
) -> pl.Trainer:
    try:
        return pl.Trainer(
            max_epochs=settings.max_epochs,
            accelerator=settings.accelerator,
            precision=resolved_precision(settings),
            callbacks=callbacks,
            deterministic=True,
            default_root_dir=folder,
            logger=False,
            enable_checkpointing=bool(callbacks),
            enable_progress_bar=False,
            enable_model_summary=False,
            num_sanity_val_steps=0,
            limit_val_batches=1.0 if watches else 0,
            use_distributed_sampler=False,
            **parallel,
        )
    except (MisconfigurationException, ValueError) as error:
        raise BadConfig(
            f"trainer.accelerator must be one that this machine has, found "
            f"{settings.accelerator!r}; use auto or cpu"
        ) from error


def _parallel(settings: TrainerSettings) -> dict[str, Any]:
    backend = "nccl" if uses_gpu(settings) else "gloo"
    return {
        "devices": settings.devices,
        "strategy": DDPStrategy(process_group_backend=backend),
        "plugins": [LightningEnvironment()],
    }


def uses_gpu(settings: TrainerSettings) -> bool:
    """Whether these settings train on a CUDA device of this machine."""
    return settings.accelerator in ("auto", "gpu", "cuda") and torch.cuda.is_available()


def resolved_precision(settings: TrainerSettings) -> str:
    """Precision by name: that of the settings, or what ``auto`` means on this machine.

    >>> resolved_precision(TrainerSettings(accelerator="cpu"))
    '32'
    """
    if settings.precision != "auto":
        return settings.precision
    has_bf16 = uses_gpu(settings) and torch.cuda.is_bf16_supported()
    return "bf16-mixed" if has_bf16 else "32"


def partial_of(path: Path) -> Path:
    """Where a file lies while it is written, beside its place.

    >>> partial_of(Path("a/b.ckpt")).as_posix()
    'a/.b.ckpt.part'
    """
    return path.with_name(f".{path.name}.part")


class EpochEnd(Checkpoint):  # Lightning calls these after the module itself
    """After every epoch: its losses are told, and the fit's state is in a file, whole or absent.

    Parameters
    ----------
    path
        The file; an older one is replaced. The last epoch leaves none.
    tell
        Called with the module by the first of the processes.
    """

    def __init__(self, path: Path, tell: Callable[[pl.LightningModule], None]) -> None:
        self.path = path
        self.tell = tell

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Write the file, by the first process only."""
        if trainer.is_global_zero:
            self.tell(pl_module)
        if trainer.should_stop or trainer.current_epoch + 1 >= trainer.max_epochs:
            return
        partial = partial_of(self.path)
        trainer.save_checkpoint(partial)  # every process calls it, the first one writes
        if trainer.is_global_zero:
            partial.replace(self.path)
