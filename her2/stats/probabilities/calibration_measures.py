"""Whether predicted probabilities can be taken at their word: all measures, and groups to plot."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from her2.stats import validation
from her2.stats.discrimination.operating_point import wilson_interval
from her2.stats.probabilities.calibration_line import calibration_in_the_large, calibration_line
from her2.stats.probabilities.grouping import quantile_groups
from her2.stats.probabilities.proper_scores import brier_score
from her2.stats.probabilities.smooth_calibration import integrated_calibration_index


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
