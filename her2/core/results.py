"""results.json as typed results: what stands in it, under which names."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import MISSING, asdict, field, fields
from pathlib import Path
from typing import Any

from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from her2.core.errors import BadArgument
from her2.core.store import write_json
from her2.core.types import ARM_TITLES

FILE = "results.json"
_STRICT = ConfigDict(extra="forbid")


@dataclass(frozen=True, config=_STRICT)
class CohortSummary:
    """Counts of a run's cohort, in patients but for the lesions.

    Attributes
    ----------
    name
        Of the cohort.
    simulated
        Whether it is a simulated one.
    n_patients, n_lesions, n_positive
        All that were analysed.
    n_train, n_test, n_external
        Patients by role; external ones of all centres together.
    centres
        Patients of each external centre.
    n_quarantined, n_excluded
        Lesions that were left out.
    data_sha256, split_sha256
        Hashes of data and split.
    unit
        What is judged, ``lesion`` or ``patient``.
    """

    name: str
    simulated: bool
    n_patients: int
    n_lesions: int
    n_positive: int
    n_train: int
    n_test: int
    n_external: int
    n_quarantined: int
    n_excluded: int
    data_sha256: str
    split_sha256: str
    unit: str = "lesion"
    centres: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, config=_STRICT)
class GoodnessOfFit:
    """The Hosmer-Lemeshow test.

    Attributes
    ----------
    statistic, dof, p_value
        Of the test; None where it cannot be made.
    """

    statistic: float | None
    dof: int | None
    p_value: float | None


@dataclass(frozen=True, config=_STRICT)
class Performance:
    """How good the predictions of one arm in one role are; None where a number is not estimable.

    Attributes
    ----------
    n, n_positive
        What was judged, and how much of it was positive.
    auc, auc_low, auc_high
        Area under the ROC curve with its 95 % interval.
    threshold
        Youden's, of out-of-fold training predictions; out of fold each fold is judged by that of
        the others, and this is the one for other patients.
    prevalence
        At which ppv, npv, accuracy and f1 hold.
    sensitivity, specificity, ppv, npv, accuracy, f1
        At the threshold, each with its 95 % interval (.._low, .._high).
    tp, fp, tn, fn
        Counts at that threshold; of the cross-validation their means over its repeats.
    brier, brier_scaled
        Brier score, and its share of the prevalence's own, with 95 % intervals.
    calibration_intercept, calibration_slope, calibration_in_the_large, ici
        Calibration, with 95 % intervals.
    e50, e90
        Median and 90th percentile of the distance from the calibration curve.
    hosmer_lemeshow
        Its test.
    """

    n: int
    n_positive: int
    auc: float | None
    auc_low: float | None
    auc_high: float | None
    threshold: float | None
    prevalence: float | None
    sensitivity: float | None
    sensitivity_low: float | None
    sensitivity_high: float | None
    specificity: float | None
    specificity_low: float | None
    specificity_high: float | None
    ppv: float | None
    ppv_low: float | None
    ppv_high: float | None
    npv: float | None
    npv_low: float | None
    npv_high: float | None
    accuracy: float | None
    accuracy_low: float | None
    accuracy_high: float | None
    f1: float | None
    f1_low: float | None
    f1_high: float | None
    tp: int | float | None
    fp: int | float | None
    tn: int | float | None
    fn: int | float | None
    brier: float | None
    brier_low: float | None
    brier_high: float | None
    brier_scaled: float | None
    brier_scaled_low: float | None
    brier_scaled_high: float | None
    calibration_intercept: float | None
    calibration_intercept_low: float | None
    calibration_intercept_high: float | None
    calibration_slope: float | None
    calibration_slope_low: float | None
    calibration_slope_high: float | None
    calibration_in_the_large: float | None
    calibration_in_the_large_low: float | None
    calibration_in_the_large_high: float | None
    ici: float | None
    ici_low: float | None
    ici_high: float | None
    e50: float | None
    e90: float | None
    hosmer_lemeshow: GoodnessOfFit


@dataclass(frozen=True, config=_STRICT)
class RepeatedCv:
    """The primary estimate: out of fold over all repeats of the cross-validation.

    Attributes
    ----------
    n_repeats, n_folds
        Of the cross-validation.
    auc, auc_low, auc_high
        With its 95 % interval.
    sd_between_repeats
        Standard deviation of the repeats' AUCs.
    """

    n_repeats: int
    n_folds: int
    auc: float | None
    auc_low: float | None
    auc_high: float | None
    sd_between_repeats: float | None


@dataclass(frozen=True, config=_STRICT)
class ArmResults:
    """Results of one arm.

    Attributes
    ----------
    model
        Name of what was chosen.
    n_features
        That the final model reads.
    roles
        Performance by role: train (in sample), out_of_fold, test, and every centre by its name.
    repeated_cv
        The primary estimate.
    """

    model: str
    n_features: int
    roles: dict[str, Performance]
    repeated_cv: RepeatedCv


@dataclass(frozen=True, config=_STRICT)
class ArmComparison:
    """Two arms compared on the same patients.

    Attributes
    ----------
    role
        Whose predictions.
    first, second
        The arms; the difference is first minus second.
    auc_difference, low, high
        With its 95 % interval.
    z, p_value, p_holm
        Of the test, and corrected for `n_looks` comparisons (Holm).
    n_looks
        Comparisons in the family.
    """

    role: str
    first: str
    second: str
    auc_difference: float | None
    low: float | None
    high: float | None
    z: float | None
    p_value: float | None
    p_holm: float | None
    n_looks: int


@dataclass(frozen=True, config=_STRICT)
class BestArm:
    """The arm with the largest primary AUC, and what the choice has added to it.

    Attributes
    ----------
    arm
        Its name.
    auc
        Its primary AUC.
    corrected, low, high
        The AUC without the luck of having been the largest, with its 95 % interval.
    tied
        Arms that cannot be told from it, itself among them.
    n_arms
        Arms that it was chosen from.
    """

    arm: str
    auc: float
    corrected: float
    low: float
    high: float
    tied: list[str]
    n_arms: int


@dataclass(frozen=True, config=_STRICT)
class Results:
    """Everything that results.json holds.

    Attributes
    ----------
    schema
        Version of this list.
    cohort
        Counts.
    arms
        Results by arm.
    comparisons
        Of arms, role by role; out of fold by the primary estimate.
    best_arm
        The arm with the largest primary AUC, corrected for having been chosen by it; None where
        no arm has one.
    timing
        Seconds by step.
    notes
        What a reader must know.
    mlflow
        Where MLflow keeps the run.
    status
        Exit status of the command.
    made_by
        Version, commit and lock of the code.
    cost
        Seconds, memory, parameters.
    network
        The network and its weights; None without one.
    enhancement
        How images were enhanced; None where they were not.
    metrics_score
        Score of the METRICS checklist.
    """

    schema: int
    cohort: CohortSummary
    arms: dict[str, ArmResults]
    comparisons: list[ArmComparison]
    timing: dict[str, float]
    notes: list[str]
    mlflow: dict[str, str | None]
    metrics_score: dict[str, Any]
    status: int
    made_by: dict[str, Any]
    cost: dict[str, float | int | None]
    network: dict[str, str | None] | None = None
    enhancement: dict[str, Any] | None = None
    best_arm: BestArm | None = None

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> Results:
        """Return the typed results of a document.

        Raises
        ------
        BadArgument
            A key or a type is not of this schema.
        """
        try:
            return TypeAdapter(cls).validate_python(dict(document))
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            place = ".".join(map(str, first["loc"]))
            raise BadArgument(
                f"expected results of schema 1, found another {place} ({first['msg'].lower()}); "
                "run the command again with this version"
            ) from error

    def _repr_html_(self) -> str:
        """Show the AUC of every arm in a notebook."""
        rows = "".join(
            f"<tr><td>{ARM_TITLES[arm]}</td><td>{area_text(found.repeated_cv)}</td>"
            f"<td>{area_text(found.roles.get('test'))}</td></tr>"
            for arm, found in self.arms.items()
        )
        simulated = "<p>Simulated patients.</p>" if self.cohort.simulated else ""
        head = "<tr><th>arm</th><th>AUC, cross-validated</th><th>AUC, test</th></tr>"
        return f"{simulated}<table>{head}{rows}</table>"

    def document(self) -> dict[str, Any]:
        """Return the results as results.json holds them; what there is not is left out."""
        optional = {x.name for x in fields(self) if x.default is not MISSING}
        return {k: v for k, v in asdict(self).items() if v is not None or k not in optional}


def area_text(of: RepeatedCv | Performance | None) -> str:
    """Return the AUC with its interval in words."""
    if of is None or of.auc is None:
        return "not estimable"
    return f"{of.auc:.3f} ({of.auc_low:.3f} to {of.auc_high:.3f})"


def judged_roles(results: Mapping[str, Any]) -> list[str]:
    """Return the honest roles of any arm of results.json: out_of_fold, test, then the centres."""
    arms = (results.get("arms") or {}).values()
    found = dict.fromkeys(role for arm in arms for role in arm.get("roles") or ())
    return [role for role in found if role != "train"]


def centre_roles(results: Mapping[str, Any]) -> list[str]:
    """Return the names of the centres that judged any arm of results.json."""
    return [role for role in judged_roles(results) if role not in ("out_of_fold", "test")]


def write_results(folder: Path, document: Mapping[str, Any]) -> Results:
    """Write results.json, checked against the schema; return the typed results."""
    results = Results.of(document)
    write_json(folder / FILE, results.document())
    return results


def read_results(folder: Path) -> Results:
    """Return the typed results of a finished run's folder."""
    return Results.of(json.loads((folder / FILE).read_text(encoding="utf-8")))
