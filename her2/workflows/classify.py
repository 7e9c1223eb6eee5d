"""One classifier grid on one feature table, with nested cross-validation."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from her2.errors import BadCohort
from her2.settings import (
    CohortSettings,
    ComputeSettings,
    EnhanceSettings,
    EvaluationSettings,
    RadiomicsSettings,
    SelectionSettings,
    SplitSettings,
    TrackingSettings,
)
from her2.workflows import recipes
from her2.workflows.conclude import conclude
from her2.workflows.enhancement import check_enhance, enhanced_run
from her2.workflows.enhancement_evidence import with_evidence
from her2.workflows.fitting import fit_run
from her2.workflows.inputs import NEEDS_FEATURES, n_workers
from her2.workflows.opening import open_run
from her2.workflows.radiomic_inputs import check_radiomics, radiomic_inputs


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
    recipes.check_recipe(classifier, selection, seed)
    check_radiomics(radiomics, selection)
    check_enhance(enhance)
    run = open_run(
        run_dir, config, cohort=cohort, split=split, evaluation=evaluation, compute=compute,
        seed=seed, cache=cache,
    )  # fmt: skip
    run, made = enhanced_run(
        run, enhance, tracking=tracking, compute=compute, cache=cache, seed=seed
    )
    run, radiomic = radiomic_inputs(
        run, radiomics, selection, cohort=cohort, compute=compute, cache=cache, seed=seed
    )
    if radiomic is None:
        raise BadCohort(NEEDS_FEATURES)
    made = with_evidence(run, made, enhance, radiomics, compute=compute, cache=cache, seed=seed)
    arms = [recipes.radiomics_arm(radiomic, classifier, selection, seed)]
    fitted = fit_run(
        run, arms, members=(),
        evaluation=evaluation, seed=seed, n_workers=n_workers(compute),
    )  # fmt: skip
    return conclude(
        run, arms, fitted, made.notes, radiomic=radiomic, evaluation=evaluation,
        tracking=tracking, seed=seed, n_workers=n_workers(compute), enhancement=made,
    )  # fmt: skip
