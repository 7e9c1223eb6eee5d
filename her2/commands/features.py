"""Radiomic features of every lesion of a cohort, as features.parquet."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path

from her2.core.errors import BadCohort
from her2.core.run_folder import RunFolder
from her2.core.settings import StudySettings
from her2.core.types import Cohort
from her2.pipeline.enhance import check_enhance, enhanced_cohort
from her2.pipeline.evaluate import write_features, write_parquet
from her2.pipeline.load_cohort import NEEDS_IMAGES, attention, open_cohort, record_cohort, warn
from her2.pipeline.lost_lesions import on_readable
from her2.pipeline.radiomic_features import radiomic_features, robustness_of
from her2.pipeline.run import cohort_with
from her2.radiomics import FeatureTable


def features(settings: StudySettings, run_dir: Path) -> int:
    """Extract the features, write them, and return the exit status."""
    check_enhance(settings.enhance)
    run = RunFolder.open(run_dir, settings.record("features"))
    patients = open_cohort(settings, run)
    if not all(lesion.image and lesion.masks for lesion in patients.lesions):
        raise BadCohort(NEEDS_IMAGES)
    record_cohort(run, patients)  # before the long step, and again after it
    patients, table = on_readable(partial(_extracted, settings), patients)
    record_cohort(run, patients)
    if settings.radiomics.robustness:
        found = robustness_of(patients.lesions, settings)
        write_parquet(run.file("features_robustness.parquet"), found)
    path = run.file("features.parquet")
    write_features(path, patients, table.values)
    n_lesions, n_features = table.values.shape
    sys.stdout.write(f"{n_lesions} lesions x {n_features} features: {path}\n")
    return warn(attention(patients, settings.cohort.max_quarantine))


def _extracted(settings: StudySettings, patients: Cohort) -> tuple[Cohort, FeatureTable]:
    patients = enhanced_cohort(patients, settings)
    table = radiomic_features(patients, settings)
    return cohort_with(patients, table.problems), table
