"""Whether predicted probabilities can be taken at their word."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.optimize import brentq
from scipy.special import expit, logit

from her2.errors import NotEstimable
from her2.stats import validation
from her2.stats.grouping import quantile_groups
from her2.stats.loess import loess_curve
from her2.stats.logistic_fit import fit_logistic
from her2.stats.operating_point import wilson_interval
from her2.stats.validation import BoolArray, FloatArray


@dataclass(frozen=True)
class Calibration:
    """How predictions relate to outcomes.

    intercept, slope: of the outcome on logit(p), ideally 0 and 1; in_the_large: intercept with
    the slope held at 1, ideally 0; brier: mean squared error, [0, 1]; ici: integrated calibration
    index, ideally 0; n_without_logit: predictions of exactly 0 or 1, which have no logit and are
    absent from the first three, but not from brier and ici.
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

    Returns
    -------
    Calibration
        See its fields.

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


def calibration_line(y_true: ArrayLike, y_prob: ArrayLike) -> tuple[float, float]:
    """Intercept and slope of the logistic regression of the outcome on logit(p).

    Parameters
    ----------
    y_true
        Shape (n,), 0 or 1, both present.
    y_prob
        Shape (n,), in [0, 1]. Predictions of exactly 0 or 1 have no logit and are left out, as
        R's `val.prob` leaves them out: any clip would be an arbitrary, hugely influential value.

    Returns
    -------
    tuple of float
        (intercept, slope), ideally (0, 1); slope below 1: predictions too extreme.

    Raises
    ------
    NotEstimable
        If the predictions separate the classes perfectly (the slope is infinite) or are constant,
        or if a class is absent or a prediction missing.
    BadArgument
        If the shapes differ or a prediction is outside [0, 1].

    References
    ----------
    Cox (1958), Biometrika 45:562, doi:10.1093/biomet/45.3-4.562.

    Examples
    --------
    >>> intercept, slope = calibration_line([0, 0, 1, 0, 1, 1], [0.1, 0.2, 0.3, 0.5, 0.6, 0.7])
    >>> round(intercept, 3), round(slope, 3)
    (0.798, 1.639)
    """
    positive, linear_predictor = _with_logit(*_checked(y_true, y_prob))
    if linear_predictor.min() == linear_predictor.max():
        raise NotEstimable(
            "the calibration slope needs predictions that differ, found one value; "
            "report calibration in the large only"
        )
    fit = fit_logistic(positive, linear_predictor[:, None], ["logit(p)"])
    return fit.intercept, float(fit.coefficients[0])


def calibration_in_the_large(y_true: ArrayLike, y_prob: ArrayLike) -> float:
    """Intercept of a logistic regression with offset logit(p): average over- or under-prediction.

    Parameters
    ----------
    y_true
        Shape (n,), 0 or 1, both present.
    y_prob
        Shape (n,), in [0, 1]; exactly 0 or 1 is left out, as in `calibration_line`.

    Returns
    -------
    float
        0 if predictions are right on average, positive if they are too low.

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
    >>> round(calibration_in_the_large([0, 1, 1, 1], [0.5, 0.5, 0.5, 0.5]), 3)  # log(3)
    1.099
    """
    positive, linear_predictor = _with_logit(*_checked(y_true, y_prob))
    prevalence = positive.mean()

    def excess(intercept: float) -> float:
        return float(expit(linear_predictor + intercept).mean() - prevalence)

    # the score equation is monotone, and its root lies between these two
    low = float(logit(prevalence) - linear_predictor.max())
    high = float(logit(prevalence) - linear_predictor.min())
    return float(brentq(excess, low - 1.0, high + 1.0, xtol=1e-14, rtol=1e-14))


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


def integrated_calibration_index(y_true: ArrayLike, y_prob: ArrayLike) -> float:
    """Mean distance of the predictions from a loess of the outcome on them.

    Parameters
    ----------
    y_true
        Shape (n,), 0 or 1, both present.
    y_prob
        Shape (n,), in [0, 1], with enough distinct values for a local parabola.

    Returns
    -------
    float
        Not negative; 0 if the smoothed outcome equals the prediction everywhere. The smooth is
        R's `loess(y ~ p)` (span 0.75, degree 2), which is not confined to [0, 1].

    Raises
    ------
    NotEstimable
        If the predictions are constant or too heavily tied for loess, a class is absent, or a
        prediction is missing.
    BadArgument
        If the shapes differ or a prediction is outside [0, 1].

    References
    ----------
    Austin & Steyerberg (2019), Stat. Med. 38:4051, doi:10.1002/sim.8281.

    Examples
    --------
    >>> y = [0, 1, 0, 0, 1, 0, 1, 1, 0, 1]
    >>> p = [0.1, 0.2, 0.3, 0.35, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9]
    >>> round(integrated_calibration_index(y, p), 3)
    0.111
    """
    positive = validation.outcome(y_true)
    p = validation.probability(y_prob, positive.size, constant_ok=False)
    return float(np.mean(np.abs(loess_curve(p, positive.astype(np.float64)) - p)))


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
    positive, p = _checked(y_true, y_prob)
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


def _checked(y_true: ArrayLike, y_prob: ArrayLike) -> tuple[BoolArray, FloatArray]:
    positive = validation.outcome(y_true)
    return positive, validation.probability(y_prob, positive.size)


def _with_logit(positive: BoolArray, p: FloatArray) -> tuple[BoolArray, FloatArray]:
    """Outcome and logit of the predictions that have one, both classes present."""
    inside = (p > 0.0) & (p < 1.0)
    kept = positive[inside]
    if not 0 < kept.sum() < kept.size:
        raise NotEstimable(
            f"calibration needs both classes among predictions other than 0 and 1, found "
            f"{int(kept.sum())} positive of {kept.size}; report the Brier score instead"
        )
    return kept, np.asarray(logit(p[inside]), dtype=np.float64)
