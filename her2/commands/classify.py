"""One classifier grid on one feature table, with nested cross-validation."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from her2.core.errors import BadCohort
from her2.core.settings import StudySettings
from her2.pipeline import arm_definitions
from her2.pipeline.fit_arms import FittedRun, enhanced_fit, fit_run
from her2.pipeline.load_cohort import NEEDS_FEATURES
from her2.pipeline.lost_lesions import on_readable
from her2.pipeline.radiomic_features import radiomic_inputs
from her2.pipeline.run import OpenRun, open_run
from her2.pipeline.write_outputs import conclude


def classify(settings: StudySettings, run_dir: Path) -> int:
    """Fit the grid on the radiomic (or brought) features and return the exit status."""
    arm_definitions.check_study(settings)
    return on_readable(_concluded, open_run("classify", settings, run_dir))


def _concluded(run: OpenRun) -> int:
    found = enhanced_fit(run, _fit_grid)
    return conclude(found, found.enhancement.notes)


def _fit_grid(run: OpenRun, *, keeps: bool = True) -> FittedRun:
    """Return the features and the fitted arm of a run's images as they are now."""
    run, radiomic = radiomic_inputs(run)
    if radiomic is None:
        raise BadCohort(NEEDS_FEATURES)
    arms = [arm_definitions.radiomics_arm(radiomic, run.settings)]
    return replace(fit_run(run, arms, members=()), radiomic=radiomic)
