"""Bootstrap intervals of any statistic of scores, drawing patients within each outcome."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import norm

from her2.core.errors import BadArgument, NotEstimable
from her2.stats import validation
from her2.stats.discrimination.auc import auc
from her2.stats.discrimination.patient_bootstrap import (
    IntArray,
    Patients,
    Seed,
    check_failures,
    draws,
    patients,
    rows,
)
from her2.stats.validation import BoolArray, FloatArray

Statistic = Callable[[IntArray, FloatArray], float]
BootstrapMethod = Literal["percentile", "bca"]

# (b, n) times each case is drawn -> (b,) values of the statistic, missing where not estimable
_Replicates = Callable[[IntArray], FloatArray]


@dataclass(frozen=True)
class BootstrapInterval:
    """Estimate in the sample and limits from its resamples.

    Attributes
    ----------
    estimate
        In the sample.
    low, high
        Limits from the resamples in which the statistic was estimable.
    n_resamples, n_failed
        Resamples drawn, and those in which the statistic was not estimable.
    """

    estimate: float
    low: float
    high: float
    n_resamples: int
    n_failed: int


def bootstrap_interval(
    statistic: Statistic,
    y_true: ArrayLike,
    y_prob: ArrayLike,
    *,
    seed: Seed,
    groups: ArrayLike | None = None,
    n_resamples: int = 2000,
    level: float = 0.95,
    method: BootstrapMethod = "percentile",
    stratified: bool = True,
) -> BootstrapInterval:
    """Bootstrap interval of a statistic of outcomes and scores.

    Parameters
    ----------
    statistic
        Called with outcomes (n,) of 0 and 1 and scores (n,); raises `NotEstimable` where it
        is not. For `her2.stats.discrimination.auc` all resamples are computed at once.
    y_true
        Shape (n,), 0 or 1, both present.
    y_prob
        Shape (n,), finite.
    seed
        An integer, a `SeedSequence` or a `Generator`.
    groups
        Shape (n,), the patient of each case, whose cases are drawn together; None if each case
        is a patient.
    n_resamples
        At least 1; 2000 give steady limits.
    level
        Confidence level in (0, 1).
    method
        "percentile", or "bca": corrected for bias and skewness, second-order accurate.
    stratified
        Whether each resample has as many positive and negative patients as the sample; a patient
        with any positive case is positive.

    Raises
    ------
    NotEstimable
        If the statistic is not estimable in the sample or in more than 5 % of resamples, a class
        is absent, a score is missing, or the correction of "bca" has no finite value.
    BadArgument
        If the shapes differ or an option is outside its range.

    References
    ----------
    Efron (1987), J. Am. Stat. Assoc. 82:171, doi:10.1080/01621459.1987.10478410.
    Davison & Hinkley (1997), Bootstrap Methods, doi:10.1017/CBO9780511802843, section 3.2.

    Examples
    --------
    >>> y, p = [0] * 20 + [1] * 20, [*range(20), *range(10, 30)]
    >>> result = bootstrap_interval(auc, y, p, seed=0)
    >>> result.estimate, round(result.low, 2), round(result.high, 2)
    (0.875, 0.76, 0.96)
    """
    positive, scores = validation.outcome_and_score(
        y_true, y_prob, name="y_prob", constant_ok=True
    )
    estimate = statistic(positive.astype(np.intp), scores)
    plan = _Plan(patients(positive, groups), n_resamples, level, method, stratified)
    return _interval(plan, estimate, _replicates(statistic, positive, scores), seed)


def bootstrap_difference(
    statistic: Statistic,
    y_true: ArrayLike,
    first: ArrayLike,
    second: ArrayLike,
    *,
    seed: Seed,
    groups: ArrayLike | None = None,
    n_resamples: int = 2000,
    level: float = 0.95,
    method: BootstrapMethod = "percentile",
    stratified: bool = True,
) -> BootstrapInterval:
    """Bootstrap interval of the difference of a statistic between two scores of the same cases.

    Both scores are read off the same resamples, so what they share cancels.

    Parameters
    ----------
    statistic
        As in `bootstrap_interval`.
    y_true
        Shape (n,), 0 or 1, both present.
    first, second
        Shape (n,), finite, in the order of `y_true`.
    seed, groups, n_resamples, level, method, stratified
        As in `bootstrap_interval`.

    Returns
    -------
    BootstrapInterval
        Of first minus second.

    Raises
    ------
    NotEstimable
        As `bootstrap_interval`, for either score.
    BadArgument
        If the shapes differ or an option is outside its range.

    References
    ----------
    Efron (1987), J. Am. Stat. Assoc. 82:171, doi:10.1080/01621459.1987.10478410.

    Examples
    --------
    >>> y, p = [0] * 20 + [1] * 20, [*range(20), *range(10, 30)]
    >>> bootstrap_difference(auc, y, p, [2 * v for v in p], seed=0)
    BootstrapInterval(estimate=0.0, low=0.0, high=0.0, n_resamples=2000, n_failed=0)
    """
    positive = validation.outcome(y_true)
    one = validation.score(first, positive.size, name="first score", constant_ok=True)
    two = validation.score(second, positive.size, name="second score", constant_ok=True)
    y = positive.astype(np.intp)
    estimate = statistic(y, one) - statistic(y, two)
    of_one = _replicates(statistic, positive, one)
    of_two = _replicates(statistic, positive, two)
    plan = _Plan(patients(positive, groups), n_resamples, level, method, stratified)
    return _interval(plan, estimate, lambda times: of_one(times) - of_two(times), seed)


@dataclass(frozen=True)
class _Plan:
    of: Patients
    n_resamples: int
    level: float
    method: BootstrapMethod
    stratified: bool

    def __post_init__(self) -> None:
        validation.check_level(self.level)
        if self.method not in ("percentile", "bca"):
            raise BadArgument(f"method must be 'percentile' or 'bca', found {self.method!r}")


def _interval(
    plan: _Plan, estimate: float, replicates: _Replicates, seed: Seed
) -> BootstrapInterval:
    blocks = draws(plan.of, plan.n_resamples, seed, stratified=plan.stratified)
    values = np.concatenate([replicates(times) for times in blocks])
    known = values[~np.isnan(values)]
    n_failed = values.size - known.size
    check_failures(n_failed, values.size)
    tails = np.array([(1.0 - plan.level) / 2.0, (1.0 + plan.level) / 2.0])
    if plan.method == "bca":
        tails = _bca_tails(tails, known, estimate, _acceleration(plan, replicates))
    low, high = np.quantile(known, tails).tolist()
    return BootstrapInterval(float(estimate), low, high, plan.n_resamples, n_failed)


def _replicates(statistic: Statistic, positive: BoolArray, scores: FloatArray) -> _Replicates:
    if statistic is auc:
        return _weighted_auc(positive, scores)
    y = positive.astype(np.intp)

    def one(times: IntArray) -> float:
        drawn = rows(times)
        try:
            return float(statistic(y[drawn], scores[drawn]))
        except NotEstimable:
            return np.nan  # counted by the caller

    return lambda times: np.array([one(resample) for resample in times])


def _weighted_auc(positive: BoolArray, scores: FloatArray) -> _Replicates:
    """AUC of every resample from one sort of the sample."""
    order = np.argsort(scores, kind="stable")
    ascending, is_positive = scores[order], positive[order]
    starts = np.flatnonzero(np.concatenate([[True], ascending[1:] != ascending[:-1]]))

    def replicates(times: IntArray) -> FloatArray:
        at_score = np.add.reduceat(times[:, order], starts, axis=1)  # (b, n_distinct)
        positives = np.add.reduceat(times[:, order] * is_positive, starts, axis=1)
        negatives = at_score - positives
        twice_below = 2 * np.cumsum(negatives, axis=1) - negatives  # a tie counts one half
        twice_won = (positives * twice_below).sum(axis=1)
        twice_pairs = 2.0 * positives.sum(axis=1) * negatives.sum(axis=1)
        is_known = (twice_pairs > 0) & ((at_score > 0).sum(axis=1) > 1)
        return np.where(is_known, twice_won / np.where(is_known, twice_pairs, 1.0), np.nan)

    return replicates


def _acceleration(plan: _Plan, replicates: _Replicates) -> float:
    """Skewness of the statistic from the jackknife over patients, stratum by stratum.

    Davison & Hinkley (1997), equation 5.29: influence values l scaled by the size of their
    stratum, a = sum(l^3) / 6 sum(l^2)^(3/2).
    """
    cubes = squares = 0.0
    for stratum in plan.of.strata(plan.stratified):
        without = ((plan.of.of_case != i).astype(np.intp) for i in stratum)
        left_out = np.concatenate([replicates(times[None]) for times in without])
        if np.isnan(left_out).any():
            raise NotEstimable(
                "the bca interval needs the statistic without each patient in turn, found one "
                "without whom it is not estimable; use the percentile interval"
            )
        influence = (stratum.size - 1) * (left_out.mean() - left_out) / stratum.size
        cubes += float((influence**3).sum())
        squares += float((influence**2).sum())
    return cubes / (6.0 * squares**1.5) if squares > 0.0 else 0.0


def _bca_tails(
    tails: FloatArray, known: FloatArray, estimate: float, acceleration: float
) -> FloatArray:
    """Shares of the resamples at which the corrected limits lie, (2,)."""
    is_tied = np.isclose(known, estimate, rtol=1e-12, atol=1e-12)  # equal but for rounding
    below = float(np.mean((known < estimate) & ~is_tied) + np.mean(is_tied) / 2.0)
    if not 0.0 < below < 1.0:
        raise NotEstimable(
            "the bca interval needs resamples on both sides of the estimate, found all on one; "
            "use the percentile interval"
        )
    bias = norm.ppf(below)
    shifted = bias + norm.ppf(tails)
    return np.asarray(norm.cdf(bias + shifted / (1.0 - acceleration * shifted)))
