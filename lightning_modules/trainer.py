"""Lightning's trainer, set so that it repeats to the byte and leaves nothing behind."""

from __future__ import annotations

import logging
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import pytorch_lightning as pl
from pytorch_lightning.utilities.exceptions import MisconfigurationException

from her2.errors import BadConfig
from lightning_modules.reproducible import torch_threads


@contextmanager
def quiet_trainer(
    *, max_epochs: int, accelerator: str, n_threads: int, judges: bool
) -> Iterator[pl.Trainer]:
    """Trainer of one device for as long as the context lasts.

    Parameters
    ----------
    max_epochs
        Epochs that a fit runs, all of them.
    accelerator
        ``"auto"``, ``"cpu"``, ``"gpu"``: as Lightning's.
    n_threads
        CPU threads of torch.
    judges
        Whether a fit looks at judged rows after every epoch.

    Raises
    ------
    BadConfig
        If the machine has no such accelerator.
    """
    logger = logging.getLogger("pytorch_lightning")
    level = logger.level
    logger.setLevel(logging.WARNING)
    try:
        with (
            tempfile.TemporaryDirectory() as folder,
            torch_threads(n_threads),
            warnings.catch_warnings(),
        ):
            # Lightning 2.6 still asks torch's pytree for a class that torch has deprecated.
            warnings.filterwarnings("ignore", ".*treespec, LeafSpec.*", FutureWarning)
            yield _trainer(max_epochs, accelerator, folder, judges=judges)
    finally:
        logger.setLevel(level)


def _trainer(max_epochs: int, accelerator: str, folder: str, *, judges: bool) -> pl.Trainer:
    try:
        return pl.Trainer(
            max_epochs=max_epochs,
            accelerator=accelerator,
            devices=1,
            deterministic=True,
            default_root_dir=folder,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            num_sanity_val_steps=0,
            limit_val_batches=1.0 if judges else 0,
            reload_dataloaders_every_n_epochs=1,
        )
    except (MisconfigurationException, ValueError) as error:
        raise BadConfig(
            f"trainer.accelerator must be one that this machine has, found {accelerator!r}; "
            f"use auto or cpu"
        ) from error
