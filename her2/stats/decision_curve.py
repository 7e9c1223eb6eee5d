"""Net benefit of acting on a model, on everybody, or on nobody (which is 0)."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from her2.errors import BadArgument
from her2.stats import validation
from her2.stats.auc import n_at_or_above
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
    positive = validation.outcome(y_true)
    p = validation.probability(y_prob, positive.size)
    t = _thresholds(thresholds)
    true_positives = n_at_or_above(p[positive], t)
    false_positives = n_at_or_above(p[~positive], t)
    return (true_positives - false_positives * t / (1.0 - t)) / p.size


def net_benefit_treat_all(y_true: ArrayLike, thresholds: ArrayLike) -> FloatArray:
    """Net benefit of treating every case; 0 where the threshold is the prevalence.

    Parameters
    ----------
    y_true
        Shape (n,), 0 or 1, both present.
    thresholds
        Shape (m,), threshold probabilities in [0, 1).

    Returns
    -------
    ndarray
        Shape (m,).

    Raises
    ------
    NotEstimable
        If a class is absent.
    BadArgument
        If a threshold is outside [0, 1).

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


def _thresholds(thresholds: ArrayLike) -> FloatArray:
    t = validation.vector(thresholds, "thresholds")
    if not ((t >= 0.0) & (t < 1.0)).all():
        raise BadArgument(
            "thresholds must lie in [0, 1), found one outside or missing; "
            "at 1 a false positive would cost infinitely much"
        )
    return t
