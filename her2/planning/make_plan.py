"""A plan: what the criteria ask for, and what is simulated around it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from her2 import stats
from her2.core.errors import NotEstimable
from her2.core.machine import n_cores
from her2.core.settings.plan_settings import PlanSettings
from her2.planning.assumptions import Pilot, assumptions_of, pilot_of
from her2.planning.simulation import development_cohort, simulate, validation_cohort
from her2.planning.study_plan import (
    Alternative,
    Assumptions,
    AssurancePoint,
    LearningPoint,
    Requirement,
    StudyPlan,
)

DEVELOPMENT, VALIDATION = "development", "validation"
EXPECTED, PESSIMISTIC = "expected", "pessimistic"
CRITERIA = {1: "shrinkage", 2: "optimism", 3: "overall risk"}
ERROR = "error of the risks"
N_SIZES = 8  # simulated, of each kind
FEWEST_OF_A_CLASS = 10  # expected in the smallest simulated cohort
MOST_WORK, ALL_WORK = 3e7, 4e8  # n p min(n, p) of one simulated development, of those of a size
FEWEST_COHORTS = 20
BEYOND = 1.25  # of what the criteria ask for, is simulated too


def make_plan(of: PlanSettings) -> StudyPlan:
    """Return the plan that the settings ask for.

    Raises
    ------
    BadConfig, MissingInput
        What is expected is not known.
    NotEstimable
        A criterion has no answer, because so good a model cannot be at this prevalence.
    """
    pilot = pilot_of(of)
    expected, notes = assumptions_of(of, pilot)
    cases = {EXPECTED: expected.auc}
    if expected.auc_low is not None:
        cases[PESSIMISTIC] = expected.auc_low
    p = expected.n_parameters
    requirements = [
        *(x for case, auc in cases.items() for x in _development(expected, of, case, auc, p)),
        *(x for case, auc in cases.items() for x in _validation(expected, of, case, auc, pilot)),
    ]
    largest = {
        stage: max(x.n_required or 0 for x in requirements if x.stage == stage)
        for stage in (DEVELOPMENT, VALIDATION)
    }
    learning, assurance = _simulated(expected, of, cases, largest)
    notes += _notes(expected, of, learning, largest[DEVELOPMENT])
    notes += dict.fromkeys(x.reason for x in requirements if x.reason)
    return StudyPlan(
        schema=1,
        assumptions=expected,
        requirements=requirements,
        alternatives=list(_alternatives(expected, of)),
        n_parameters_supported=_supported(expected, of),
        learning_curve=learning,
        assurance=assurance,
        required_auc=of.required_auc,
        wanted_assurance=of.assurance,
        n_for_assurance=_first_reaching(assurance, of.assurance),
        notes=[*pilot.notes, *notes],
    )


def _notes(
    expected: Assumptions, of: PlanSettings, learning: list[LearningPoint], n_required: int
) -> Iterator[str]:
    if expected.source:
        yield (
            "The pilot's cross-validated AUC is taken as what can be attained; with more patients "
            "to learn from it may be higher."
        )
    if abs(expected.calibration_slope - 1) > of.slope_width / 2:
        yield (
            f"The pilot's calibration slope is {expected.calibration_slope:.2f}: a precise "
            "validation will show that it is not 1. Recalibrate the model first."
        )
    if not learning:
        yield "The learning curve was left out: it would take too long to simulate."
    elif learning[-1].n < n_required:
        yield (
            f"The learning curve ends at {learning[-1].n} patients, because larger cohorts with "
            "so many candidates take too long to simulate."
        )
    if of.threshold is None:
        yield "Net benefit was left out, because no threshold is given: see threshold."


def _development(
    expected: Assumptions, of: PlanSettings, case: str, auc: float, n_parameters: int
) -> Iterator[Requirement]:
    """Yield the criteria of a development, those of Riley et al. and the error of the risks."""
    prevalence = expected.prevalence
    table = stats.sample_size_for_prediction(
        n_parameters, prevalence, c_statistic=auc, shrinkage=of.shrinkage
    )
    for row in table.itertuples():
        name = CRITERIA[int(row.criterion)]  # type: ignore[arg-type]
        yield _required(DEVELOPMENT, case, name, str(row.meaning), row.n_required, prevalence)
    meaning = f"mean absolute error of the predicted risks at most {of.error:g}"
    try:
        n = stats.sample_size_for_prediction_error(n_parameters, prevalence, error=of.error)
    except NotEstimable as why:
        reason = f"The criterion {ERROR} does not apply: {why}."
        yield Requirement(DEVELOPMENT, case, ERROR, meaning, None, None, reason)
        return
    yield _required(DEVELOPMENT, case, ERROR, meaning, n, prevalence)


def _validation(
    expected: Assumptions, of: PlanSettings, case: str, auc: float, pilot: Pilot
) -> Iterator[Requirement]:
    """Yield the criteria of a validation; the expected case has the pilot's predictions."""
    has_own = case == EXPECTED and pilot.log_odds.size > 0 and of.auc is None
    table = stats.sample_size_for_validation(
        expected.prevalence,
        auc,
        targets=stats.PrecisionTargets(
            of.oe_width, of.slope_width, of.auc_width, of.net_benefit_width
        ),
        linear_predictor=pilot.log_odds if has_own else None,
        calibration=pilot.calibration if has_own else (0.0, 1.0),
        threshold=of.threshold,
    )
    for row in table.itertuples():
        yield _required(
            VALIDATION, case, str(row.criterion), str(row.meaning), row.n_required,
            expected.prevalence,
        )  # fmt: skip


def _required(
    stage: str, case: str, criterion: str, meaning: str, n: Any, prevalence: float
) -> Requirement:
    return Requirement(stage, case, criterion, meaning, int(n), round(int(n) * prevalence))


def _alternatives(expected: Assumptions, of: PlanSettings) -> Iterator[Alternative]:
    def largest(case: str, auc: float, n_parameters: int) -> Requirement:
        found = _development(expected, of, case, auc, n_parameters)
        return max(found, key=lambda x: x.n_required or 0)

    for n_parameters in sorted({*of.alternatives, expected.n_parameters}):
        usual = largest(EXPECTED, expected.auc, n_parameters)
        low = expected.auc_low
        worst = None if low is None else largest(PESSIMISTIC, low, n_parameters).n_required
        assert usual.n_required is not None and usual.n_positive is not None
        yield Alternative(n_parameters, usual.n_required, usual.n_positive, usual.criterion, worst)


def _supported(expected: Assumptions, of: PlanSettings) -> int | None:
    if expected.n is None:
        return None
    n_positive = min(max(round(expected.n * expected.prevalence), 1), expected.n - 1)
    return stats.largest_n_parameters(
        expected.n, n_positive, c_statistic=expected.auc, shrinkage=of.shrinkage
    )


# ---- simulation


def _simulated(
    expected: Assumptions, of: PlanSettings, cases: Mapping[str, float], largest: Mapping[str, int]
) -> tuple[list[LearningPoint], list[AssurancePoint]]:
    """Return the learning curve and the assurance of validations, all drawn in one go."""
    prevalence, p = expected.prevalence, expected.n_parameters
    smallest = math.ceil(FEWEST_OF_A_CLASS / min(prevalence, 1 - prevalence))
    learning = _sizes(smallest, min(round(BEYOND * largest[DEVELOPMENT]), _most_patients(p)))
    validating = _sizes(smallest, largest[VALIDATION])
    validating.append(round(BEYOND * largest[VALIDATION]))
    calibration = (expected.calibration_intercept, expected.calibration_slope)
    draws: dict[tuple[str, int], Callable[[np.random.Generator], Any]] = {
        (DEVELOPMENT, n): partial(development_cohort, n, p, expected.auc, prevalence)
        for n in learning
    }
    for case, auc in cases.items():
        for n in validating:
            draws[case, n] = partial(validation_cohort, n, auc, prevalence, calibration)
    cohorts = {
        (kind, n): _n_cohorts(n, p, of) if kind == DEVELOPMENT else of.n_cohorts
        for kind, n in draws
    }
    drawn = simulate(draws, cohorts, seed=of.seed, n_workers=of.compute.n_workers or n_cores())
    return (
        [_learning_point(n, drawn[DEVELOPMENT, n]) for n in learning],
        [_assurance_point(case, n, drawn[case, n], of) for case in cases for n in validating],
    )


def _most_patients(n_parameters: int) -> int:
    """Return the largest cohort whose development is not too much work."""
    if n_parameters**3 < MOST_WORK:
        return int(MOST_WORK / n_parameters**2)
    return int(math.sqrt(MOST_WORK / n_parameters))


def _n_cohorts(n: int, n_parameters: int, of: PlanSettings) -> int:
    """Return how many cohorts of a size are developed: fewer where each is much work."""
    work = n * n_parameters * min(n, n_parameters)
    return min(of.n_cohorts, max(FEWEST_COHORTS, int(ALL_WORK / work)))


def _sizes(smallest: int, largest: int) -> list[int]:
    """Return sizes in equal steps of the logarithm.

    >>> _sizes(40, 1000)
    [40, 63, 100, 160, 250, 400, 630, 1000]
    >>> _sizes(40, 30)
    []
    """
    if largest < smallest:
        return []
    raw = np.geomspace(smallest, largest, N_SIZES)
    inner = {int(float(f"{x:.2g}")) for x in raw[1:-1]}
    return sorted({smallest, *(x for x in inner if smallest < x < largest), largest})


def _learning_point(n: int, values: NDArray[np.float64]) -> LearningPoint:
    low, middle, high = np.quantile(values, [0.05, 0.5, 0.95], axis=0).tolist()
    mean = float(values[:, 0].mean())
    return LearningPoint(n, len(values), mean, low[0], high[0], middle[1], low[1], high[1])


def _assurance_point(
    case: str, n: int, values: NDArray[np.float64], of: PlanSettings
) -> AssurancePoint:
    area_low, area_high, slope_low, slope_high = values.T
    holds_one = (slope_low <= 1) & (slope_high >= 1)
    return AssurancePoint(
        case,
        n,
        auc_width=float((area_high - area_low).mean()),
        above_chance=float((area_low > 0.5).mean()),
        above_required=float((area_low > of.required_auc).mean()),
        slope_shown=float((holds_one & (slope_high - slope_low <= of.slope_width)).mean()),
    )


def _first_reaching(points: list[AssurancePoint], wanted: float) -> int | None:
    """Return the size from which on the expected case is as sure as wanted, between sizes too."""
    table = pd.DataFrame([(x.n, x.above_required) for x in points if x.case == EXPECTED])
    sizes, sure = table[0].to_numpy(float), table[1].to_numpy(float)
    reached = np.flatnonzero(sure >= wanted)
    if reached.size == 0:
        return None
    i = int(reached[0])
    if i == 0:
        return int(sizes[0])
    share = (wanted - sure[i - 1]) / (sure[i] - sure[i - 1])
    between = float(sizes[i - 1] + share * (sizes[i] - sizes[i - 1]))
    return math.ceil(round(between, 6))
