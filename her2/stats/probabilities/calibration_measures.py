"""Calibration and Brier scores: all measures, groups to plot, and the test made of groups."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.stats import chi2

from her2.core.errors import BadArgument, NotEstimable
from her2.stats import validation
from her2.stats.clusters import Estimate, outcome_and_repeats, wald_interval
from her2.stats.discrimination.shares import share
from her2.stats.probabilities.calibration_line import calibration_in_the_large, calibration_line
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


@dataclass(frozen=True)
class HosmerLemeshow:
    """Result of the test.

    Attributes
    ----------
    statistic, dof, p_value
        Chi-square, its degrees of freedom, and the probability of a larger one.
    """

    statistic: float
    dof: int
    p_value: float


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
    y_true: ArrayLike, y_prob: ArrayLike, groups: ArrayLike | None = None, *, n_groups: int = 10
) -> pd.DataFrame:
    """Mean prediction and observed proportion in quantile groups: the points of the plot.

    Parameters
    ----------
    y_true
        Shape (n,), 0 or 1, both present.
    y_prob
        Shape (n,), or (n_repeats, n) of repeated cross-validation; in [0, 1], not constant.
    groups
        Shape (n,), the patient of each case; None if each case is a patient.
    n_groups
        At least 2; tied predictions realise fewer.

    Returns
    -------
    DataFrame
        One row a group, ascending: mean_predicted, observed, low, high (Wilson, 95 %), n
        (with several repeats its mean).

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
    positive, p = outcome_and_repeats(y_true, y_prob)
    group = quantile_groups(p.ravel(), n_groups).reshape(p.shape)
    rows = []
    for k in range(int(group.max()) + 1):
        members = (group == k).mean(axis=0)  # how often each case is one
        found = share(members * positive, members, groups)
        row = {"mean_predicted": p[group == k].mean(), "observed": found.value}
        rows.append(row | {"low": found.low, "high": found.high, "n": members.sum()})
    table = pd.DataFrame(rows)
    return table.astype({"n": int}) if len(p) == 1 else table


def brier_score(y_true: ArrayLike, y_prob: ArrayLike) -> float:
    """Mean squared difference between prediction and outcome.

    Parameters
    ----------
    y_true
        Shape (n,), 0 or 1, both present.
    y_prob
        Shape (n,), or (n_repeats, n) of repeated cross-validation; in [0, 1].

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
    positive, p = outcome_and_repeats(y_true, y_prob)
    return float(np.mean((p - positive) ** 2))


def brier_interval(
    y_true: ArrayLike, y_prob: ArrayLike, groups: ArrayLike | None = None, *, level: float = 0.95
) -> Estimate:
    """Brier score with Student's interval of patients.

    Parameters
    ----------
    y_true, y_prob
        As in `brier_score`.
    groups
        Shape (n,), the patient of each case; None if each case is a patient.
    level
        Confidence level in (0, 1).

    Raises
    ------
    NotEstimable, BadArgument
        As `brier_score`, and if there is one patient only, or the level is not in (0, 1).

    References
    ----------
    Bradley, Schwartz & Hashino (2008), Weather Forecast. 23:992, doi:10.1175/2007WAF2007049.1.

    Examples
    --------
    >>> found = brier_interval([0, 1, 1], [0.2, 0.6, 1.0])
    >>> round(found.value, 4), round(found.low, 4), round(found.high, 4)
    (0.0667, 0.0, 0.2735)
    """
    positive, p = outcome_and_repeats(y_true, y_prob)
    error = ((p - positive) ** 2).mean(axis=0)
    brier = float(error.mean())
    influence = (error - brier) / error.size
    return wald_interval(brier, influence, groups, level=level, within=(0.0, 1.0))


def scaled_brier(y_true: ArrayLike, y_prob: ArrayLike) -> float:
    """Share of the Brier score of the prevalence that the predictions remove.

    Parameters
    ----------
    y_true, y_prob
        As in `brier_score`.

    Returns
    -------
    float
        1 is perfect, 0 is as good as predicting the prevalence of this sample for everybody, and
        negative is worse.

    Raises
    ------
    NotEstimable, BadArgument
        As `brier_score`.

    References
    ----------
    Steyerberg et al. (2010), Epidemiology 21:128, doi:10.1097/EDE.0b013e3181c30fb2.

    Examples
    --------
    >>> scaled_brier([0, 0, 1, 1], [0.0, 0.5, 0.5, 1.0])
    0.5
    """
    prevalence = validation.outcome(y_true).mean()
    return float(1.0 - brier_score(y_true, y_prob) / (prevalence * (1.0 - prevalence)))


def scaled_brier_interval(
    y_true: ArrayLike, y_prob: ArrayLike, groups: ArrayLike | None = None, *, level: float = 0.95
) -> Estimate:
    """Scaled Brier score with Student's interval of patients, the prevalence being estimated.

    Parameters
    ----------
    y_true, y_prob, groups, level
        As in `brier_interval`.

    Raises
    ------
    NotEstimable, BadArgument
        As `brier_interval`.

    References
    ----------
    Bradley, Schwartz & Hashino (2008), Weather Forecast. 23:992, doi:10.1175/2007WAF2007049.1.

    Examples
    --------
    >>> y, p = [0, 0, 0, 1, 1, 1], [0.1, 0.2, 0.6, 0.4, 0.7, 0.9]
    >>> found = scaled_brier_interval(y, p)
    >>> round(found.value, 3), round(found.low, 3), round(found.high, 3)
    (0.42, -0.29, 1.0)
    """
    positive, p = outcome_and_repeats(y_true, y_prob)
    error = ((p - positive) ** 2).mean(axis=0)
    brier, prevalence = error.mean(), positive.mean()
    reference = prevalence * (1.0 - prevalence)
    of_reference = (1.0 - 2.0 * prevalence) * (positive - prevalence)
    influence = (brier / reference * of_reference - (error - brier)) / reference / error.size
    scaled = float(1.0 - brier / reference)
    return wald_interval(scaled, influence, groups, level=level, within=(-inf, 1.0))


def hosmer_lemeshow(
    y_true: ArrayLike, y_prob: ArrayLike, *, n_groups: int = 10, external: bool = False
) -> HosmerLemeshow:
    """Hosmer-Lemeshow test over groups of similar predictions.

    Parameters
    ----------
    y_true, y_prob
        As in `calibration`.
    n_groups
        Groups asked for. Tied predictions realise fewer, and the degrees of freedom follow the
        groups that were realised, as ResourceSelection's `hoslem.test` does since 0.3-6.
    external
        Whether the cases are others than the model was fitted on; then every non-empty group
        counts a degree of freedom, otherwise two fewer.

    Returns
    -------
    HosmerLemeshow
        The statistic is infinite and p = 0 if a group was given probability 0 (or 1) throughout
        and yet had an event (or a non-event).

    Raises
    ------
    NotEstimable, BadArgument
        As `calibration_groups`, and if fewer than three groups are realised.

    References
    ----------
    Hosmer & Lemeshow (1980), Commun. Stat. Theory Methods 9:1043,
    doi:10.1080/03610928008827941.

    Examples
    --------
    >>> test = hosmer_lemeshow([0, 0, 1, 0, 1, 1], [0.1, 0.2, 0.3, 0.6, 0.7, 0.8], n_groups=3)
    >>> round(test.statistic, 3), test.dof, round(test.p_value, 3)
    (1.04, 1, 0.308)
    """
    positive, p = validation.outcome_and_probability(y_true, y_prob)
    group = quantile_groups(p, n_groups)
    n_realised = int(group.max()) + 1
    if n_realised < 3:
        raise NotEstimable(
            f"the Hosmer-Lemeshow test needs 3 groups, found {n_realised} distinct ones in "
            f"{p.size} predictions; use more groups or another measure of calibration"
        )
    statistic = _statistic(positive, p, group)
    dof = n_realised if external else n_realised - 2
    return HosmerLemeshow(statistic, dof, float(chi2.sf(statistic, dof)))


def _statistic(positive: BoolArray, p: FloatArray, group: NDArray[np.intp]) -> float:
    # the third is exactly 0 where every prediction is exactly 1
    sums = (np.bincount(group, weights=values) for values in (positive, p, 1.0 - p))
    observed, expected, expected_negative = (np.asarray(x, dtype=np.float64) for x in sums)
    squared = (observed - expected) ** 2
    return _sum_of_ratios(squared, expected) + _sum_of_ratios(squared, expected_negative)


def _sum_of_ratios(numerator: FloatArray, denominator: FloatArray) -> float:
    """Sum of ratios, 0 / 0 counting 0: nothing expected and nothing observed fits."""
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = numerator / denominator
    return float(np.where(numerator == 0.0, 0.0, ratio).sum())


def quantile_groups(y_prob: FloatArray, n_groups: int) -> NDArray[np.intp]:
    """Group of each case, from 0, by R's ``cut(p, unique(quantile(p)), include.lowest = TRUE)``.

    Groups are closed on the right. Tied predictions make quantiles coincide, so fewer than
    `n_groups` groups may come out; empty ones are skipped in the numbering. Quantiles are of
    type 7: Hyndman & Fan (1996), Am. Stat. 50:361, doi:10.1080/00031305.1996.10473566.
    """
    if n_groups < 2:
        raise BadArgument(f"n_groups must be at least 2, found {n_groups}; 10 is usual")
    breaks = np.unique(type7_quantiles(y_prob, n_groups))
    if breaks.size < 2:
        raise NotEstimable(
            f"groups need predictions that differ, found {y_prob[0]:g} for all {y_prob.size}; "
            "a constant prediction has one group"
        )
    interval = np.maximum(np.searchsorted(breaks, y_prob, side="left"), 1)
    return np.unique(interval, return_inverse=True)[1]


def type7_quantiles(values: FloatArray, n_groups: int) -> FloatArray:
    """Quantiles 0, 1/g, ..., 1 of shape (g + 1,), with R's order of operations.

    A case that lies on a quantile falls left or right of it by one rounding error, so NumPy's
    quantile, which rounds in another order, would sometimes move it to another group.
    """
    ordered = np.sort(values)
    share = np.minimum(np.arange(n_groups + 1) * (1.0 / n_groups), 1.0)
    index = (1.0 + (ordered.size - 1) * share) - 1.0  # R counts from 1, and rounds there
    below = np.floor(index).astype(np.intp)
    above = np.ceil(index).astype(np.intp)
    weight = index - below
    mixed = (1.0 - weight) * ordered[below] + weight * ordered[above]
    tied = ordered[above] == ordered[below]
    return np.asarray(np.where(tied, ordered[below], mixed), dtype=np.float64)
