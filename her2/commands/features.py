"""Radiomic features of every lesion of a cohort, as features.parquet."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from her2.core.errors import BadCohort, BadConfig
from her2.core.run_folder import RunFolder
from her2.core.settings import CohortSettings, ComputeSettings, EnhanceSettings, RadiomicsSettings
from her2.pipeline.enhance import check_enhance, enhanced_cohort
from her2.pipeline.evaluate import write_features, write_parquet
from her2.pipeline.excluded_lesions import cohort_with
from her2.pipeline.lesion_features import perturbations, radiomic_features, robustness_of
from her2.pipeline.load_cohort import NEEDS_IMAGES, attention, open_cohort, record_cohort


def features(
    *,
    run_dir: Path,
    config: dict[str, Any],
    cohort: CohortSettings,
    enhance: EnhanceSettings,
    radiomics: RadiomicsSettings,
    compute: ComputeSettings,
    seed: int,
    cache: str | None,
) -> int:
    """Extract the features, write them, and return the exit status."""
    check_enhance(enhance)
    if enhance.compare:
        raise BadConfig(
            "expected enhance.compare=false for her2 features, which fits no arm, found true; "
            "leave it out, or use her2 classify, train or study"
        )
    perturbations(radiomics, seed)  # refuses what there is not, before the long steps
    run = RunFolder.open(run_dir, config)
    patients = open_cohort(cohort, compute=compute, cache=cache)
    if not all(lesion.image and lesion.masks for lesion in patients.lesions):
        raise BadCohort(NEEDS_IMAGES)
    patients = enhanced_cohort(patients, enhance, compute=compute, cache=cache)
    record_cohort(run, patients)  # before the long step; what it loses is recorded after it
    table = radiomic_features(patients, radiomics, compute=compute, cache=cache)
    patients = cohort_with(patients, table.problems)
    record_cohort(run, patients)
    if radiomics.robustness:
        found = robustness_of(patients.lesions, radiomics, compute=compute, cache=cache, seed=seed)
        write_parquet(run.file("features_robustness.parquet"), found)
    path = run.file("features.parquet")
    write_features(path, patients, table.values)
    n_lesions, n_features = table.values.shape
    sys.stdout.write(f"{n_lesions} lesions x {n_features} features: {path}\n")
    warning = attention(patients, cohort)
    if warning:
        sys.stderr.write(f"her2: {warning}\n")
    return 1 if warning else 0
