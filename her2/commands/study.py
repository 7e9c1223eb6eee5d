"""The whole study: from a cohort to results.json and report.html."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from her2.core.errors import BadCohort
from her2.core.settings import StudySettings
from her2.models.nested_cv import Arm
from her2.pipeline import arm_definitions
from her2.pipeline.deep_features import DeepInputs, deep_inputs, frozen_features
from her2.pipeline.enhance import enhanced_run
from her2.pipeline.fine_tuning import check_weights, settle_networks, tuned_signature
from her2.pipeline.fit_arms import FittedRun, combined_members, enhanced_fit, fit_run
from her2.pipeline.grad_cam import Explanation, check_cam, explain_frozen, explain_tuned
from her2.pipeline.lost_lesions import on_readable
from her2.pipeline.radiomic_features import RadiomicInputs, radiomic_inputs
from her2.pipeline.run import OpenRun, open_run
from her2.pipeline.shortcut_controls import shortcut_controls
from her2.pipeline.write_outputs import conclude

DEEP = "deep_learning"
NEEDS = {
    "clinical": "no clinical variable is named (cohort.clinical)",
    "radiomics": "the cohort has neither images with masks nor features of its own",
    "deep_learning": "the cohort has no images with masks",
    "dlr": "the cohort has no images with masks",
}


def study(settings: StudySettings, run_dir: Path) -> int:
    """Run the study in a folder and return the exit status."""
    arm_definitions.check_study(settings)
    check_cam(settings)
    if settings.enhance.method == "srgan":  # missing weights are refused before a long fit
        check_weights(settings.backbone)
    return on_readable(_concluded, open_run("study", settings, run_dir))


def _concluded(run: OpenRun) -> int:
    found = enhanced_fit(run, fit_study)
    radiomic = found.radiomic.features if found.radiomic else None
    found = replace(found, controls=shortcut_controls(found.run, radiomic))
    if run.settings.evaluation.grad_cam:
        found = replace(found, explained=_explained(found))
    return conclude(found, [*found.enhancement.notes, *found.deep.notes, *_absent(found)])


def fit_study(run: OpenRun, *, keeps: bool = True) -> FittedRun:
    """Return features and fitted arms of a run's images as they are now; `keeps` its networks."""
    # first the short step, so that missing weights are refused before the long one
    frozen = frozen_features(run)
    run, radiomic = radiomic_inputs(run)
    deep = deep_inputs(run, frozen, keeps=keeps)
    arms = _arms(run, radiomic, deep)
    found = fit_run(run, arms, combined_members(run.settings, arms))
    signatures = dict(found.signatures)
    if deep.tuned is not None and not deep.by_fold:  # the network is an arm itself
        signatures[DEEP] = tuned_signature(run, deep.tuned)
    return replace(found, signatures=signatures, radiomic=radiomic, deep=deep)


def study_arms(run: OpenRun) -> tuple[OpenRun, list[Arm]]:
    """Return the run and its arms as a study has them, for the audit of its protocol."""
    run, _ = enhanced_run(run)
    deep = DeepInputs(frozen_features(run))
    run, radiomic = radiomic_inputs(run)
    return run, _arms(run, radiomic, deep)


def _arms(run: OpenRun, radiomic: RadiomicInputs | None, deep: DeepInputs) -> list[Arm]:
    """Return the arms whose inputs the cohort has."""
    arms, settings = [], run.settings
    if len(run.cohort.clinical.columns):
        arms.append(arm_definitions.clinical_arm(run.cohort, settings))
    if radiomic is not None:
        arms.append(arm_definitions.radiomics_arm(radiomic, settings))
    if deep.features is not None and settings.backbone.mode != "finetune":
        of_run = deep.features.loc[[lesion.key for lesion in run.cohort.lesions]]
        arms.append(arm_definitions.deep_learning_arm(of_run, settings.backbone, deep.by_fold))
    if deep.features is not None and radiomic is not None:
        arms.append(
            arm_definitions.dlr_arm(deep.features, radiomic, settings, by_fold=deep.by_fold)
        )
    if not arms:
        raise BadCohort(
            "expected images with masks, features or clinical variables, found none of them; add "
            "the columns image and mask to the table, or name cohort.clinical=[...]"
        )
    return arms


def _explained(found: FittedRun) -> Explanation | None:
    """Return the maps of the study's network, by whatever mode it is used."""
    fitted = found.fitted.get(DEEP)
    if found.deep.tuned is None:
        return None if fitted is None else explain_frozen(found.run, fitted)
    made = explain_tuned(found.run, found.signatures[DEEP], fitted)
    settle_networks(found.run)
    return made


def _absent(found: FittedRun) -> list[str]:
    """Return a note for every arm whose inputs the cohort lacks."""
    notes = [
        f"arm {arm} is absent: {why}." for arm, why in NEEDS.items() if arm not in found.signatures
    ]
    if found.combined is None:
        members = combined_members(found.run.settings, found.arms)
        missing = [member for member in members if member not in found.signatures]
        notes.append(f"arm combined is absent: it needs the arm {' and '.join(missing)}.")
    elif found.combined.members != tuple(found.run.settings.fusion.members):
        notes.append(
            f"arm combined joins {' and '.join(found.combined.members)}: there is no arm dlr, and "
            "radiomics takes its place."
        )
    return notes
