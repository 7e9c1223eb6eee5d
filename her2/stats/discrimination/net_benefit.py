"""Net benefit of acting on a model, on everybody, or on nobody (which is 0)."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from her2.core.errors import BadArgument
from her2.stats import validation
from her2.stats.discrimination.patient_bootstrap import IntArray, Seed, draws, patients
from her2.stats.discrimination.roc_curve import n_at_or_above
from her2.stats.validation import BoolArray, FloatArray


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


def net_benefit_band(
    y_true: ArrayLike,
    y_prob: ArrayLike,
    thresholds: ArrayLike,
    *,
    seed: Seed,
    groups: ArrayLike | None = None,
    n_resamples: int = 500,
    level: float = 0.95,
) -> pd.DataFrame:
    """Net benefit at each threshold probability with a pointwise bootstrap band.

    Patients are drawn regardless of outcome: net benefit depends on the prevalence, whose
    uncertainty is part of the band.

    Parameters
    ----------
    y_true, y_prob, thresholds
        As in `net_benefit`.
    seed
        An integer, a `SeedSequence` or a `Generator`.
    groups
        Shape (n,), the patient of each case, whose cases are drawn together; None if each case
        is a patient.
    n_resamples
        At least 1.
    level
        Confidence level at each threshold, in (0, 1).

    Returns
    -------
    DataFrame
        One row a threshold, in their order: threshold_probability, net_benefit, low, high.

    Raises
    ------
    NotEstimable, BadArgument
        As `net_benefit`, and if an option is outside its range.

    References
    ----------
    Vickers et al. (2008), BMC Med. Inform. Decis. Mak. 8:53, doi:10.1186/1472-6947-8-53.

    Examples
    --------
    >>> y, p = [0] * 30 + [1] * 10, [k / 40 for k in range(40)]
    >>> net_benefit_band(y, p, [0.2, 0.5], seed=0).round(2)
       threshold_probability  net_benefit   low  high
    0                    0.2         0.11 -0.05  0.28
    1                    0.5         0.00 -0.24  0.22
    """
    validation.check_level(level)
    benefit = net_benefit(y_true, y_prob, thresholds)
    t = _thresholds(thresholds)
    positive, p = validation.outcome_and_probability(y_true, y_prob)
    reached = np.searchsorted(np.sort(t), p, side="right")  # thresholds, (n,) from 0 to m
    blocks = draws(patients(positive, groups), n_resamples, seed, stratified=False)
    values = np.concatenate([_resampled(times, positive, reached, t) for times in blocks])
    low, high = np.quantile(values, [(1.0 - level) / 2.0, (1.0 + level) / 2.0], axis=0)
    return pd.DataFrame(
        {"threshold_probability": t, "net_benefit": benefit, "low": low, "high": high}
    )


def _resampled(
    times: IntArray, positive: BoolArray, reached: IntArray, thresholds: FloatArray
) -> FloatArray:
    """Net benefit of each resample (b, n) at each threshold, shape (b, m)."""
    gain = _at_or_above(times * positive, reached, thresholds)
    harm = _at_or_above(times * ~positive, reached, thresholds)
    n_drawn = times.sum(axis=1, keepdims=True)
    benefit = (gain - harm * thresholds / (1.0 - thresholds)) / n_drawn
    return np.asarray(benefit, dtype=np.float64)


def _at_or_above(times: IntArray, reached: IntArray, thresholds: FloatArray) -> FloatArray:
    """Cases of each resample (b, n) that reach each threshold, shape (b, m)."""
    m = thresholds.size
    per_bin = np.array(
        [np.bincount(reached, weights=resample, minlength=m + 1) for resample in times]
    )
    above_ascending = per_bin[:, ::-1].cumsum(axis=1)[:, ::-1][:, 1:]
    rank = np.argsort(np.argsort(thresholds, kind="stable"), kind="stable")
    return np.asarray(above_ascending[:, rank], dtype=np.float64)


def _thresholds(thresholds: ArrayLike) -> FloatArray:
    t = validation.vector(thresholds, "thresholds")
    if not ((t >= 0.0) & (t < 1.0)).all():
        raise BadArgument(
            "thresholds must lie in [0, 1), found one outside or missing; "
            "at 1 a false positive would cost infinitely much"
        )
    return t
