"""What one model adds to another: integrated discrimination and net reclassification.

Both reward a model for being sure, so a badly calibrated model can win without discriminating
better (Hilden & Gerds 2014): read them beside the AUC difference and the net benefit.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import norm

from her2.core.errors import NotEstimable
from her2.stats import validation
from her2.stats.clusters import patient_variance
from her2.stats.validation import BoolArray, FloatArray

_ROUNDING = 1e-12  # differences of probabilities below it are no change of risk


@dataclass(frozen=True)
class IntegratedDiscrimination:
    """Integrated discrimination improvement of the first score over the second.

    Attributes
    ----------
    idi
        The sum of the two following.
    events, non_events
        How much higher the mean prediction of positives is, and how much lower that of negatives.
    standard_error, low, high
        Of `idi`, with its limits.
    z, p_value
        Two-sided test of no improvement.
    """

    idi: float
    events: float
    non_events: float
    standard_error: float
    low: float
    high: float
    z: float
    p_value: float


@dataclass(frozen=True)
class NetReclassification:
    """Net reclassification improvement of the first score over the second.

    Attributes
    ----------
    nri
        The sum of the two following.
    events, non_events
        Share of positives moved up minus down, and of negatives moved down minus up, in [-1, 1].
    standard_error, low, high, z, p_value
        With the multinomial variance; the test is two-sided.
    """

    nri: float
    events: float
    non_events: float
    standard_error: float
    low: float
    high: float
    z: float
    p_value: float


def idi(
    y_true: ArrayLike,
    first: ArrayLike,
    second: ArrayLike,
    *,
    groups: ArrayLike | None = None,
    level: float = 0.95,
) -> IntegratedDiscrimination:
    """Integrated discrimination improvement, as `Hmisc::improveProb(second, first, y_true)`.

    Parameters
    ----------
    y_true
        Shape (n,), 0 or 1, at least two of each.
    first, second
        Shape (n,), probabilities in [0, 1], in the order of `y_true`.
    groups
        Shape (n,), the patient of each case; None if each case is a patient.
    level
        Confidence level in (0, 1).

    Returns
    -------
    IntegratedDiscrimination
        Positive if the first score separates better; z = 0 and p = 1 for equal scores.

    Raises
    ------
    NotEstimable
        If a class has fewer than two cases, a prediction is missing, or the scores differ by the
        same amount in every case of a class.
    BadArgument
        If the shapes differ, a prediction is outside [0, 1] or the level is not in (0, 1).

    References
    ----------
    Pencina et al. (2008), Stat. Med. 27:157, doi:10.1002/sim.2929.
    Hilden & Gerds (2014), Stat. Med. 33:3405, doi:10.1002/sim.5804 (why not alone).

    Examples
    --------
    >>> y = [0, 0, 0, 1, 1, 1]
    >>> result = idi(y, [0.1, 0.2, 0.4, 0.5, 0.8, 0.9], [0.2, 0.2, 0.3, 0.4, 0.8, 0.6])
    >>> round(result.idi, 3), round(result.z, 3), round(result.p_value, 3)
    (0.133, 1.265, 0.206)
    """
    quantile = validation.normal_quantile(level)
    positive, one, two = _checked(y_true, first, second)
    gain = one - two
    events, non_events = float(gain[positive].mean()), -float(gain[~positive].mean())
    influence = np.empty(positive.size)
    for rows in (positive, ~positive):
        n = int(rows.sum())
        influence[rows] = (gain[rows] - gain[rows].mean()) / sqrt(n * (n - 1))
    error = sqrt(patient_variance(_exact(influence), groups))
    total = events + non_events
    return IntegratedDiscrimination(total, events, non_events, *_tested(total, error, quantile))


def nri(
    y_true: ArrayLike,
    first: ArrayLike,
    second: ArrayLike,
    *,
    groups: ArrayLike | None = None,
    level: float = 0.95,
) -> NetReclassification:
    """Continuous net reclassification improvement, as `Hmisc::improveProb(second, first, y_true)`.

    Parameters
    ----------
    y_true, first, second, groups, level
        As in `idi`; any change of a probability counts.

    Returns
    -------
    NetReclassification
        Positive if the first score moves more cases the right way; in [-2, 2]; z = 0 and p = 1
        for equal scores.

    Raises
    ------
    NotEstimable, BadArgument
        As `idi`; the test needs cases of a class that move differently.

    References
    ----------
    Pencina, D'Agostino & Steyerberg (2011), Stat. Med. 30:11, doi:10.1002/sim.4085.
    Hilden & Gerds (2014), Stat. Med. 33:3405, doi:10.1002/sim.5804 (why not alone).

    Examples
    --------
    >>> y = [0, 0, 0, 1, 1, 1]
    >>> result = nri(y, [0.1, 0.2, 0.4, 0.5, 0.8, 0.9], [0.2, 0.2, 0.3, 0.4, 0.9, 0.6])
    >>> round(result.nri, 3), round(result.z, 3), round(result.p_value, 3)
    (0.333, 0.463, 0.643)
    """
    quantile = validation.normal_quantile(level)
    positive, one, two = _checked(y_true, first, second)
    move = np.sign(one - two)  # (n,): 1 up, -1 down, 0 not at all
    up, down = move[positive], -move[~positive]  # the right way is positive in both
    events, non_events = float(up.mean()), float(down.mean())
    influence = np.empty(positive.size)  # divided by n and not by n - 1, as a multinomial share
    influence[positive] = (up - events) / up.size
    influence[~positive] = (down - non_events) / down.size
    error = sqrt(patient_variance(_exact(influence), groups))
    total = events + non_events
    return NetReclassification(total, events, non_events, *_tested(total, error, quantile))


def _checked(
    y_true: ArrayLike, first: ArrayLike, second: ArrayLike
) -> tuple[BoolArray, FloatArray, FloatArray]:
    positive = validation.outcome(y_true)
    n_positive = int(positive.sum())
    if min(n_positive, positive.size - n_positive) < 2:
        raise NotEstimable(
            f"reclassification needs 2 cases in each class, found {n_positive} positive and "
            f"{positive.size - n_positive} negative; collect more cases"
        )
    one = validation.probability(first, positive.size)
    two = validation.probability(second, positive.size)
    return positive, np.where(np.abs(one - two) < _ROUNDING, two, one), two


def _exact(influence: FloatArray) -> FloatArray:
    """Influence without the rounding that would be a variance where all cases change alike."""
    return np.where(np.abs(influence) < _ROUNDING, 0.0, influence)


def _tested(
    improvement: float, error: float, quantile: float
) -> tuple[float, float, float, float, float]:
    """Fields of a result: standard error, low, high, z and two-sided p-value."""
    if error > 0.0:
        z = improvement / error
    elif improvement == 0.0:
        z = 0.0
    else:
        raise NotEstimable(
            "the test of an improvement needs cases that change differently, found "
            f"{improvement:g} without variance; the sample is too small to compare these scores"
        )
    half_width = quantile * error
    p_value = float(2.0 * norm.sf(abs(z)))
    return error, improvement - half_width, improvement + half_width, z, p_value
