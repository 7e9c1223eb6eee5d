"""A fine-tuning that takes a second: bright squares are positive, which any network learns."""

from dataclasses import fields
from typing import Any

import numpy as np

from her2.core.settings import BackboneSettings, TrainerSettings
from lightning_modules.training import FineTuned, out_of_fold_training

N_TRAIN, N_TEST = 24, 8
TRAIN, TEST = np.arange(N_TRAIN), np.arange(N_TRAIN, N_TRAIN + N_TEST)
FOLDS = np.arange(N_TRAIN) // 2 % 2
BACKBONE = {field.name for field in fields(BackboneSettings)}
TRAINER = {field.name for field in fields(TrainerSettings)}
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
        "max_epochs": 6, "batch_size": 8, "learning_rate": 3e-3, "accelerator": "cpu", "ema": 0.0,
    }  # fmt: skip
    call: dict[str, Any] = {"seed": 0}
    for key, value in changes.items():
        home = network if key in BACKBONE else settings if key in TRAINER else call
        home[key] = value
    return out_of_fold_training(
        crops, y_true, folds, train, test, backbone=BackboneSettings(**network),
        trainer=TrainerSettings(**settings), **call,
    )  # fmt: skip
