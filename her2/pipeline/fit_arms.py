"""Fitting a run's arms: signatures of every lesion, and the models that are kept."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
import skops.io

from her2.core.progress import progress
from her2.core.run_folder import RunFolder
from her2.core.settings import StudySettings
from her2.core.store import write_atomic, write_json
from her2.models.negative_controls import Control
from her2.models.nested_cv import (
    Arm,
    CombinedArm,
    FittedArm,
    Signature,
    TrainingSet,
    arm_signature,
    combine,
    combined_signature,
    fit_arms,
    n_searches,
)
from her2.pipeline.run import OpenRun

logger = logging.getLogger(__name__)

MODEL_SELECTION_COLUMNS = (
    "arm", "classifier", "parameters", "cv_auc_mean", "cv_auc_sd",
    "cv_log_loss_mean", "chosen",
)  # fmt: skip


@dataclass(frozen=True)
class Fitted:
    """Fitted arms by name, the combined arm if its members are there, and all signatures."""

    arms: dict[str, FittedArm]
    combined: CombinedArm | None
    signatures: dict[str, Signature]


def fit_run(run: OpenRun, arms: Sequence[Arm], members: Sequence[str]) -> Fitted:
    """Return every arm fitted on training patients, and the combined arm of `members`."""
    total = len(arms) * n_searches(run.training)
    with run.watch.step("fit"), progress("fitting", total, "searches") as advance:
        fitted = fit_protocol(
            arms, run.training, run.held_out, members=members, settings=run.settings,
            n_workers=run.n_workers, advance=advance,
        )  # fmt: skip
    for name, signature in fitted.signatures.items():
        logger.info("arm %s: %s, %d features", name, signature.model, signature.n_features)
    return fitted


def fit_protocol(
    arms: Sequence[Arm],
    training: TrainingSet,
    held_out: Sequence[str],
    *,
    members: Sequence[str],
    settings: StudySettings,
    n_workers: int = 1,
    advance: Callable[[int], None] = lambda done: None,
) -> Fitted:
    """Return what the study's protocol makes of some arms: fits, fusion, and all signatures."""
    evaluation = settings.evaluation
    fitted = fit_arms(
        arms, training, n_folds=evaluation.n_inner_folds, scoring=evaluation.scoring,
        seed=settings.seed, n_workers=n_workers, advance=advance,
    )  # fmt: skip
    signatures = {arm.name: arm_signature(fitted[arm.name], arm, held_out) for arm in arms}
    combined = None
    if members and set(members) <= set(fitted):
        combined = combine(fitted, members, training)
        signatures["combined"] = combined_signature(combined, signatures)
    return Fitted(fitted, combined, signatures)


@dataclass(frozen=True)
class StudyProtocol:
    """The protocol of `her2 study`: all fits and the fusion, as a trial asks for them."""

    settings: StudySettings

    def __call__(self, trial: Control) -> dict[str, Signature]:
        """Return the signatures of every arm; the held-out outcomes are not looked at."""
        return fit_protocol(
            trial.arms, trial.training, trial.held_out.keys, members=self.settings.fusion.members,
            settings=self.settings,
        ).signatures  # fmt: skip


def selection_notes(fitted: Mapping[str, FittedArm]) -> list[str]:
    """Return where a filter kept nothing by its own rule and fell back to its best feature."""
    notes = []
    for name, arm in fitted.items():
        fits = [*arm.by_fold, arm.final]
        fell = sum(
            any(getattr(step, "fell_back_", False) for _, step in fit.pipeline.steps)
            for fit in fits
        )
        if fell:
            notes.append(
                f"{name}: in {fell} of {len(fits)} fits a filter kept no feature by its own rule, "
                "and the single best one was used"
            )
    return notes


def model_selection_table(fitted: Mapping[str, FittedArm]) -> pd.DataFrame:
    """Return the grid search of every arm on all training rows: one row a candidate."""
    frames = [arm.final.table.assign(arm=name) for name, arm in fitted.items()]
    if not frames:
        return pd.DataFrame(columns=list(MODEL_SELECTION_COLUMNS))
    return pd.concat(frames, ignore_index=True)[list(MODEL_SELECTION_COLUMNS)]


def save_models(
    folder: RunFolder, fitted: Fitted, arms: Sequence[Arm], training: TrainingSet
) -> None:
    """Write the final pipelines to model/, one skops file an arm (no pickle), and their inputs."""
    pipelines = {name: arm.final.pipeline for name, arm in fitted.arms.items()}
    inputs = {arm.name: _inputs(arm, training.keys) for arm in arms}
    if fitted.combined is not None:
        pipelines["combined"] = fitted.combined.regression
        inputs["combined"] = {"members": list(fitted.combined.members)}
    for name, pipeline in pipelines.items():
        write_atomic(folder.file("model") / f"{name}.skops", skops.io.dumps(pipeline))
    write_json(folder.file("model") / "inputs.json", {"format": 1, "arms": inputs})


def _inputs(arm: Arm, keys: Sequence[str]) -> dict[str, Any]:
    """Return the columns that a pipeline takes, in order, and a row as no patient has it.

    The row holds the median, or the most frequent text, of the training rows.
    """
    rows = arm.features.loc[list(keys)]
    columns, example = {}, {}
    for name, values in rows.items():
        known = values.dropna()
        is_number = pd.api.types.is_numeric_dtype(values)
        columns[str(name)] = "number" if is_number else "text"
        typical = (known.median() if is_number else known.mode().iloc[0]) if len(known) else None
        example[str(name)] = float(typical) if is_number and typical is not None else typical
    return {"is_table": arm.is_table, "columns": columns, "example": example}
