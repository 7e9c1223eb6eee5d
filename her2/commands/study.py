"""The whole study: from a cohort to results.json and report.html."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from her2.core.errors import BadCohort, BadConfig
from her2.core.settings import (
    BackboneSettings,
    CohortSettings,
    ComputeSettings,
    EnhanceSettings,
    EvaluationSettings,
    FusionSettings,
    RadiomicsSettings,
    SelectionSettings,
    SplitSettings,
    TrackingSettings,
    TrainerSettings,
)
from her2.core.types import ARMS
from her2.models.nested_cv import Arm, Signature
from her2.pipeline import arm_definitions
from her2.pipeline.conclude import conclude
from her2.pipeline.enhance import check_enhance, enhanced_run
from her2.pipeline.enhanced_and_native import enhanced_fit
from her2.pipeline.fine_tuning import (
    DeepInputs,
    check_mode,
    check_weights,
    settle_networks,
    tuned_inputs,
    tuned_signature,
)
from her2.pipeline.fit_arms import Fitted, fit_run
from her2.pipeline.grad_cam import Explanation, check_explained, explain_study, explain_tuned
from her2.pipeline.load_cohort import deep_features, n_workers
from her2.pipeline.radiomic_features import RadiomicInputs, check_radiomics, radiomic_inputs
from her2.pipeline.run import OpenRun, open_run

DEEP = "deep_learning"
NEEDS = {
    "clinical": "no clinical variable is named (cohort.clinical)",
    "radiomics": "the cohort has neither images with masks nor features of its own",
    "deep_learning": "the cohort has no images with masks",
    "dlr": "the cohort has no images with masks",
}


def study(
    *,
    run_dir: Path,
    config: dict[str, Any],
    cohort: CohortSettings,
    split: SplitSettings,
    enhance: EnhanceSettings,
    radiomics: RadiomicsSettings,
    selection: SelectionSettings,
    classifier: Mapping[str, Any],
    backbone: BackboneSettings,
    fusion: FusionSettings,
    evaluation: EvaluationSettings,
    trainer: TrainerSettings,
    tracking: TrackingSettings,
    compute: ComputeSettings,
    seed: int,
    cache: str | None,
) -> int:
    """Run the study and return the exit status; the parameters are the groups of conf/."""
    check_groups(enhance, fusion)
    check_radiomics(radiomics, selection)
    arm_definitions.check_recipe(classifier, selection, seed)
    check_mode(backbone, fusion, evaluation)
    check_explained(backbone, evaluation)
    if enhance.method == "srgan":  # weights that cannot be had are missed before a long fit
        check_weights(backbone)
    run = open_run(
        run_dir, config, cohort=cohort, split=split, evaluation=evaluation, compute=compute,
        seed=seed, cache=cache,
    )  # fmt: skip

    fit = partial(
        fitted_study, radiomics=radiomics, selection=selection, classifier=classifier,
        backbone=backbone, fusion=fusion, evaluation=evaluation, trainer=trainer,
        tracking=tracking, cohort=cohort, compute=compute, seed=seed, cache=cache,
    )  # fmt: skip
    found, made = enhanced_fit(
        run, fit, native=partial(fit, tracking=replace(tracking, enabled=False), keeps=False),
        enhance=enhance, radiomics=radiomics, evaluation=evaluation, tracking=tracking,
        compute=compute, seed=seed, cache=cache,
    )  # fmt: skip
    explained = None
    if evaluation.grad_cam:
        explained = _explained(found, backbone, trainer, seed, n_workers(compute))
    return conclude(
        found.run, found.arms, found.fitted,
        [*made.notes, *found.deep.notes, *_absent(found.fitted, fusion)],
        radiomic=found.radiomic, evaluation=evaluation, tracking=tracking, seed=seed,
        n_workers=n_workers(compute), enhancement=made, explained=explained,
        history=found.deep.history,
    )  # fmt: skip


@dataclass(frozen=True)
class FittedStudy:
    """A run without the lesions that it lost, its features, and its fitted arms."""

    run: OpenRun
    radiomic: RadiomicInputs | None
    arms: list[Arm]
    fitted: Fitted
    deep: DeepInputs

    @property
    def signatures(self) -> Mapping[str, Signature]:
        """Signatures by arm."""
        return self.fitted.signatures


def _explained(
    found: FittedStudy,
    backbone: BackboneSettings,
    trainer: TrainerSettings,
    seed: int,
    n_threads: int,
) -> Explanation | None:
    """Return the maps of the study's network, by whatever mode it is used."""
    fitted = found.fitted.arms.get(DEEP)
    if found.deep.tuned is None:
        if fitted is None:
            return None
        return explain_study(found.run, fitted, backbone, seed=seed, n_threads=n_threads)
    signature = found.fitted.signatures[DEEP]
    made = explain_tuned(
        found.run, signature, backbone, fitted=fitted, seed=seed, n_threads=n_threads
    )
    settle_networks(found.run, trainer)
    return made


def fitted_study(
    run: OpenRun,
    *,
    radiomics: RadiomicsSettings,
    selection: SelectionSettings,
    classifier: Mapping[str, Any],
    backbone: BackboneSettings,
    fusion: FusionSettings,
    evaluation: EvaluationSettings,
    trainer: TrainerSettings,
    tracking: TrackingSettings,
    cohort: CohortSettings,
    compute: ComputeSettings,
    seed: int,
    cache: str | None,
    keeps: bool = True,
) -> FittedStudy:
    """Return the features and the fitted arms of a run's images as they are now.

    keeps: leave fine-tuned networks in the run, for who explains them.
    """
    # first the short step, so that weights that cannot be had are missed before the long one
    frozen = _deep_features(run, backbone, compute, cache, seed)
    run, radiomic = radiomic_inputs(
        run, radiomics, selection, cohort=cohort, compute=compute, cache=cache, seed=seed
    )
    deep = tuned_inputs(
        run, backbone, trainer, frozen, tracking=tracking, seed=seed,
        explains=evaluation.grad_cam and keeps, keeps=keeps,
    )  # fmt: skip
    arms = _arms(
        run, radiomic, deep, classifier, selection, backbone, fusion, evaluation.imputation, seed
    )
    fitted = fit_run(
        run, arms, members=fusion.members, evaluation=evaluation, seed=seed,
        n_workers=n_workers(compute),
    )  # fmt: skip
    fitted = _with_network(run, fitted, deep, backbone)
    return FittedStudy(run, radiomic, arms, fitted, deep)


def _with_network(
    run: OpenRun, fitted: Fitted, deep: DeepInputs, backbone: BackboneSettings
) -> Fitted:
    """Return the fits with the signature of the fine-tuned network, if it is an arm itself."""
    if deep.tuned is None or deep.by_fold:
        return fitted
    own = {"deep_learning": tuned_signature(run, deep.tuned, backbone)}
    return replace(fitted, signatures=fitted.signatures | own)


def study_arms(
    run: OpenRun,
    *,
    enhance: EnhanceSettings,
    radiomics: RadiomicsSettings,
    backbone: BackboneSettings,
    classifier: Mapping[str, Any],
    selection: SelectionSettings,
    fusion: FusionSettings,
    imputation: str,
    cohort: CohortSettings,
    compute: ComputeSettings,
    seed: int,
    cache: str | None,
) -> tuple[OpenRun, list[Arm]]:
    """Return the run and its arms as a study has them, for who judges its protocol."""
    if backbone.mode != "frozen":
        raise BadConfig(
            f"expected backbone.mode=frozen where a protocol is repeated, found {backbone.mode}; "
            "every trial would train all networks again"
        )
    run, _ = enhanced_run(
        run, enhance, tracking=TrackingSettings(enabled=False), compute=compute, cache=cache,
        seed=seed,
    )  # fmt: skip
    deep = DeepInputs(_deep_features(run, backbone, compute, cache, seed))
    run, radiomic = radiomic_inputs(
        run, radiomics, selection, cohort=cohort, compute=compute, cache=cache, seed=seed
    )
    return run, _arms(
        run, radiomic, deep, classifier, selection, backbone, fusion, imputation, seed
    )


def check_groups(enhance: EnhanceSettings, fusion: FusionSettings) -> None:
    """Refuse what no study can be made with.

    Raises
    ------
    BadConfig
        An enhancement that cannot be run, or a member of the combined arm that is no arm.
    """
    check_enhance(enhance)
    unknown = sorted(set(fusion.members) - set(ARMS) | {"combined"} & set(fusion.members))
    if unknown:
        raise BadConfig(
            f"expected fusion.members among {', '.join(ARMS[:-1])}, found {', '.join(unknown)}"
        )


def _deep_features(
    run: OpenRun,
    backbone: BackboneSettings,
    compute: ComputeSettings,
    cache: str | None,
    seed: int,
) -> pd.DataFrame | None:
    if not run.has_images:
        return None
    if backbone.mode == "finetune_features":  # others are made later, from the same weights
        check_weights(backbone)
        return None
    with run.watch.step("deep_features"):
        return deep_features(run.cohort, backbone, compute=compute, cache=cache, seed=seed).values


def _arms(
    run: OpenRun,
    radiomic: RadiomicInputs | None,
    deep: DeepInputs,
    classifier: Mapping[str, Any],
    selection: SelectionSettings,
    backbone: BackboneSettings,
    fusion: FusionSettings,
    imputation: str,
    seed: int,
) -> list[Arm]:
    """Return the arms whose inputs the cohort has."""
    arms = []
    if len(run.cohort.clinical.columns):
        arms.append(arm_definitions.clinical_arm(run.cohort, classifier, imputation))
    if radiomic is not None:
        arms.append(arm_definitions.radiomics_arm(radiomic, classifier, selection, seed))
    if deep.features is not None and backbone.mode != "finetune":
        left = [lesion.key for lesion in run.cohort.lesions]
        arms.append(
            arm_definitions.deep_learning_arm(deep.features.loc[left], backbone, deep.by_fold)
        )
    if deep.features is not None and radiomic is not None:
        arms.append(
            arm_definitions.dlr_arm(
                deep.features, radiomic, classifier, selection=selection, fusion=fusion,
                seed=seed, by_fold=deep.by_fold,
            )
        )  # fmt: skip
    if not arms:
        raise BadCohort(
            "expected images with masks, features or clinical variables, found none of them; add "
            "the columns image and mask to the table, or name cohort.clinical=[...]"
        )
    return arms


def _absent(fitted: Fitted, fusion: FusionSettings) -> list[str]:
    """Return a note for every arm that the cohort does not allow."""
    notes = [
        f"arm {arm} is absent: {why}."
        for arm, why in NEEDS.items()
        if arm not in fitted.signatures
    ]
    if fitted.combined is None:
        missing = [member for member in fusion.members if member not in fitted.signatures]
        notes.append(f"arm combined is absent: it needs the arm {' and '.join(missing)}.")
    return notes
