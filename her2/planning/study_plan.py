"""plan.json as typed results: what stands in it, under which names."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import pandas as pd
from pydantic import ConfigDict, TypeAdapter
from pydantic.dataclasses import dataclass

from her2.core.store import write_json

FILE = "plan.json"
_STRICT = ConfigDict(extra="forbid")


@dataclass(frozen=True, config=_STRICT)
class Assumptions:
    """What the plan expects.

    Attributes
    ----------
    prevalence, auc, auc_low
        In new patients; `auc_low` is the pessimistic case, None without one.
    n_parameters
        Candidate predictors.
    n
        Patients that can be had; None where that is not known.
    calibration_intercept, calibration_slope
        Of the predictions of the pilot; 0 and 1 without one.
    lp_mean, lp_sd
        Mean and standard deviation of the log odds that are predicted.
    source
        Name of the pilot's cohort and arm; empty without a pilot.
    simulated
        Whether the patients of the pilot are.
    """

    prevalence: float
    auc: float
    auc_low: float | None
    n_parameters: int
    n: int | None
    calibration_intercept: float
    calibration_slope: float
    lp_mean: float
    lp_sd: float
    source: str
    simulated: bool


@dataclass(frozen=True, config=_STRICT)
class Requirement:
    """Patients that one criterion asks for.

    Attributes
    ----------
    stage, case
        ``development`` or ``validation``; ``expected`` or ``pessimistic``.
    criterion, meaning
        Its name, and what it limits.
    n_required, n_positive
        Patients, and the positive ones among them; None where it does not apply, for `reason`.
    """

    stage: str
    case: str
    criterion: str
    meaning: str
    n_required: int | None
    n_positive: int | None
    reason: str = ""


@dataclass(frozen=True, config=_STRICT)
class Alternative:
    """Patients that another number of candidate predictors needs to be developed.

    Attributes
    ----------
    n_parameters, n_required, n_positive, criterion
        Candidates, patients, positive ones, and the criterion that decides.
    n_pessimistic
        Patients in the pessimistic case; None without one.
    """

    n_parameters: int
    n_required: int
    n_positive: int
    criterion: str
    n_pessimistic: int | None


@dataclass(frozen=True, config=_STRICT)
class LearningPoint:
    """Models developed on simulated cohorts of n patients, judged without error.

    Attributes
    ----------
    n, n_cohorts
        Patients of a cohort, and cohorts.
    auc, auc_low, auc_high
        Mean over the cohorts, with their 5th and 95th percentile.
    slope, slope_low, slope_high
        Calibration slope: median, with the same percentiles.
    """

    n: int
    n_cohorts: int
    auc: float
    auc_low: float
    auc_high: float
    slope: float
    slope_low: float
    slope_high: float


@dataclass(frozen=True, config=_STRICT)
class AssurancePoint:
    """External validations of n simulated patients.

    Attributes
    ----------
    case, n
        ``expected`` or ``pessimistic``, and patients.
    auc_width
        Mean width of the 95 % interval of the AUC.
    above_chance, above_required
        Share of validations with a lower limit of the AUC above 0.5, and above what is required.
    slope_shown
        Share whose interval of the calibration slope holds 1 and is as narrow as wanted.
    """

    case: str
    n: int
    auc_width: float
    above_chance: float
    above_required: float
    slope_shown: float


@dataclass(frozen=True, config=_STRICT)
class StudyPlan:
    """Everything that plan.json holds.

    Attributes
    ----------
    schema
        Version of this list.
    assumptions
        What is expected.
    requirements
        By stage, case and criterion.
    alternatives
        Other numbers of candidate predictors.
    n_parameters_supported
        Candidates that the patients who can be had support; None where that is not known.
    learning_curve, assurance
        What is simulated.
    required_auc, wanted_assurance, n_for_assurance
        Patients of a validation whose AUC is shown above `required_auc` with this probability, as
        the expected case has it; None if no simulated size reaches it.
    notes
        What a reader must know.
    """

    schema: int
    assumptions: Assumptions
    requirements: list[Requirement]
    alternatives: list[Alternative]
    n_parameters_supported: int | None
    learning_curve: list[LearningPoint]
    assurance: list[AssurancePoint]
    required_auc: float
    wanted_assurance: float
    n_for_assurance: int | None
    notes: list[str]

    def deciding(self, stage: str, case: str = "expected") -> Requirement | None:
        """Return the criterion that asks for most patients; None without such a case."""
        found = [x for x in self.requirements if (x.stage, x.case) == (stage, case)]
        known = [x for x in found if x.n_required is not None]
        return max(known, key=lambda x: x.n_required or 0, default=None)

    @property
    def tables(self) -> dict[str, pd.DataFrame]:
        """The lists as tables by name."""
        names = ("requirements", "alternatives", "learning_curve", "assurance")
        return {name: pd.DataFrame([asdict(x) for x in getattr(self, name)]) for name in names}


def write_plan(folder: Path, plan: StudyPlan) -> None:
    """Write plan.json."""
    write_json(folder / FILE, asdict(plan))


def read_plan(folder: Path) -> StudyPlan:
    """Return the plan of a folder."""
    return TypeAdapter(StudyPlan).validate_json((folder / FILE).read_bytes())
