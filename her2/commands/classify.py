"""One classifier grid on one feature table, with nested cross-validation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from her2.core.errors import BadCohort
from her2.core.settings import (
    CohortSettings,
    ComputeSettings,
    EnhanceSettings,
    EvaluationSettings,
    RadiomicsSettings,
    SelectionSettings,
    SplitSettings,
    TrackingSettings,
)
from her2.models.nested_cv import Arm, Signature
from her2.pipeline import arm_definitions
from her2.pipeline.conclude import conclude
from her2.pipeline.enhance import check_enhance
from her2.pipeline.enhanced_and_native import enhanced_fit
from her2.pipeline.fit_arms import Fitted, fit_run
from her2.pipeline.load_cohort import NEEDS_FEATURES, n_workers
from her2.pipeline.radiomic_features import RadiomicInputs, check_radiomics, radiomic_inputs
from her2.pipeline.run import OpenRun, open_run


def classify(
    *,
    run_dir: Path,
    config: dict[str, Any],
    cohort: CohortSettings,
    split: SplitSettings,
    enhance: EnhanceSettings,
    radiomics: RadiomicsSettings,
    selection: SelectionSettings,
    classifier: Mapping[str, Any],
    evaluation: EvaluationSettings,
    tracking: TrackingSettings,
    compute: ComputeSettings,
    seed: int,
    cache: str | None,
) -> int:
    """Fit the grid on the radiomic (or brought) features and return the exit status."""
    arm_definitions.check_recipe(classifier, selection, seed)
    check_radiomics(radiomics, selection)
    check_enhance(enhance)
    run = open_run(
        run_dir, config, cohort=cohort, split=split, evaluation=evaluation, compute=compute,
        seed=seed, cache=cache,
    )  # fmt: skip
    fit = partial(
        _fitted, radiomics=radiomics, selection=selection, classifier=classifier,
        evaluation=evaluation, cohort=cohort, compute=compute, seed=seed, cache=cache,
    )  # fmt: skip
    found, made = enhanced_fit(
        run, fit, native=fit, enhance=enhance, radiomics=radiomics, evaluation=evaluation,
        tracking=tracking, compute=compute, seed=seed, cache=cache,
    )  # fmt: skip
    return conclude(
        found.run, found.arms, found.fitted, made.notes, radiomic=found.radiomic,
        evaluation=evaluation, tracking=tracking, seed=seed, n_workers=n_workers(compute),
        enhancement=made,
    )  # fmt: skip


@dataclass(frozen=True)
class _FittedGrid:
    """A run without the lesions that it lost, its features, and its fitted arm."""

    run: OpenRun
    radiomic: RadiomicInputs
    arms: list[Arm]
    fitted: Fitted

    @property
    def signatures(self) -> Mapping[str, Signature]:
        """Signatures by arm."""
        return self.fitted.signatures


def _fitted(
    run: OpenRun,
    *,
    radiomics: RadiomicsSettings,
    selection: SelectionSettings,
    classifier: Mapping[str, Any],
    evaluation: EvaluationSettings,
    cohort: CohortSettings,
    compute: ComputeSettings,
    seed: int,
    cache: str | None,
) -> _FittedGrid:
    """Return the features and the fitted arm of a run's images as they are now."""
    run, radiomic = radiomic_inputs(
        run, radiomics, selection, cohort=cohort, compute=compute, cache=cache, seed=seed
    )
    if radiomic is None:
        raise BadCohort(NEEDS_FEATURES)
    arms = [arm_definitions.radiomics_arm(radiomic, classifier, selection, seed)]
    fitted = fit_run(
        run, arms, members=(),
        evaluation=evaluation, seed=seed, n_workers=n_workers(compute),
    )  # fmt: skip
    return _FittedGrid(run, radiomic, arms, fitted)
