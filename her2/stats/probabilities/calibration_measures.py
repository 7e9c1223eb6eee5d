"""Calibration and Brier scores: all measures, and groups to plot."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from her2.stats import validation
from her2.stats.discrimination.operating_point import wilson_interval
from her2.stats.probabilities.calibration_line import calibration_in_the_large, calibration_line
from her2.stats.probabilities.hosmer_lemeshow import quantile_groups
from her2.stats.probabilities.smooth_calibration import integrated_calibration_index
from her2.stats.validation import BoolArray, FloatArray


@dataclass(frozen=True)
class Calibration:
    """How predictions relate to outcomes.

    Attributes
    ----------
    intercept, slope
        Of the outcome on logit(p), ideally 0 and 1.
    in_the_large
        Intercept with the slope held at 1, ideally 0.
    brier
        Mean squared error, in [0, 1].
    ici
        Integrated calibration index, ideally 0.
    n_without_logit
        Predictions of exactly 0 or 1, which have no logit and are absent from the first three,
        but not from brier and ici.
    """

    intercept: float
    slope: float
    in_the_large: float
    brier: float
    ici: float
    n_without_logit: int = 0


def calibration(y_true: ArrayLike, y_prob: ArrayLike) -> Calibration:
    """All measures of calibration; use the single functions where one may not be estimable.

    Parameters
    ----------
    y_true
        Shape (n,), 0 or 1, both present.
    y_prob
        Shape (n,), in [0, 1].

    Raises
    ------
    NotEstimable
        If any of the measures is not estimable; the message says which and why.
    BadArgument
        If the shapes differ or a prediction is outside [0, 1].

    References
    ----------
    Van Calster et al. (2019), BMC Med. 17:230, doi:10.1186/s12916-019-1466-7.

    Examples
    --------
    >>> y = [0, 1, 0, 0, 1, 0, 1, 1, 0, 1]
    >>> p = [0.1, 0.2, 0.3, 0.35, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9]
    >>> result = calibration(y, p)
    >>> round(result.intercept, 3), round(result.slope, 3), round(result.brier, 3)
    (0.037, 0.547, 0.237)
    """
    intercept, slope = calibration_line(y_true, y_prob)
    p = np.asarray(y_prob, dtype=np.float64)
    return Calibration(
        intercept=intercept,
        slope=slope,
        in_the_large=calibration_in_the_large(y_true, y_prob),
        brier=brier_score(y_true, y_prob),
        ici=integrated_calibration_index(y_true, y_prob),
        n_without_logit=int(((p == 0.0) | (p == 1.0)).sum()),
    )


def calibration_groups(
    y_true: ArrayLike, y_prob: ArrayLike, *, n_groups: int = 10
) -> pd.DataFrame:
    """Mean prediction and observed proportion in quantile groups: the points of the plot.

    Parameters
    ----------
    y_true
        Shape (n,), 0 or 1, both present.
    y_prob
        Shape (n,), in [0, 1], not constant.
    n_groups
        At least 2; tied predictions realise fewer.

    Returns
    -------
    DataFrame
        One row a group, ascending: mean_predicted, observed, low, high (Wilson, 95 %), n.

    Raises
    ------
    NotEstimable
        If the predictions are constant, a class is absent, or a prediction is missing.
    BadArgument
        If the shapes differ, a prediction is outside [0, 1], or `n_groups` is below 2.

    References
    ----------
    Van Calster et al. (2016), J. Clin. Epidemiol. 74:167, doi:10.1016/j.jclinepi.2015.12.005.

    Examples
    --------
    >>> calibration_groups([0, 0, 1, 1], [0.1, 0.3, 0.6, 0.8], n_groups=2)[
    ...     ["mean_predicted", "observed", "n"]
    ... ].values.tolist()
    [[0.2, 0.0, 2.0], [0.7, 1.0, 2.0]]
    """
    positive = validation.outcome(y_true)
    p = validation.probability(y_prob, positive.size)
    group = quantile_groups(p, n_groups)
    sizes = np.bincount(group)
    n_positive = np.bincount(group, weights=positive).astype(int)
    limits = [wilson_interval(int(k), int(n)) for k, n in zip(n_positive, sizes, strict=True)]
    return pd.DataFrame(
        {
            "mean_predicted": np.bincount(group, weights=p) / sizes,
            "observed": n_positive / sizes,
            "low": [low for low, _ in limits],
            "high": [high for _, high in limits],
            "n": sizes,
        }
    )


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


def _checked(y_true: ArrayLike, y_prob: ArrayLike) -> tuple[BoolArray, FloatArray]:
    positive = validation.outcome(y_true)
    return positive, validation.probability(y_prob, positive.size)
