"""All measures of R's `rms::val.prob`: discrimination, unreliability and their sum, quality."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import expit, logit, xlog1py, xlogy
from scipy.stats import chi2

from her2.stats import validation
from her2.stats.discrimination.auc import auc
from her2.stats.probabilities.calibration_line import calibration_line
from her2.stats.probabilities.proper_scores import brier_score, spiegelhalter
from her2.stats.probabilities.smooth_calibration import lowess_calibration
from her2.stats.validation import BoolArray, FloatArray


@dataclass(frozen=True)
class ValidationMeasures:
    """How a model predicts new cases, in the words of `rms::val.prob`.

    dxy: Somers' rank correlation, 2 c - 1; c: area under the ROC curve; r_squared: Nagelkerke's,
    of the predictions as they are (negative if worse than the prevalence);
    discrimination: D, with the likelihood ratio statistic and p-value of the predictions against
    the prevalence; unreliability: U, with those of the calibration line against the predictions;
    quality: D - U; brier; intercept, slope: of the calibration line; e_max, e90, e_average:
    distances from the lowess curve; spiegelhalter_z, spiegelhalter_p.
    """

    dxy: float
    c: float
    r_squared: float
    discrimination: float
    discrimination_chi2: float
    discrimination_p: float
    unreliability: float
    unreliability_chi2: float
    unreliability_p: float
    quality: float
    brier: float
    intercept: float
    slope: float
    e_max: float
    e90: float
    e_average: float
    spiegelhalter_z: float
    spiegelhalter_p: float


def validation_measures(y_true: ArrayLike, y_prob: ArrayLike) -> ValidationMeasures:
    """All measures of `rms::val.prob`; use single functions where one may not be estimable.

    Parameters
    ----------
    y_true
        Shape (n,), 0 or 1, both present.
    y_prob
        Shape (n,), in [0, 1]. Predictions of exactly 0 or 1 have no logit and are left out of
        all but unreliability, Brier score, lowess and Spiegelhalter's test, as in R.

    Returns
    -------
    ValidationMeasures
        Unreliability is infinite (p = 0) and quality minus infinity if a certain prediction was
        wrong. c is exact, where R counts predictions in one bin of 0.0002 as tied.

    Raises
    ------
    NotEstimable
        If one of the measures is not (the predictions separate the classes or are constant, a
        class is absent, a prediction is missing).
    BadArgument
        If the shapes differ or a prediction is outside [0, 1].

    References
    ----------
    Harrell (2015), Regression Modeling Strategies, doi:10.1007/978-3-319-19425-7, section 10.9.
    Miller, Hui & Tierney (1991), Stat. Med. 10:1213, doi:10.1002/sim.4780100805 (D, U, Q).

    Examples
    --------
    >>> y = [0, 1, 0, 0, 1, 0, 1, 1, 0, 1]
    >>> p = [0.1, 0.2, 0.3, 0.35, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9]
    >>> found = validation_measures(y, p)
    >>> round(found.c, 3), round(found.discrimination, 3), round(found.unreliability, 3)
    (0.68, -0.053, -0.144)
    """
    positive = validation.outcome(y_true)
    p = validation.probability(y_prob, positive.size)
    intercept, slope = calibration_line(positive, p)
    inside = (p > 0.0) & (p < 1.0)
    errors, test = lowess_calibration(positive, p).errors, spiegelhalter(positive, p)
    c = auc(positive[inside], p[inside])
    return ValidationMeasures(
        dxy=2.0 * c - 1.0,
        c=c,
        **_likelihood(positive, p, inside, expit(intercept + slope * logit(p[inside]))),
        brier=brier_score(positive, p),
        intercept=intercept,
        slope=slope,
        e_max=errors.e_max,
        e90=errors.e90,
        e_average=errors.ici,
        spiegelhalter_z=test.z,
        spiegelhalter_p=test.p_value,
    )


def _likelihood(
    positive: BoolArray, p: FloatArray, inside: BoolArray, recalibrated: FloatArray
) -> dict[str, float]:
    """Measures from deviances; `recalibrated` has the calibration line's value of those inside."""
    known = positive[inside]
    n = known.size
    null = _deviance(known, np.full(n, known.mean()))
    gained = null - _deviance(known, p[inside])
    lost = _deviance(positive, p) - _deviance(known, recalibrated)
    discrimination, unreliability = (gained - 1.0) / n, (lost - 2.0) / n
    return {
        "r_squared": float(np.expm1(-gained / n) / np.expm1(-null / n)),
        "discrimination": discrimination,
        "discrimination_chi2": gained,
        "discrimination_p": float(chi2.sf(gained, 1)),
        "unreliability": unreliability,
        "unreliability_chi2": lost,
        "unreliability_p": float(chi2.sf(lost, 2)),
        "quality": discrimination - unreliability,
    }


def _deviance(positive: BoolArray, p: FloatArray) -> float:
    """Minus twice the log-likelihood; infinite if a certain prediction was wrong."""
    return float(-2.0 * np.sum(xlogy(positive, p) + xlog1py(~positive, -p)))
