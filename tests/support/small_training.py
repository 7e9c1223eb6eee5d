"""A fine-tuning that takes a second: bright squares are positive, which any network learns."""

import tempfile
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np

from her2.core.settings import BackboneSettings, TrainerSettings
from lightning_modules.fine_tuning.cross_fitting import FineTuned, out_of_fold_training
from lightning_modules.fine_tuning.jobs import TrainingTask

N_TRAIN, N_TEST = 24, 8
TRAIN, TEST = np.arange(N_TRAIN), np.arange(N_TRAIN, N_TRAIN + N_TEST)
FOLDS = np.arange(N_TRAIN) // 2 % 2
BACKBONE = {field.name for field in fields(BackboneSettings)}
TRAINER = {field.name for field in fields(TrainerSettings)}
TASK = {field.name for field in fields(TrainingTask)}
FIELDS = ("out_of_fold", "in_sample", "held_out")


def cohort() -> tuple[np.ndarray, np.ndarray]:
    """Crops (32, 32, 32) and outcomes (32,)."""
    rng = np.random.default_rng(0)
    y_true = np.arange(N_TRAIN + N_TEST) % 2
    crops = rng.integers(60, 120, (len(y_true), 32, 32))
    crops[y_true == 1, 8:24, 8:24] += 100
    return crops.astype(np.uint8), y_true


def tuned(
    crops: np.ndarray,
    y_true: np.ndarray,
    *,
    folds: np.ndarray = FOLDS,
    train: np.ndarray = TRAIN,
    test: np.ndarray = TEST,
    **changes: Any,
) -> FineTuned:
    """Train with some settings of the backbone, the trainer or the call changed."""
    network = {"name": "test_resnet", "weights": "none", "image_size": 32}
    settings = {
        "max_epochs": 4, "batch_size": 8, "learning_rate": 3e-3, "accelerator": "cpu", "ema": 0.0,
    }  # fmt: skip
    given: dict[str, Any] = {"seed": 0, "groups": np.arange(len(crops))}
    call: dict[str, Any] = {}
    for key, value in changes.items():
        homes = ((BACKBONE, network), (TRAINER, settings), (TASK, given))
        next((home for names, home in homes if key in names), call)[key] = value
    with tempfile.TemporaryDirectory() as temporary:
        task = TrainingTask(
            crops, y_true, backbone=BackboneSettings(**network),
            trainer=TrainerSettings(**settings), **{"folder": Path(temporary), **given},
        )  # fmt: skip
        return out_of_fold_training(task, folds, train, test, **call)
