"""What formulas of sample size cannot say: simulated developments and validations.

Candidate predictors are independent and normal with equal variance in both classes, so that the
true log odds are linear and the attainable AUC is known. Then the true AUC and calibration slope
of any fitted linear model are known as well, and no patients are simulated to judge it. A ridge
penalty does not see directions: which of the candidates carry the signal makes no difference.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
from joblib import delayed
from numpy.typing import NDArray
from scipy.special import expit
from scipy.stats import norm

from her2 import stats
from her2.core.parallel import run_jobs
from her2.core.progress import progress
from her2.core.seeds import generator

FloatArray = NDArray[np.float64]
Draw: TypeAlias = Callable[[np.random.Generator], Sequence[float]]
CHUNK = 10  # cohorts of a job
N_NEWTON, TOLERANCE = 30, 1e-6
PENALTIES = np.geomspace(10.0, 0.03, 9)  # of the one that suits the true coefficients
_Z = float(norm.ppf(0.975))


def development_cohort(
    n: int, n_parameters: int, auc: float, prevalence: float, rng: np.random.Generator
) -> tuple[float, float]:
    """Return the true AUC and calibration slope of a ridge regression of one simulated cohort.

    Parameters
    ----------
    n, n_parameters
        Patients and candidate predictors.
    auc, prevalence
        Attainable AUC, and share of positive patients.
    rng
        Source of the cohort.
    """
    distance = math.sqrt(2.0) * float(norm.ppf(auc))
    y = _outcomes(n, prevalence, rng)
    X = rng.standard_normal((n, n_parameters))
    X[:, 0] += distance * y
    first = np.zeros(min(n, n_parameters))
    first[0] = 1.0
    if n_parameters > n:  # the ridge solution lies in the span of the rows
        basis, triangle = np.linalg.qr(X.T)
        X, first = triangle.T, basis[0]
    b = ridge(X, y, PENALTIES * n_parameters / distance**2)
    between = float(first @ b) * distance
    within = float(b @ b)
    return float(norm.cdf(between / math.sqrt(2.0 * within))), between / within


def ridge(X: FloatArray, y: FloatArray, penalties: FloatArray) -> FloatArray:
    """Return coefficients (p,) of the logistic ridge regression with the best penalty.

    The penalty is chosen by leave-one-out log loss, each patient left out in one Newton step.

    Parameters
    ----------
    X, y
        Shapes (n, p) and (n,).
    penalties
        Of half the squared length of the coefficients, strongest first.

    References
    ----------
    le Cessie & van Houwelingen (1992), Appl. Stat. 41:191, doi:10.2307/2347628.
    Rad & Maleki (2020), J. R. Stat. Soc. B 82:965, doi:10.1111/rssb.12374.
    """
    design = np.column_stack([np.ones(len(y)), X])
    b = np.zeros(design.shape[1])
    b[0] = math.log(y.mean() / (1.0 - y.mean()))
    best, smallest = b, math.inf
    for penalty in penalties:
        b, information = newton(design, y, float(penalty), b)
        eta = design @ b
        risk = expit(eta)
        leverage = np.einsum("ij,ij->i", design @ np.linalg.inv(information), design)
        left_out = eta - leverage * (y - risk) / (1.0 - leverage * risk * (1.0 - risk))
        loss = float(np.logaddexp(0.0, (1.0 - 2.0 * y) * left_out).mean())
        if loss < smallest:
            best, smallest = b, loss
    return best[1:]


def newton(
    design: FloatArray, y: FloatArray, penalty: float, start: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Return coefficients (k,), the first unpenalised, and their information (k, k)."""
    ridge_of = np.full(start.size, penalty)
    ridge_of[0] = 0.0
    b = start
    for _ in range(N_NEWTON):
        risk = expit(design @ b)
        weights = np.maximum(risk * (1.0 - risk), 1e-10)
        information = (design.T * weights) @ design + np.diag(ridge_of)
        step = np.linalg.solve(information, design.T @ (y - risk) - ridge_of * b)
        b = b + step
        if np.abs(step).max() < TOLERANCE:
            break
    return b, information


def validation_cohort(
    n: int,
    auc: float,
    prevalence: float,
    calibration: tuple[float, float],
    rng: np.random.Generator,
) -> tuple[float, float, float, float]:
    """Return the 95 % limits of the AUC and of the calibration slope of one validation.

    Parameters
    ----------
    n, auc, prevalence
        Patients, true AUC, share of positive patients.
    calibration
        True intercept and slope of the calibration line.
    rng
        Source of the cohort.
    """
    variance = 2.0 * float(norm.ppf(auc)) ** 2
    y = _outcomes(n, prevalence, rng)
    centre = math.log(prevalence / (1.0 - prevalence)) - variance / 2.0
    truth = centre + variance * y + math.sqrt(variance) * rng.standard_normal(n)
    predicted = (truth - calibration[0]) / calibration[1]
    area = stats.auc_interval(y, predicted)
    design = np.column_stack([np.ones(n), predicted])
    line, information = newton(design, y, 0.0, np.array(calibration))
    half = _Z * math.sqrt(np.linalg.inv(information)[1, 1])
    return area.low, area.high, line[1] - half, line[1] + half


def _outcomes(n: int, prevalence: float, rng: np.random.Generator) -> FloatArray:
    """Outcomes (n,), at least two of either class: with fewer there is no study."""
    while True:
        y = (rng.random(n) < prevalence).astype(np.float64)
        if 2 <= y.sum() <= n - 2:
            return y


def simulate(
    draws: Mapping[tuple[str, int], Draw],
    n_cohorts: Mapping[tuple[str, int], int],
    *,
    seed: int,
    n_workers: int,
) -> dict[tuple[str, int], FloatArray]:
    """Return what every draw gives in each of its cohorts, a row a cohort, by name and size.

    The numbers depend on the seed and the names alone, not on the workers.
    """

    def jobs() -> Iterator[Any]:
        for key, draw in sorted(draws.items(), key=lambda item: -item[0][1]):  # longest first
            for start in range(0, n_cohorts[key], CHUNK):
                yield delayed(_chunk)(key, draw, start, min(start + CHUNK, n_cohorts[key]), seed)

    parts: dict[tuple[str, int], dict[int, FloatArray]] = {key: {} for key in draws}
    with progress("simulated cohorts", sum(n_cohorts.values()), "cohorts") as report:
        done = 0
        for key, start, values in run_jobs(jobs(), n_workers=n_workers):
            parts[key][start] = values
            done += len(values)
            report(done)
    return {key: np.concatenate([found[x] for x in sorted(found)]) for key, found in parts.items()}


def _chunk(
    key: tuple[str, int],
    draw: Draw,
    start: int,
    stop: int,
    seed: int,
) -> tuple[tuple[str, int], int, FloatArray]:
    values = [draw(generator(seed, "plan", *key, i)) for i in range(start, stop)]
    return key, start, np.array(values, dtype=np.float64)
