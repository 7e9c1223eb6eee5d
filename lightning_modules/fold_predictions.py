"""Fine-tuned networks of a cross-validation, one fold after the other, for who may stop early."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from her2.core.errors import BadConfig
from her2.core.settings import BackboneSettings, TrainerSettings
from lightning_modules.device_processes import run_jobs
from lightning_modules.fitting import is_finished
from lightning_modules.jobs import IntArray, Job, Material, Places, plan_job, read_output
from lightning_modules.temperature import prevalence_shift, probabilities

FloatArray = NDArray[np.float64]


def fold_predictions(
    crops: NDArray[np.uint8],
    y_true: NDArray[Any],
    folds: IntArray,
    *,
    backbone: BackboneSettings,
    trainer: TrainerSettings,
    groups: IntArray,
    seed: int,
    folder: Path,
) -> Iterator[tuple[IntArray, FloatArray]]:
    """Yield the rows of each fold, and what networks say of them that were trained on the others.

    A network is trained when its fold is asked for; one whose output lies in `folder` is not
    trained again, and one that was stopped goes on.

    Parameters
    ----------
    crops
        (N, S, S) uint8, of training patients alone.
    y_true, folds, groups
        (N,) outcomes 0 or 1, fold from 0, and units that an inner fold keeps together.
    seed
        Of heads, order, augmentation and dropout.
    folder
        Where outputs and checkpoints lie; names hold what made them, so that many
        cross-validations can share it.

    Yields
    ------
    rows, probability
        (n_fold,) numbers of rows, and their probabilities at the prevalence of all rows; logits
        of `trainer.n_seeds` networks are averaged, without a temperature, which moves no rank.

    Raises
    ------
    BadConfig
        Training diverges.
    NotEstimable
        The rows that a network trains on have one outcome only.
    """
    of = Material(
        crops, y_true, groups, backbone, replace(trainer, keep="final"), seed, folder, None, None
    )
    y = np.asarray(y_true).astype(np.int64)
    for fold in range(int(folds.max()) + 1):
        judged = np.flatnonzero(folds == fold)
        learned = np.flatnonzero(folds != fold)
        jobs = [
            plan_job(of, learned, judged, fold=fold, number=n, predicted=judged)
            for n in range(trainer.n_seeds)
        ]
        yield judged, _predict(jobs, of, y)


def _predict(jobs: list[Job], of: Material, y: NDArray[np.int64]) -> FloatArray:
    run_jobs([job for job in jobs if not is_finished(Places.of(job, of))], of)
    outputs = [read_output(Places.of(job, of).output) for job in jobs]
    logits = np.mean([output.logits for output in outputs], axis=0)
    if not np.isfinite(logits).all():
        raise BadConfig(
            f"training of {of.backbone.name} must converge, found probabilities that are not "
            "finite; lower trainer.learning_rate"
        )
    shift = prevalence_shift(
        y[jobs[0].learned],
        y,
        balanced=of.trainer.balance != "none",
        smoothing=of.trainer.label_smoothing,
    )
    return probabilities(logits, 1.0, shift)
