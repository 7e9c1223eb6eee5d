"""Scores that only the true probabilities minimise, and Spiegelhalter's test of calibration."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import norm

from her2.core.errors import NotEstimable
from her2.stats import validation
from her2.stats.validation import BoolArray, FloatArray

_CLIP = 1e-15  # as usual: a wrong prediction that was certain costs 34.5, not infinity


@dataclass(frozen=True)
class Spiegelhalter:
    """Statistic, standard normal if the predictions are calibrated, and two-sided p-value."""

    z: float
    p_value: float


def brier_score(y_true: ArrayLike, y_prob: ArrayLike) -> float:
    """Mean squared difference between prediction and outcome.

    Parameters
    ----------
    y_true
        Shape (n,), 0 or 1, both present.
    y_prob
        Shape (n,), in [0, 1].

    Returns
    -------
    float
        In [0, 1]; 0 is perfect.

    Raises
    ------
    NotEstimable
        If a class is absent or a prediction is missing.
    BadArgument
        If the shapes differ or a prediction is outside [0, 1].

    References
    ----------
    Brier (1950), Mon. Weather Rev. 78:1, doi:10.1175/1520-0493(1950)078<0001:VOFEIT>2.0.CO;2.

    Examples
    --------
    >>> brier_score([0, 1], [0.5, 0.5])
    0.25
    """
    positive, p = _checked(y_true, y_prob)
    return float(np.mean((p - positive) ** 2))


def scaled_brier(y_true: ArrayLike, y_prob: ArrayLike) -> float:
    """Share of the Brier score of the prevalence that the predictions remove.

    Parameters
    ----------
    y_true
        Shape (n,), 0 or 1, both present.
    y_prob
        Shape (n,), in [0, 1].

    Returns
    -------
    float
        1 is perfect, 0 is as good as predicting the prevalence of this sample for everybody, and
        negative is worse.

    Raises
    ------
    NotEstimable
        If a class is absent or a prediction is missing.
    BadArgument
        If the shapes differ or a prediction is outside [0, 1].

    References
    ----------
    Steyerberg et al. (2010), Epidemiology 21:128, doi:10.1097/EDE.0b013e3181c30fb2.

    Examples
    --------
    >>> scaled_brier([0, 0, 1, 1], [0.0, 0.5, 0.5, 1.0])
    0.5
    """
    positive, p = _checked(y_true, y_prob)
    prevalence = positive.mean()
    return float(1.0 - np.mean((p - positive) ** 2) / (prevalence * (1.0 - prevalence)))


def log_loss(y_true: ArrayLike, y_prob: ArrayLike) -> float:
    """Mean negative log-likelihood of the outcomes.

    Parameters
    ----------
    y_true
        Shape (n,), 0 or 1, both present.
    y_prob
        Shape (n,), in [0, 1]; taken as at least 1e-15 away from 0 and 1, so that one certain but
        wrong prediction does not decide everything.

    Returns
    -------
    float
        Not negative; 0 is perfect; log(2) for 0.5 throughout.

    Raises
    ------
    NotEstimable
        If a class is absent or a prediction is missing.
    BadArgument
        If the shapes differ or a prediction is outside [0, 1].

    References
    ----------
    Good (1952), J. R. Stat. Soc. B 14:107, doi:10.1111/j.2517-6161.1952.tb00104.x.

    Examples
    --------
    >>> round(log_loss([0, 1], [0.5, 0.5]), 4)
    0.6931
    """
    positive, p = _checked(y_true, y_prob)
    clipped = np.clip(p, _CLIP, 1.0 - _CLIP)
    return float(-np.mean(np.where(positive, np.log(clipped), np.log1p(-clipped))))


def spiegelhalter(y_true: ArrayLike, y_prob: ArrayLike) -> Spiegelhalter:
    """Spiegelhalter's test: whether the Brier score is what calibrated predictions would have.

    Parameters
    ----------
    y_true
        Shape (n,), 0 or 1, both present.
    y_prob
        Shape (n,), in [0, 1].

    Returns
    -------
    Spiegelhalter
        z is positive if the Brier score is larger than expected.

    Raises
    ------
    NotEstimable
        If every prediction is 0, 0.5 or 1, where the test has no variance; or if a class is
        absent or a prediction is missing.
    BadArgument
        If the shapes differ or a prediction is outside [0, 1].

    References
    ----------
    Spiegelhalter (1986), Stat. Med. 5:421, doi:10.1002/sim.4780050506.

    Examples
    --------
    >>> test = spiegelhalter([0, 1, 0, 1, 1], [0.1, 0.4, 0.3, 0.6, 0.9])
    >>> round(test.z, 3), round(test.p_value, 3)
    (-0.586, 0.558)
    """
    positive, p = _checked(y_true, y_prob)
    surplus = float(np.sum((positive - p) * (1.0 - 2.0 * p)))
    variance = float(np.sum((1.0 - 2.0 * p) ** 2 * p * (1.0 - p)))
    if variance == 0.0:
        raise NotEstimable(
            "Spiegelhalter's test needs predictions other than 0, 0.5 and 1, found none; "
            "report the Brier score"
        )
    z = surplus / sqrt(variance)
    return Spiegelhalter(z, float(2.0 * norm.sf(abs(z))))


def _checked(y_true: ArrayLike, y_prob: ArrayLike) -> tuple[BoolArray, FloatArray]:
    positive = validation.outcome(y_true)
    return positive, validation.probability(y_prob, positive.size)
