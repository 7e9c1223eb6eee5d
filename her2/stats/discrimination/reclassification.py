"""What one model adds to another: integrated discrimination and net reclassification.

Both reward a model for being sure, so a badly calibrated model can win without discriminating
better (Hilden & Gerds 2014): read them beside the AUC difference and the net benefit.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import norm

from her2.core.errors import BadArgument, NotEstimable
from her2.stats import validation
from her2.stats.validation import BoolArray, FloatArray

_ROUNDING = 1e-12  # differences of probabilities below it are no change of risk


@dataclass(frozen=True)
class IntegratedDiscrimination:
    """Integrated discrimination improvement of the first score over the second.

    idi = events + non_events: how much higher the mean prediction of positives is, and how much
    lower that of negatives; with its standard error, limits and two-sided test.
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

    nri = events + non_events, each in [-1, 1]: share of positives moved up minus down, and of
    negatives moved down minus up. standard_error, low, high, z, p_value: with the multinomial
    variance; standard_error_null, z_null, p_value_null: with the variance under the hypothesis
    of no improvement (Pencina et al. 2008).
    """

    nri: float
    events: float
    non_events: float
    standard_error: float
    low: float
    high: float
    z: float
    p_value: float
    standard_error_null: float
    z_null: float
    p_value_null: float


def discrimination_slope(y_true: ArrayLike, y_prob: ArrayLike) -> float:
    """Mean prediction of the positives minus that of the negatives (Tjur's R squared).

    Its difference between two scores is the IDI, so a patient-level interval of that is
    `bootstrap_difference(discrimination_slope, ...)`.

    Parameters
    ----------
    y_true
        Shape (n,), 0 or 1, both present.
    y_prob
        Shape (n,), in [0, 1].

    Returns
    -------
    float
        In [-1, 1]; 1 is perfect.

    Raises
    ------
    NotEstimable
        If a class is absent or a prediction is missing.
    BadArgument
        If the shapes differ or a prediction is outside [0, 1].

    References
    ----------
    Tjur (2009), Am. Stat. 63:366, doi:10.1198/tast.2009.08210.

    Examples
    --------
    >>> discrimination_slope([0, 0, 1, 1], [0.0, 0.5, 0.5, 1.0])
    0.5
    """
    positive = validation.outcome(y_true)
    p = validation.probability(y_prob, positive.size)
    return float(p[positive].mean() - p[~positive].mean())


def idi(
    y_true: ArrayLike, first: ArrayLike, second: ArrayLike, *, level: float = 0.95
) -> IntegratedDiscrimination:
    """Integrated discrimination improvement, as `Hmisc::improveProb(second, first, y_true)`.

    Parameters
    ----------
    y_true
        Shape (n,), 0 or 1, at least two of each.
    first, second
        Shape (n,), probabilities in [0, 1], in the order of `y_true`.
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
    validation.check_level(level)
    positive, one, two = _checked(y_true, first, second)
    gain = one - two
    events, non_events = float(gain[positive].mean()), -float(gain[~positive].mean())
    error = sqrt(_mean_variance(gain[positive]) + _mean_variance(gain[~positive]))
    z = _standardised(events + non_events, error)
    half_width = float(norm.isf((1.0 - level) / 2.0)) * error
    return IntegratedDiscrimination(
        idi=events + non_events,
        events=events,
        non_events=non_events,
        standard_error=error,
        low=events + non_events - half_width,
        high=events + non_events + half_width,
        z=z,
        p_value=float(2.0 * norm.sf(abs(z))),
    )


def nri(
    y_true: ArrayLike, first: ArrayLike, second: ArrayLike, *, level: float = 0.95
) -> NetReclassification:
    """Continuous net reclassification improvement, as `Hmisc::improveProb(second, first, y_true)`.

    Parameters
    ----------
    y_true
        Shape (n,), 0 or 1, at least two of each.
    first, second
        Shape (n,), probabilities in [0, 1], in the order of `y_true`; any change counts.
    level
        Confidence level in (0, 1).

    Returns
    -------
    NetReclassification
        Positive if the first score moves more cases the right way; in [-2, 2]; z = 0 and p = 1
        for equal scores.

    Raises
    ------
    NotEstimable
        If a class has fewer than two cases, a prediction is missing, or every case of each class
        moves the same way.
    BadArgument
        If the shapes differ, a prediction is outside [0, 1] or the level is not in (0, 1).

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
    positive, one, two = _checked(y_true, first, second)
    return _reclassified(positive, np.sign(one - two), level)


def nri_categorical(
    y_true: ArrayLike,
    first: ArrayLike,
    second: ArrayLike,
    *,
    cut_offs: ArrayLike,
    level: float = 0.95,
) -> NetReclassification:
    """Net reclassification improvement across risk categories.

    Parameters
    ----------
    y_true
        Shape (n,), 0 or 1, at least two of each.
    first, second
        Shape (n,), probabilities in [0, 1], in the order of `y_true`.
    cut_offs
        Shape (k,), ascending, in (0, 1): categories [0, c1), [c1, c2), ..., [ck, 1].
    level
        Confidence level in (0, 1).

    Returns
    -------
    NetReclassification
        As `nri`, where a case moves only if its category changes.

    Raises
    ------
    NotEstimable
        If a class has fewer than two cases, a prediction is missing, or every case of each class
        moves the same way.
    BadArgument
        If the shapes differ, a prediction is outside [0, 1], the cut-offs do not ascend within
        (0, 1) or the level is not in (0, 1).

    References
    ----------
    Pencina et al. (2008), Stat. Med. 27:157, doi:10.1002/sim.2929.

    Examples
    --------
    >>> y, old = [0, 0, 0, 1, 1, 1], [0.1, 0.3, 0.3, 0.4, 0.9, 0.6]
    >>> result = nri_categorical(y, [0.1, 0.1, 0.4, 0.6, 0.9, 0.7], old, cut_offs=[0.2, 0.5])
    >>> round(result.events, 3), round(result.non_events, 3), round(result.nri, 3)
    (0.333, 0.333, 0.667)
    """
    cuts = validation.vector(cut_offs, "cut_offs")
    if not cuts.size or not (np.diff(np.concatenate([[0.0], cuts, [1.0]])) > 0.0).all():
        raise BadArgument(
            f"cut_offs must ascend within (0, 1), found {cuts.tolist()}; pass for example "
            "[0.2, 0.5]"
        )
    positive, one, two = _checked(y_true, first, second)
    categories = [np.searchsorted(cuts, p, side="right") for p in (one, two)]
    return _reclassified(positive, np.sign(categories[0] - categories[1]), level)


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


def _reclassified(
    positive: BoolArray, move: NDArray[np.floating] | NDArray[np.integer], level: float
) -> NetReclassification:
    """NRI from the direction (n,) each case moves: 1 up, -1 down, 0 not at all."""
    validation.check_level(level)
    up, down = move[positive], -move[~positive]  # the right way is positive in both
    events, non_events = float(up.mean()), float(down.mean())
    total = events + non_events
    # the variance of a mean of -1, 0 and 1 in counts, divided by n and not by n - 1
    error = sqrt(_multinomial(up, events) + _multinomial(down, non_events))
    error_null = sqrt(_multinomial(up, 0.0) + _multinomial(down, 0.0))
    z, z_null = _standardised(total, error), _standardised(total, error_null)
    half_width = float(norm.isf((1.0 - level) / 2.0)) * error
    return NetReclassification(
        nri=total,
        events=events,
        non_events=non_events,
        standard_error=error,
        low=total - half_width,
        high=total + half_width,
        z=z,
        p_value=float(2.0 * norm.sf(abs(z))),
        standard_error_null=error_null,
        z_null=z_null,
        p_value_null=float(2.0 * norm.sf(abs(z_null))),
    )


def _multinomial(moves: NDArray[np.floating] | NDArray[np.integer], mean: float) -> float:
    n_moved = int(np.count_nonzero(moves))
    return max(0.0, n_moved / moves.size**2 - mean**2 / moves.size)


def _mean_variance(values: FloatArray) -> float:
    return 0.0 if np.ptp(values) == 0.0 else float(values.var(ddof=1)) / values.size


def _standardised(improvement: float, error: float) -> float:
    if error > 0.0:
        return improvement / error
    if improvement == 0.0:
        return 0.0
    raise NotEstimable(
        f"the test of an improvement needs cases that change differently, found {improvement:g} "
        "without variance; the sample is too small to compare these scores"
    )
