"""What a plan expects: as given, or as one's own pilot run shows it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import logit

from her2 import stats
from her2.core.errors import BadConfig, MissingInput
from her2.core.results import FILE, ArmResults, Results, read_results
from her2.core.settings.plan_settings import PlanSettings, nothing_assumed
from her2.planning.study_plan import Assumptions

REPEATS = "repeated_cv.parquet"
COMBINED = "combined"
T = TypeVar("T")


@dataclass(frozen=True)
class Pilot:
    """A finished run as far as a plan reads it; None where the run cannot say.

    Attributes
    ----------
    name, simulated
        Cohort and arm, and whether its patients are simulated.
    prevalence, auc, auc_low, n_parameters, n
        What it found in its training patients.
    calibration
        Intercept and slope of its predictions out of fold.
    log_odds
        Those predictions, shape (n,), 0 and 1 left out; empty where there are none.
    notes
        What a reader of the plan must know of it.
    """

    name: str = ""
    simulated: bool = False
    prevalence: float | None = None
    auc: float | None = None
    auc_low: float | None = None
    n_parameters: int | None = None
    n: int | None = None
    calibration: tuple[float, float] = (0.0, 1.0)
    log_odds: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))
    notes: tuple[str, ...] = ()


def read_pilot(folder: Path, arm: str | None) -> Pilot:
    """Return what a finished run says of an arm.

    Raises
    ------
    MissingInput
        The folder holds no finished run.
    BadConfig
        The run has no such arm.
    """
    if not (folder / FILE).is_file():
        raise MissingInput(
            f"expected the folder of a finished run, found no {FILE} in {folder}; name another, "
            "or give prevalence, auc and n_parameters"
        )
    results = read_results(folder)
    arm = arm or (COMBINED if COMBINED in results.arms else list(results.arms)[-1])
    if arm not in results.arms:
        raise BadConfig(f"expected arm among {', '.join(results.arms)}, found {arm}; choose one")
    found = results.arms[arm]
    judged = found.roles["out_of_fold"]
    calibration, notes = _calibration(found)
    return Pilot(
        name=f"{results.cohort.name}, {arm}",
        simulated=results.cohort.simulated,
        prevalence=judged.n_positive / judged.n,
        auc=found.repeated_cv.auc,
        auc_low=found.repeated_cv.auc_low,
        n_parameters=_candidates(folder, arm),
        n=_patients(results, judged.n),
        calibration=calibration,
        log_odds=_log_odds(folder, arm),
        notes=tuple(notes),
    )


def _patients(results: Results, n_judged: int) -> int:
    return results.cohort.n_train or n_judged


def _calibration(found: ArmResults) -> tuple[tuple[float, float], list[str]]:
    judged = found.roles["out_of_fold"]
    intercept, slope = judged.calibration_intercept, judged.calibration_slope
    if intercept is None or slope is None or slope <= 0:
        return (0.0, 1.0), ["The pilot has no positive calibration slope; 1 is expected instead."]
    return (intercept, slope), []


def _candidates(folder: Path, arm: str) -> int | None:
    path = folder / "tables" / "sample_size.csv"
    if not path.is_file():
        return None
    table = pd.read_csv(path)
    known = table.loc[table["arm"].eq(arm), "n_predictors"]
    return int(known.iloc[0]) if len(known) else None


def _log_odds(folder: Path, arm: str) -> NDArray[np.float64]:
    if not (folder / REPEATS).is_file():
        return np.empty(0)
    rows = pd.read_parquet(folder / REPEATS, columns=["arm", "y_prob"])
    p = rows.loc[rows["arm"].eq(arm), "y_prob"].to_numpy(np.float64)
    return np.asarray(logit(p[(p > 0) & (p < 1)]))


def pilot_of(of: PlanSettings) -> Pilot:
    """Return the pilot that the settings name; without one they must say everything."""
    if of.run is not None:
        return read_pilot(Path(of.run), of.arm)
    if said := nothing_assumed(of):
        raise BadConfig(said)
    return Pilot()


def assumptions_of(of: PlanSettings, pilot: Pilot) -> tuple[Assumptions, list[str]]:
    """Return what the settings say, else the pilot, and notes on it.

    Raises
    ------
    BadConfig
        Something is not known, or a pilot is not better than what is required.
    """
    auc = _known("auc", of.auc, pilot.auc)
    if not of.required_auc < auc < 1:
        raise BadConfig(
            f"expected an AUC above required_auc ({of.required_auc:g}) and below 1, found "
            f"{auc:.3f} in the run {of.run}; give auc=..., or lower required_auc"
        )
    auc_low, notes = _pessimistic(of, pilot, auc)
    prevalence = _known("prevalence", of.prevalence, pilot.prevalence)
    log_odds = pilot.log_odds
    if log_odds.size == 0:
        log_odds, weights = stats.binormal_linear_predictor(auc, prevalence)
    else:
        weights = np.full(log_odds.size, 1 / log_odds.size)
    mean = float(weights @ log_odds)
    return Assumptions(
        prevalence=prevalence,
        auc=auc,
        auc_low=auc_low,
        n_parameters=_known("n_parameters", of.n_parameters, pilot.n_parameters),
        n=of.n or pilot.n,
        calibration_intercept=pilot.calibration[0],
        calibration_slope=pilot.calibration[1],
        lp_mean=mean,
        lp_sd=float(np.sqrt(weights @ (log_odds - mean) ** 2)),
        source=pilot.name,
        simulated=pilot.simulated,
    ), notes


def _known(name: str, given: T | None, found: T | None) -> T:
    value = found if given is None else given
    if value is None:
        raise BadConfig(f"expected {name} in the run, found none; give {name}=...")
    return value


def _pessimistic(of: PlanSettings, pilot: Pilot, auc: float) -> tuple[float | None, list[str]]:
    low = of.auc_low
    if low is None and of.auc is None:
        low = pilot.auc_low
    if low is None:
        return None, []
    if not 0.5 < low < auc:
        return None, [
            f"The lower limit of the pilot's AUC, {low:.2f}, is no better than chance: in the "
            "pessimistic case no number of patients makes a useful model."
        ]
    return low, []
