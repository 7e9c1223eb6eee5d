"""A run's arms, fitted: signatures of every lesion, and the models that are saved."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pandas as pd
import skops.io

from her2.core.progress import progress
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
from her2.pipeline.deep_features import DeepInputs
from her2.pipeline.enhance import Enhancement, enhanced_run
from her2.pipeline.enhancement_evidence import compared, is_compared, with_evidence
from her2.pipeline.evaluate import stacked
from her2.pipeline.grad_cam import Explanation
from her2.pipeline.radiomic_features import RadiomicInputs
from her2.pipeline.resampling_checks import Refits
from her2.pipeline.run import OpenRun, Stopwatch

logger = logging.getLogger(__name__)

MODEL_SELECTION_COLUMNS = [
    "arm", "classifier", "parameters", "cv_auc_mean", "cv_auc_sd", "cv_log_loss_mean", "scoring",
    "chosen",
]  # fmt: skip


@dataclass(frozen=True)
class FittedRun:
    """A run without its excluded lesions, and everything that was fitted in it.

    Attributes
    ----------
    run
        The run.
    signatures
        Of every arm.
    arms
        Their definitions; none for a network alone.
    fitted
        The fitted arms by name; none for a network alone.
    combined
        The combined arm, None if a member is absent.
    radiomic
        The features, with the agreement of readers and the robustness where asked for.
    deep
        Deep features and fine-tuned networks.
    enhancement
        How the images were enhanced.
    explained
        The Grad-CAM maps of the network, if it has any.
    controls
        Models that cannot see the lesion (`shortcut_controls`).
    refits
        Refits on training patients.
    """

    run: OpenRun
    signatures: Mapping[str, Signature]
    arms: Sequence[Arm] = ()
    fitted: Mapping[str, FittedArm] = field(default_factory=dict)
    combined: CombinedArm | None = None
    radiomic: RadiomicInputs | None = None
    deep: DeepInputs = field(default_factory=DeepInputs)
    enhancement: Enhancement = field(default_factory=Enhancement)
    explained: Explanation | None = None
    controls: pd.DataFrame = field(default_factory=pd.DataFrame)
    refits: Refits = field(default_factory=Refits)


def fit_run(run: OpenRun, arms: Sequence[Arm], members: Sequence[str]) -> FittedRun:
    """Return every arm fitted on training patients, and the combined arm of `members`."""
    total = len(arms) * n_searches(run.training)
    with run.watch.step("fit"), progress("fitting", total, "searches") as advance:
        fitted, combined, signatures = _fit(
            arms, run.training, run.held_out, members=members, settings=run.settings,
            n_workers=run.n_workers, advance=advance,
        )  # fmt: skip
    for name, signature in signatures.items():
        logger.info("arm %s: %s, %d features", name, signature.model, signature.n_features)
    return FittedRun(run, signatures, arms, fitted, combined)


def combined_members(settings: StudySettings, arms: Sequence[Arm]) -> list[str]:
    """Return the arms that the combined arm joins: radiomics in place of a dlr arm that is absent.

    A cohort that brings its features has no images, and so no deep features to fuse.
    """
    named, present = settings.fusion.members, {arm.name for arm in arms}
    replaces = "dlr" not in present and "radiomics" in present
    return list(
        dict.fromkeys("radiomics" if replaces and name == "dlr" else name for name in named)
    )


def study_signatures(settings: StudySettings, control: Control) -> dict[str, Signature]:
    """Return the signatures of every arm by the protocol of `her2 study`, for an audit's control.

    The held-out outcomes are not read.
    """
    return _fit(
        control.arms, control.training, control.held_out.keys,
        members=combined_members(settings, control.arms), settings=settings,
    )[2]  # fmt: skip


def _fit(
    arms: Sequence[Arm],
    training: TrainingSet,
    held_out: Sequence[str],
    *,
    members: Sequence[str],
    settings: StudySettings,
    n_workers: int = 1,
    advance: Callable[[int], None] = lambda done: None,
) -> tuple[dict[str, FittedArm], CombinedArm | None, dict[str, Signature]]:
    """Return some arms fitted by the study's protocol: fits, fusion, and all signatures."""
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
    return fitted, combined, signatures


def enhanced_fit(
    run: OpenRun, fit: Callable[..., FittedRun], *, reads_features: bool = True
) -> FittedRun:
    """Return the run fitted on images enhanced as the settings say, with the evidence.

    Native images, where they are compared, are fitted first, so that the run's own fit writes
    every file last. fit: takes the run and `keeps` (networks in its folder); reads_features:
    whether radiomic features are read.
    """
    enlarged, made = enhanced_run(run)
    native = None
    if is_compared(run):
        apart = replace(run, settings=run.settings.untracked(), watch=Stopwatch())
        native = fit(apart, keeps=False)
    found = fit(enlarged)
    made = with_evidence(found.run, made, reads_features=reads_features)
    if native is not None:
        made = compared(
            made, found.run.training, found.signatures, native.run.training, native.signatures,
            patients=found.run.patients_judged,
        )  # fmt: skip
    return replace(found, enhancement=made)


def selection_notes(fitted: Mapping[str, FittedArm]) -> list[str]:
    """Return notes on filters that selected nothing by their rule and used the best feature."""
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


def model_selection_table(found: FittedRun) -> pd.DataFrame:
    """Return the grid search of every arm on all training rows: one row for each candidate."""
    scoring = {"log_loss": "log loss", "roc_auc": "AUC"}[found.run.settings.evaluation.scoring]
    frames = [
        arm.final.table.assign(arm=name, scoring=scoring) for name, arm in found.fitted.items()
    ]
    return stacked(frames, MODEL_SELECTION_COLUMNS)


def save_models(found: FittedRun) -> None:
    """Write the final pipelines to model/, one skops file an arm (no pickle), and their inputs."""
    pipelines = {name: arm.final.pipeline for name, arm in found.fitted.items()}
    inputs = {arm.name: _inputs(arm, found.run.training.keys) for arm in found.arms}
    if found.combined is not None:
        pipelines["combined"] = found.combined.regression
        inputs["combined"] = {"members": list(found.combined.members)}
    folder = found.run.folder.file("model")
    for name, pipeline in pipelines.items():
        write_atomic(folder / f"{name}.skops", skops.io.dumps(pipeline))
    write_json(folder / "inputs.json", {"format": 1, "arms": inputs})


def _inputs(arm: Arm, keys: Sequence[str]) -> dict[str, Any]:
    """Return the columns that a pipeline takes, in order, and an example row of no patient.

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
