"""A share of the cases with Wilson's interval; a patient may have several rows or repeats."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import t as student_t

from her2.core.errors import BadArgument, NotEstimable
from her2.stats import validation
from her2.stats.clusters import patient_numbers, patient_variance
from her2.stats.validation import FloatArray


@dataclass(frozen=True)
class Share:
    """A share of the cases.

    Attributes
    ----------
    value, low, high
        The share and its limits, in [0, 1].
    n_effective
        How many independent cases would give the same variance, and so the width of the interval.
    """

    value: float
    low: float
    high: float
    n_effective: float


def share(
    numerator: ArrayLike,
    denominator: ArrayLike,
    groups: ArrayLike | None = None,
    *,
    learning: float = 0.0,
    level: float = 0.95,
) -> Share:
    """Sum of the numerator over that of the denominator, with Wilson's interval of patients.

    The variance is that of a ratio between patients. Wilson's interval then takes the number of
    independent cases that have this variance, less where few patients make the variance itself
    uncertain (Korn & Graubard's ratio of Student's quantiles) and never more than the denominator.

    Parameters
    ----------
    numerator, denominator
        Shape (n,), what each case adds, in [0, 1] and numerator <= denominator: the mean over its
        repeats, 0 or 1 with one repeat.
    groups
        Shape (n,), the patient of each case; None if each case is a patient.
    learning
        Variance of the share that the cases do not show: that of the models which predict them.
    level
        Confidence level in (0, 1).

    Returns
    -------
    Share
        With one row a patient and one repeat, `wilson_interval` of the counts. Where all patients
        agree, the effective cases are the patients who have a denominator.

    Raises
    ------
    NotEstimable
        If the denominator is 0, or a value is missing.
    BadArgument
        If shapes or ranges do not fit, or the level is not in (0, 1).

    References
    ----------
    Korn & Graubard (1998), Surv. Methodol. 24:193 (no DOI).
    Franco, Little, Louis & Slud (2019), J. Surv. Stat. Methodol. 7:334, doi:10.1093/jssam/smy019.

    Examples
    --------
    >>> found = share([1, 1, 0, 1, 0, 0], [1, 1, 1, 1, 1, 0])  # 3 of 5
    >>> round(found.low, 3), round(found.high, 3), round(found.n_effective, 3)
    (0.231, 0.882, 5.0)
    >>> share([1, 1, 0, 1, 0, 0], [1, 1, 1, 1, 1, 0], groups=[1, 1, 2, 3, 4, 4]).high > found.high
    True
    """
    validation.check_level(level)
    above, below = _parts(numerator, denominator)
    counted = below > 0.0
    if not counted.any():
        raise NotEstimable("a share needs at least one case, found 0; report it as missing")
    patient = patient_numbers(above.size, groups)[counted]
    n_effective = _n_effective(above[counted], below[counted], patient, learning, level)
    value = float(above.sum() / below.sum())
    low, high = _wilson(value, n_effective, level)
    return Share(value, low, high, n_effective)


def _n_effective(
    above: FloatArray, below: FloatArray, patient: ArrayLike, learning: float, level: float
) -> float:
    """Independent cases with the variance of the ratio; `below` > 0 everywhere."""
    n, n_patients, total = above.size, np.unique(patient).size, float(below.sum())
    value = float(above.sum() / total)
    spread = value * (1.0 - value)
    variance = patient_variance((above - value * below) / total, patient) if n_patients > 1 else 0
    variance += learning
    if variance <= 1e-12 * spread:
        return min(float(n_patients), total)
    of_cases, of_patients = student_t.ppf((1.0 + level) / 2.0, [n - 1, n_patients - 1])
    return float(min(spread / variance, total) * (of_cases / of_patients) ** 2)


def _parts(numerator: ArrayLike, denominator: ArrayLike) -> tuple[FloatArray, FloatArray]:
    n = validation.vector(numerator, "numerator").size
    above = validation.score(numerator, n, name="numerator", constant_ok=True)
    below = validation.score(denominator, n, name="denominator", constant_ok=True)
    if not ((above >= 0.0) & (above <= below) & (below <= 1.0)).all():
        raise BadArgument(
            "each case must have 0 <= numerator <= denominator <= 1, found one that has not; "
            "pass means over its repeats"
        )
    return above, below


def wilson_interval(successes: int, n: int, *, level: float = 0.95) -> tuple[float, float]:
    """Wilson score interval of a proportion, without continuity correction.

    Parameters
    ----------
    successes, n
        Whole numbers, 0 <= successes <= n.
    level
        Confidence level in (0, 1).

    Returns
    -------
    tuple of float
        (low, high) in [0, 1]; exactly 0 for no success and exactly 1 for no failure.

    Raises
    ------
    NotEstimable
        If n is 0.
    BadArgument
        If successes is not within 0 to n or the level is not in (0, 1).

    References
    ----------
    Wilson (1927), J. Am. Stat. Assoc. 22:209, doi:10.1080/01621459.1927.10502953.

    Examples
    --------
    >>> low, high = wilson_interval(8, 10)
    >>> round(low, 4), round(high, 4)
    (0.4902, 0.9433)
    """
    validation.check_level(level)
    if n == 0:
        raise NotEstimable("a proportion needs at least one case, found 0; report it as missing")
    if not 0 <= successes <= n:
        raise BadArgument(f"successes must lie in 0 to {n}, found {successes}; check the counts")
    return _wilson(successes / n, n, level)


def _wilson(value: float, n: float, level: float) -> tuple[float, float]:
    z2 = validation.normal_quantile(level) ** 2
    centre = (value * n + z2 / 2.0) / (n + z2)
    half_width = sqrt(z2 * (n * value * (1.0 - value) + z2 / 4.0)) / (n + z2)
    low = 0.0 if value == 0.0 else centre - half_width
    high = 1.0 if value == 1.0 else centre + half_width
    return low, high
