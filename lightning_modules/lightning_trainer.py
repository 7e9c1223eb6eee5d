"""Lightning's trainer, configured to print nothing and to leave no files but its checkpoint."""

from __future__ import annotations

import logging
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
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
from lightning_modules.torch_runtime import torch_threads

# Warnings of Lightning 2.6 and torch that do not concern the user.
_HARMLESS = (
    (".*treespec, LeafSpec.*", FutureWarning),  # Lightning asks for a deprecated class of torch
    (".*does not have many workers.*", UserWarning),  # the data lie in memory
    (".*Checkpoint directory .* exists and is not empty.*", UserWarning),
    # bicubic enlargement has no deterministic gradient on a GPU
    (".*does not have a deterministic implementation.*", UserWarning),
)


@contextmanager
def quiet_trainer(
    accelerator: str, *, group: str, n_threads: int, **options: Any
) -> Iterator[pl.Trainer]:
    """Return a context with a trainer that prints nothing.

    Raises BadConfig if the machine has no such accelerator. group: of the settings that name it,
    for the message. n_threads: of torch on a CPU; the last bits depend on it. options: further
    arguments of `pl.Trainer`.
    """
    loggers = [logging.getLogger(name) for name in ("pytorch_lightning", "lightning_fabric")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.WARNING)
    try:
        with (
            tempfile.TemporaryDirectory() as folder,
            torch_threads(n_threads),
            warnings.catch_warnings(),
        ):
            for message, category in _HARMLESS:
                warnings.filterwarnings("ignore", message, category)
            yield _trainer(accelerator, group, default_root_dir=folder, **options)
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def _trainer(accelerator: str, group: str, **options: Any) -> pl.Trainer:
    silent = dict.fromkeys(("logger", "enable_progress_bar", "enable_model_summary"), False)
    try:
        return pl.Trainer(accelerator=accelerator, num_sanity_val_steps=0, **silent, **options)
    except (MisconfigurationException, ValueError) as error:
        raise BadConfig(
            f"expected {group}.accelerator to be one that this machine has, found "
            f"{accelerator!r}; use auto or cpu"
        ) from error


def fine_tuning_trainer(
    settings: TrainerSettings, end: EpochEnd, *, watches: bool, is_shared: bool = False
) -> AbstractContextManager[pl.Trainer]:
    """Return a context with a deterministic trainer for `LesionClassifier`.

    end: called after every epoch. watches: whether a fit evaluates further rows then. is_shared:
    whether this process is one of several that train the network together.
    """
    parallel: dict[str, Any] = {"devices": 1}
    if is_shared:
        backend = "nccl" if uses_gpu(settings) else "gloo"
        parallel = {
            "devices": settings.devices,
            "strategy": DDPStrategy(process_group_backend=backend),
            "plugins": [LightningEnvironment()],
        }
    return quiet_trainer(
        settings.accelerator, group="trainer", n_threads=settings.n_threads,
        max_epochs=settings.max_epochs, precision=resolved_precision(settings), callbacks=[end],
        deterministic=True, limit_val_batches=1.0 if watches else 0,
        use_distributed_sampler=False, **parallel,
    )  # fmt: skip


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
    """Reports each epoch, and writes the state of the fit to a file, whole or not at all.

    An older file is replaced; the last epoch writes none. Only the first of the processes reports.
    """

    def __init__(self, path: Path, report: Callable[[pl.LightningModule], None]) -> None:
        self.path = path
        self.report = report

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Write the file, by the first process only."""
        if trainer.is_global_zero:
            self.report(pl_module)
        if trainer.should_stop or trainer.current_epoch + 1 >= trainer.max_epochs:
            return
        partial = partial_of(self.path)
        trainer.save_checkpoint(partial)  # every process calls it, the first one writes
        if trainer.is_global_zero:
            partial.replace(self.path)
