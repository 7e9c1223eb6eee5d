"""Fine-tuned probabilities that are honest: out of fold in training, held out in test.

Every network is trained for a fixed number of epochs. The fold that a network is judged on never
stops it, selects it or tunes it; its loss is recorded and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pytorch_lightning as pl
import torch
from numpy.typing import NDArray
from torch import Tensor

from her2.errors import BadConfig, LeakageError, NotEstimable
from lightning_modules.backbones import build_backbone, check_name, resolve_weights
from lightning_modules.classifier import SMALL_BATCH, LesionClassifier
from lightning_modules.data import AUGMENTATIONS, Batches, LesionDataModule, as_rows, child_seed
from lightning_modules.embedding import check_crops
from lightning_modules.reproducible import seeded
from lightning_modules.trainer import quiet_trainer

REFIT = -1  # the fold number, in the history, of the network that is fitted to all training rows
HEAD_DROPOUT = 0.2
LAYER_DECAY = 0.75


@dataclass(frozen=True)
class FineTuned:
    """Probabilities of a fine-tuned backbone.

    out_of_fold: (n_train,), each from a network that was not trained on its fold;
    in_sample, held_out: (n_train,) and (n_test,), from one network fitted to all training rows;
    history: one row a fold and epoch, columns fold (-1 for that last network), epoch (from 1),
    train_loss, val_loss (of the judged fold; missing for the last network);
    notes: what a report must say.
    """

    out_of_fold: NDArray[np.float64]
    in_sample: NDArray[np.float64]
    held_out: NDArray[np.float64]
    history: pd.DataFrame
    notes: tuple[str, ...]


@dataclass(frozen=True)
class _Settings:
    backbone: str
    weights: str
    image_size: int
    max_epochs: int
    batch_size: int
    learning_rate: float
    accelerator: str
    augmentation: str
    seed: int
    n_threads: int


def out_of_fold_training(
    crops: NDArray[np.uint8],
    y_true: NDArray[Any],
    folds: NDArray[Any],
    train_index: NDArray[Any],
    test_index: NDArray[Any],
    *,
    backbone: str,
    weights: str,
    image_size: int = 224,
    max_epochs: int = 30,
    batch_size: int = 16,
    learning_rate: float = 5e-4,
    accelerator: str = "auto",
    seed: int = 0,
    augmentation: str = "default",
    n_threads: int = 1,
    log: Callable[[str], None] | None = None,
    on_fitted: Callable[[int, LesionClassifier], None] | None = None,
) -> FineTuned:
    """Fine-tune one network a fold for out-of-fold probabilities, and one on all training rows.

    Parameters
    ----------
    crops
        (N, S, S) uint8.
    y_true
        (N,) outcomes 0 or 1; those of `test_index` are never read.
    folds
        (n_train,) fold of every training row, in the order of `train_index`.
    train_index, test_index
        Rows of `crops` to train on, and to predict (may be empty).
    backbone, weights, image_size
        As in `build_backbone` and `network_input`.
    max_epochs
        Epochs of every network; none is stopped earlier.
    batch_size
        Up to 16, pretrained batch norm keeps its statistics.
    learning_rate
        Of the head; earlier layers have less.
    accelerator
        As Lightning's: ``"auto"``, ``"cpu"``, ``"gpu"``. On a CPU the same seed and `n_threads`
        give the same bytes.
    seed
        Of heads, order, augmentation and dropout; each network draws from its own stream.
    augmentation
        ``"default"`` (shifts, horizontal flips), ``"paper"`` (vertical flips as well) or
        ``"none"``.
    n_threads
        CPU threads of torch; the last bits depend on it, so it is not left to the machine.
    log
        Called with one line a network.
    on_fitted
        Called with every network once it has predicted, after the fold that it has not seen
        (`REFIT`: the network fitted to all training rows).

    Raises
    ------
    BadConfig
        If an argument or the accelerator cannot be used, or training diverges.
    LeakageError
        If a row is both trained on and tested.
    NotEstimable
        If the rows that a network trains on have one outcome only.
    """
    settings = _Settings(
        backbone=backbone,
        weights=weights,
        image_size=image_size,
        max_epochs=max_epochs,
        batch_size=batch_size,
        learning_rate=learning_rate,
        accelerator=accelerator,
        augmentation=augmentation,
        seed=seed,
        n_threads=n_threads,
    )
    train_index, test_index, folds = map(np.asarray, (train_index, test_index, folds))
    _check(settings, crops, folds, train_index, test_index)
    out_of_fold, history = _cross_fit(settings, crops, y_true, folds, train_index, log, on_fitted)
    refit = _fit(settings, as_rows(crops, y_true, train_index), fold=REFIT)
    if log:
        log(f"all training rows: {refit.summary}")
    in_sample = refit.predict(crops[train_index])
    held_out = refit.predict(crops[test_index.astype(np.int64)])
    if on_fitted:
        on_fitted(REFIT, refit.module)
    return FineTuned(
        out_of_fold=out_of_fold,
        in_sample=in_sample,
        held_out=held_out,
        history=pd.DataFrame([*history, *refit.history]),
        notes=_notes(settings),
    )


def _check(
    settings: _Settings,
    crops: NDArray[np.uint8],
    folds: NDArray[Any],
    train_index: NDArray[Any],
    test_index: NDArray[Any],
) -> None:
    check_name(settings.backbone)
    check_crops(crops)
    if settings.augmentation not in AUGMENTATIONS:
        raise BadConfig(
            f"augmentation must be one of {', '.join(AUGMENTATIONS)}, found "
            f"{settings.augmentation!r}; choose one of them"
        )
    if settings.max_epochs < 1 or settings.batch_size < 1:
        raise BadConfig(
            f"trainer.max_epochs and the batch size must be at least 1, found "
            f"{settings.max_epochs} and {settings.batch_size}; raise them"
        )
    shared = np.intersect1d(train_index, test_index)
    if shared.size:
        raise LeakageError(
            f"training and test rows must be disjoint, found {shared.size} in both; draw the "
            f"split again"
        )
    n_folds = np.unique(folds).size
    if folds.shape != train_index.shape or n_folds < 2 or folds.min() < 0:
        raise BadConfig(
            f"folds must give one of two or more folds, numbered from 0, to each of "
            f"{train_index.size} training rows, found {folds.size} rows in {n_folds} folds; "
            f"draw them again"
        )


def _cross_fit(
    settings: _Settings,
    crops: NDArray[np.uint8],
    y_true: NDArray[Any],
    folds: NDArray[Any],
    train_index: NDArray[Any],
    log: Callable[[str], None] | None,
    on_fitted: Callable[[int, LesionClassifier], None] | None,
) -> tuple[NDArray[np.float64], list[dict[str, Any]]]:
    """Out-of-fold probabilities (n_train,) and the history of the networks that gave them."""
    out_of_fold = np.zeros(train_index.size)
    history: list[dict[str, Any]] = []
    names = np.unique(folds)
    for number, fold in enumerate(names, start=1):
        is_judged = folds == fold
        judged = train_index[is_judged]
        fit = _fit(
            settings,
            as_rows(crops, y_true, train_index[~is_judged]),
            as_rows(crops, y_true, judged),
            fold=int(fold),
        )
        out_of_fold[is_judged] = fit.predict(crops[judged])
        if on_fitted:
            on_fitted(int(fold), fit.module)
        history += fit.history
        if log:
            log(f"fold {number} of {names.size}: {fit.summary}")
    return out_of_fold, history


@dataclass(frozen=True)
class _Fitted:
    """A trained network, its losses and its probabilities."""

    settings: _Settings
    fold: int
    module: LesionClassifier

    @property
    def history(self) -> list[dict[str, Any]]:
        """Losses of every epoch."""
        return [
            {
                "fold": self.fold,
                "epoch": loss.epoch,
                "train_loss": loss.train,
                "val_loss": np.nan if loss.judged is None else loss.judged,
            }
            for loss in self.module.losses
        ]

    @property
    def summary(self) -> str:
        """Last losses, for a person to read."""
        last = self.module.losses[-1]
        judged = "" if last.judged is None else f", judged loss {last.judged:.3f}"
        return f"training loss {last.train:.3f}{judged} after {last.epoch} epochs"

    def predict(self, crops: NDArray[np.uint8]) -> NDArray[np.float64]:
        """Probabilities (n,) of crops (n, S, S)."""
        if len(crops) == 0:
            return np.zeros(0)
        rows = as_rows(crops, np.zeros(len(crops)), np.arange(len(crops)))
        batches = Batches(*rows, batch_size=self.settings.batch_size)
        with seeded(0), _trainer(self.settings) as trainer:
            parts: list[Tensor] = trainer.predict(self.module, dataloaders=batches)
        y_prob: NDArray[np.float64] = torch.cat(parts).double().numpy()
        if not np.isfinite(y_prob).all():
            raise BadConfig(
                f"training of {self.settings.backbone} must converge, found probabilities that "
                f"are not finite; lower the learning rate"
            )
        return y_prob


def _fit(
    settings: _Settings,
    train: tuple[Tensor, Tensor],
    judged: tuple[Tensor, Tensor] | None = None,
    *,
    fold: int,
) -> _Fitted:
    """Fit a network to some rows; the judged ones are looked at, never learned from."""
    seed = child_seed(settings.seed, fold - REFIT)
    data = LesionDataModule(
        train,
        judged,
        batch_size=settings.batch_size,
        augmentation=AUGMENTATIONS[settings.augmentation],
        seed=seed,
    )
    module = _module(settings, train[1], seed).train()
    with seeded(seed), _trainer(settings, judges=judged is not None) as trainer:
        trainer.fit(module, datamodule=data)
    return _Fitted(settings, fold, module)


def _trainer(settings: _Settings, *, judges: bool = False) -> AbstractContextManager[pl.Trainer]:
    return quiet_trainer(
        max_epochs=settings.max_epochs,
        accelerator=settings.accelerator,
        n_threads=settings.n_threads,
        judges=judges,
    )


def _module(settings: _Settings, y_true: Tensor, seed: int) -> LesionClassifier:
    n_rows, n_positive = len(y_true), int((y_true == 1).sum())
    if n_positive in (0, n_rows):
        raise NotEstimable(
            f"a network needs both outcomes to train on, found {n_positive} positives among "
            f"{n_rows} rows; use fewer folds"
        )
    backbone = build_backbone(
        settings.backbone,
        weights=settings.weights,
        num_classes=1,
        drop_rate=HEAD_DROPOUT,
        seed=seed,
    )
    is_pretrained = backbone.weights.kind != "none"
    return LesionClassifier(
        backbone,
        image_size=settings.image_size,
        positive_weight=(n_rows - n_positive) / n_positive,
        learning_rate=settings.learning_rate,
        layer_decay=LAYER_DECAY if is_pretrained else 1.0,
        freezes_batch_norm=is_pretrained and settings.batch_size <= SMALL_BATCH,
    )


def _notes(settings: _Settings) -> tuple[str, ...]:
    fixed = (
        f"{settings.backbone}: every network was trained for {settings.max_epochs} epochs; none "
        f"was stopped or chosen by the fold it is judged on"
    )
    note = resolve_weights(settings.backbone, settings.weights).note
    return (fixed, note) if note else (fixed,)
