"""Net benefit of acting on a model, on everybody, or on nobody (which is 0)."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from her2.core.errors import BadArgument
from her2.stats import validation
from her2.stats.clusters import outcome_and_repeats, wald_half_widths
from her2.stats.discrimination.roc_curve import n_at_or_above
from her2.stats.validation import FloatArray


def net_benefit(y_true: ArrayLike, y_prob: ArrayLike, thresholds: ArrayLike) -> FloatArray:
    """Net benefit of treating those with probability >= each threshold probability.

    Parameters
    ----------
    y_true
        Shape (n,), 0 or 1, both present.
    y_prob
        Shape (n,), in [0, 1].
    thresholds
        Shape (m,), threshold probabilities in [0, 1). Write them as k / 100: `np.arange` with a
        decimal step misses tied predictions by a rounding error.

    Returns
    -------
    ndarray
        Shape (m,), true positives minus false positives weighted by t / (1 - t), per case.

    Raises
    ------
    NotEstimable
        If a class is absent or a prediction is missing.
    BadArgument
        If the shapes differ, or a prediction or a threshold is outside its range.

    References
    ----------
    Vickers & Elkin (2006), Med. Decis. Making 26:565, doi:10.1177/0272989X06295361.

    Examples
    --------
    >>> net_benefit([0, 0, 1, 1], [0.1, 0.6, 0.5, 0.9], [0.2, 0.5]).tolist()
    [0.4375, 0.25]
    """
    positive, p = validation.outcome_and_probability(y_true, y_prob)
    t = _thresholds(thresholds)
    true_positives = n_at_or_above(p[positive], t)
    false_positives = n_at_or_above(p[~positive], t)
    return (true_positives - false_positives * t / (1.0 - t)) / p.size


def net_benefit_treat_all(y_true: ArrayLike, thresholds: ArrayLike) -> FloatArray:
    """Net benefit of treating every case; 0 where the threshold is the prevalence.

    Parameters
    ----------
    y_true, thresholds
        As in `net_benefit`.

    Returns
    -------
    ndarray
        Shape (m,).

    Raises
    ------
    NotEstimable, BadArgument
        As `net_benefit`.

    References
    ----------
    Vickers & Elkin (2006), Med. Decis. Making 26:565, doi:10.1177/0272989X06295361.

    Examples
    --------
    >>> net_benefit_treat_all([0, 0, 0, 1], [0.0, 0.25]).tolist()
    [0.25, 0.0]
    """
    prevalence = validation.outcome(y_true).mean()
    t = _thresholds(thresholds)
    return np.asarray(prevalence - (1.0 - prevalence) * t / (1.0 - t), dtype=np.float64)


def net_benefit_table(
    y_true: ArrayLike,
    y_prob: ArrayLike,
    thresholds: ArrayLike,
    groups: ArrayLike | None = None,
    *,
    level: float = 0.95,
) -> pd.DataFrame:
    """Net benefit at each threshold probability, and its gain over treating all, with limits.

    The gain over treating nobody is the net benefit itself. Net benefit is a mean over cases, so
    its variance and that of the gain follow from each case's value; the prevalence is estimated,
    and its uncertainty part of them. The limits are pointwise and Student's: where fewer than some
    ten cases change hands they are too narrow, and where none does they coincide.

    Parameters
    ----------
    y_true, thresholds
        As in `net_benefit`.
    y_prob
        Shape (n,), or (n_repeats, n) of repeated cross-validation; in [0, 1].
    groups
        Shape (n,), the patient of each case; None if each case is a patient.
    level
        Confidence level at each threshold, in (0, 1).

    Returns
    -------
    DataFrame
        One row a threshold, in their order: threshold_probability; net_benefit, low, high, the
        mean over repeats; treat_all; over_all, over_all_low, over_all_high, net benefit minus that
        of treating every case.

    Raises
    ------
    NotEstimable, BadArgument
        As `net_benefit`, and if there is one patient only, or the level is not in (0, 1).

    References
    ----------
    Vickers & Elkin (2006), Med. Decis. Making 26:565, doi:10.1177/0272989X06295361.
    Pfeiffer & Gail (2020), Biom. J. 62:764, doi:10.1002/bimj.201800240 (influence functions).

    Examples
    --------
    >>> y, p = [0] * 30 + [1] * 10, [k / 40 for k in range(40)]
    >>> columns = ["net_benefit", "low", "high", "over_all", "over_all_low", "over_all_high"]
    >>> net_benefit_table(y, p, [0.2, 0.5])[columns].round(2)
       net_benefit   low  high  over_all  over_all_low  over_all_high
    0         0.11 -0.06  0.28      0.05          0.02           0.08
    1         0.00 -0.23  0.23      0.50          0.34           0.66
    """
    positive, p = outcome_and_repeats(y_true, y_prob)
    t = _thresholds(thresholds)
    treated = (p[:, :, None] >= t).mean(axis=0)
    worth = np.where(positive[:, None], 1.0, -t / (1.0 - t))  # of treating a case, (n, m)
    benefit, low, high = _means(treated * worth, groups, level)
    over_all, over_all_low, over_all_high = _means((treated - 1.0) * worth, groups, level)
    return pd.DataFrame(
        {
            "threshold_probability": t,
            "net_benefit": benefit,
            "low": low,
            "high": high,
            "treat_all": worth.mean(axis=0),
            "over_all": over_all,
            "over_all_low": over_all_low,
            "over_all_high": over_all_high,
        }
    )


def _means(
    values: FloatArray, groups: ArrayLike | None, level: float
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Mean of each column of (n, m) and its limits, (m,) each."""
    mean = values.mean(axis=0)
    half_width = wald_half_widths((values - mean) / len(values), groups, level=level)
    return mean, mean - half_width, mean + half_width


def _thresholds(thresholds: ArrayLike) -> FloatArray:
    t = validation.vector(thresholds, "thresholds")
    if not ((t >= 0.0) & (t < 1.0)).all():
        raise BadArgument(
            "thresholds must lie in [0, 1), found one outside or missing; "
            "at 1 a false positive would cost infinitely much"
        )
    return t
