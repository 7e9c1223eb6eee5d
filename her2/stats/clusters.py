"""Variance between patients: what rows of one patient and repeats of one case are worth.

An estimate is a sum over cases, and its error a sum of their influence values. The rows of a
patient are no independent samples, and neither are the repeats of cross-validation, which predict
the same cases again. So a case's influence is averaged over its repeats and summed within its
patient, and the patients' sums are what varies.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import t as student_t

from her2.core.errors import BadArgument, NotEstimable
from her2.stats import validation
from her2.stats.validation import BoolArray, FloatArray

IntArray = NDArray[np.intp]


@dataclass(frozen=True)
class Estimate:
    """An estimate with its confidence limits.

    Attributes
    ----------
    value, low, high
        The estimate and its limits.
    """

    value: float
    low: float
    high: float


def patient_variance(influence: ArrayLike, groups: ArrayLike | None = None) -> float:
    """Variance of an estimate from what each case contributes to its error.

    Parameters
    ----------
    influence
        Shape (n,), averaged over repeats and divided by n already, so that the error of the
        estimate is their sum; 0 in the mean. Cases that cannot contribute (a negative one to a
        sensitivity) are left out, because patients are counted.
    groups
        Shape (n,), the patient of each case; None if each case is a patient.

    Returns
    -------
    float
        The sum of squares of the patients' sums, times C / (C - 1) of C patients over n / (n - 1)
        of n cases. With one row a patient both cancel, and it is the variance of the maximum
        likelihood, as Wilson's p (1 - p) / n; few patients with many rows each get the usual
        correction. Whoever wants n - 1 with one row a patient, as DeLong, scales the influence.

    Raises
    ------
    NotEstimable
        If there are several cases of one patient only, or a value is missing.
    BadArgument
        If the shapes differ.

    References
    ----------
    Binder (1983), Int. Stat. Rev. 51:279, doi:10.2307/1402588.
    Cameron & Miller (2015), J. Hum. Resour. 50:317, doi:10.3368/jhr.50.2.317, equation 12.

    Examples
    --------
    >>> error = np.array([0.5, -0.5, -0.5, 0.5]) / 4  # of a mean of 1, 0, 0, 1
    >>> patient_variance(error)
    0.0625
    >>> round(patient_variance(error, ["a", "b", "b", "a"]), 4)
    0.1875
    """
    values = validation.vector(influence, "influence")
    return float(patient_covariance(values[:, None], groups)[0, 0])


def patient_covariance(influence: FloatArray, groups: ArrayLike | None = None) -> FloatArray:
    """Covariance (k, k) of k estimates from the influence of each case on each, (n, k).

    As `patient_variance`, which is its only entry for k = 1.
    """
    n = len(influence)
    if not np.isfinite(influence).all():
        raise NotEstimable("influence must be finite, found a missing value; leave the case out")
    sums = patient_sums(influence, patient_numbers(n, groups))
    n_patients = len(sums)
    if n_patients < 2 <= n:
        raise NotEstimable(
            f"a variance between patients needs 2 patients, found {n_patients} with {n} cases; "
            "report the estimate without an interval"
        )
    factor = 1.0 if n_patients == n else n_patients / (n_patients - 1) * (n - 1) / n
    return np.asarray(factor * sums.T @ sums, dtype=np.float64)


def patient_numbers(n: int, groups: ArrayLike | None) -> IntArray:
    """Patient of each of n cases, numbered from 0 by the sorted identifiers in `groups`.

    So the order of cases does not matter. Without identifiers every case is a patient.
    """
    if groups is None:
        return np.arange(n)
    identifiers = np.asarray(groups)
    if identifiers.shape != (n,):
        raise BadArgument(
            f"groups must have one value for each of the {n} cases, found shape "
            f"{identifiers.shape}; pass the patient of each case"
        )
    return np.unique(identifiers, return_inverse=True)[1]


def patient_sums(values: FloatArray, patient: IntArray) -> FloatArray:
    """Sum of the cases' values (n, k) within each patient, (C, k)."""
    sums = np.zeros((int(patient.max(initial=-1)) + 1, values.shape[1]))
    np.add.at(sums, patient, values)
    return sums


def repeated_scores(
    y_score: ArrayLike, n: int, *, name: str = "y_score", constant_ok: bool = True
) -> FloatArray:
    """Finite scores of n cases by repeat, (n_repeats, n), from (n,) or (n_repeats, n).

    `BadArgument` if there are not n a repeat; `NotEstimable` if one is missing, or if all of all
    repeats are equal and that is not allowed.
    """
    scores = _by_repeat(y_score, n, name)
    validation.score(scores.ravel(), scores.size, name=name, constant_ok=constant_ok)
    return scores


def repeated_probabilities(y_prob: ArrayLike, n: int, *, constant_ok: bool = True) -> FloatArray:
    """Probabilities of n cases by repeat, (n_repeats, n), checked as in `repeated_scores`."""
    p = _by_repeat(y_prob, n, "y_prob")
    validation.probability(p.ravel(), p.size, constant_ok=constant_ok)
    return p


def _by_repeat(values: ArrayLike, n: int, name: str) -> FloatArray:
    try:
        array = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise BadArgument(f"{name} must be numbers, found {error}; convert it first") from error
    by_repeat = array[None] if array.ndim == 1 else array
    if by_repeat.ndim != 2 or not len(by_repeat):
        raise BadArgument(
            f"{name} must have shape (n,) or (n_repeats, n), found {array.shape}; pass one value "
            "a case, or one row of values a repeat"
        )
    if by_repeat.shape[1] != n:
        raise BadArgument(
            f"{name} must have one value for each of the {n} outcomes, found "
            f"{by_repeat.shape[1]}; align the two by case"
        )
    return by_repeat


def outcome_and_repeats(
    y_true: ArrayLike, y_prob: ArrayLike, *, constant_ok: bool = True
) -> tuple[BoolArray, FloatArray]:
    """Outcomes of both classes (n,) and their probabilities (n_repeats, n)."""
    positive = validation.outcome(y_true)
    return positive, repeated_probabilities(y_prob, positive.size, constant_ok=constant_ok)


def wald_interval(
    value: float,
    influence: FloatArray,
    groups: ArrayLike | None,
    *,
    level: float,
    within: tuple[float, float] = (-inf, inf),
) -> Estimate:
    """Estimate with Student's interval, from the influence of each case (n,).

    Limits beyond `within`, which the estimate cannot leave, are moved there.

    One degree of freedom fewer than there are patients: few patients with many rows each leave
    the variance uncertain. With one row a patient it is the usual interval of a mean.
    """
    half_width = float(wald_half_widths(influence[:, None], groups, level=level)[0])
    return Estimate(value, max(value - half_width, within[0]), min(value + half_width, within[1]))


def wald_half_widths(
    influence: FloatArray, groups: ArrayLike | None, *, level: float
) -> FloatArray:
    """Half the width of Student's interval of k estimates, (k,), from their influence (n, k)."""
    n = len(influence)
    n_patients = int(patient_numbers(n, groups).max(initial=-1)) + 1
    variance = np.diag(patient_covariance(influence, groups))
    error = np.sqrt(np.maximum(variance, 0.0) * n / max(n - 1, 1))
    return np.asarray(student_quantile(n_patients, level) * error)


def student_quantile(n_patients: int, level: float) -> float:
    """Student's two-sided quantile with one degree of freedom fewer than patients."""
    validation.check_level(level)
    return float(student_t.ppf((1.0 + level) / 2.0, max(n_patients - 1, 1)))
