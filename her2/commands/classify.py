"""One classifier grid on one feature table, with nested cross-validation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from her2.commands.study import check_study
from her2.core.errors import BadCohort
from her2.core.settings import StudySettings
from her2.models.nested_cv import Arm, Signature
from her2.pipeline import arm_definitions
from her2.pipeline.enhanced_and_native import enhanced_fit
from her2.pipeline.fit_arms import Fitted, fit_run
from her2.pipeline.load_cohort import NEEDS_FEATURES
from her2.pipeline.radiomic_features import RadiomicInputs, radiomic_inputs
from her2.pipeline.run import OpenRun, open_run
from her2.pipeline.write_outputs import Fits, conclude


def classify(settings: StudySettings, run_dir: Path) -> int:
    """Fit the grid on the radiomic (or brought) features and return the exit status."""
    check_study(settings)
    run = open_run("classify", settings, run_dir)
    found, enhancement = enhanced_fit(run, _fit_grid)
    fits = Fits(found.signatures, found.arms, found.fitted, found.radiomic, enhancement)
    return conclude(found.run, fits, enhancement.notes)


@dataclass(frozen=True)
class _FittedGrid:
    """A run without its excluded lesions, its features, and its fitted arm."""

    run: OpenRun
    radiomic: RadiomicInputs
    arms: list[Arm]
    fitted: Fitted

    @property
    def signatures(self) -> Mapping[str, Signature]:
        """Signatures by arm."""
        return self.fitted.signatures


def _fit_grid(run: OpenRun, *, keeps: bool = True) -> _FittedGrid:
    """Return the features and the fitted arm of a run's images as they are now."""
    run, radiomic = radiomic_inputs(run)
    if radiomic is None:
        raise BadCohort(NEEDS_FEATURES)
    arms = [arm_definitions.radiomics_arm(radiomic, run.settings)]
    return _FittedGrid(run, radiomic, arms, fit_run(run, arms, members=()))
