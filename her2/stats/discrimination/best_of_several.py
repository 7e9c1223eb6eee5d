"""What the best of several arms is worth, after it was chosen for being the best."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import expit, logit
from scipy.stats import t as student_t

from her2.core.errors import BadArgument
from her2.stats.discrimination.auc_estimate import (
    AucEstimate,
    Ranking,
    auc_difference,
    auc_estimate,
)
from her2.stats.validation import FloatArray

_N_DRAWS = 20_000  # of the arms' errors: the mean of their maximum within .001
_SD = 0.83  # of an AUC over its standard error, which is made to cover (benchmarks/coverage.py)


@dataclass(frozen=True)
class BestOfSeveral:
    """The arm with the largest cross-validated AUC, and how much of it is the choice.

    Attributes
    ----------
    name
        Of the arm.
    auc
        Its AUC, before the correction.
    corrected, low, high
        The AUC without the luck of having been the largest, and its limits.
    tied
        Names of the arms that cannot be told from it, itself among them.
    n_arms
        Arms that it was chosen from.
    """

    name: str
    auc: float
    corrected: float
    low: float
    high: float
    tied: tuple[str, ...]
    n_arms: int


def best_of_several(
    y_true: ArrayLike,
    scores: Mapping[str, ArrayLike],
    folds: Mapping[str, ArrayLike],
    *,
    groups: ArrayLike | None = None,
    level: float = 0.95,
    seed: int = 0,
) -> BestOfSeveral:
    """AUC of the best of several arms, corrected for having been chosen by it.

    Arms whose difference from the best is not significant at `1 - level` are taken to be equally
    good. The largest of their errors, correlated as the arms are and sized by the standard error
    of `auc_estimate` (without its prior for few cases), is on average what the choice has added.
    Resampling patients alone (bootstrap bias-corrected cross-validation) takes away about half of
    it, because all resamples share the models.

    Parameters
    ----------
    y_true
        Shape (n,), 0 or 1, at least two of each.
    scores, folds
        By arm, shape (n_repeats, n) each: out-of-fold predictions, and the fold of each.
    groups
        Shape (n,), the patient of each case; None if each case is a patient.
    level
        Confidence level in (0, 1).
    seed
        Of the drawn errors.

    Returns
    -------
    BestOfSeveral
        With one arm, nothing is corrected.

    Raises
    ------
    NotEstimable
        As `auc_estimate`, for any arm.
    BadArgument
        As there, and if there is no arm.

    References
    ----------
    Tsamardinos, Greasidou & Borboudakis (2018), Mach. Learn. 107:1895,
    doi:10.1007/s10994-018-5714-4 (the choice, and its correction by resampling patients).
    Tibshirani & Tibshirani (2009), Ann. Appl. Stat. 3:822, doi:10.1214/08-AOAS224.

    Examples
    --------
    >>> y, rng = [0, 1] * 30, np.random.default_rng(0)
    >>> useless = {name: np.tile(rng.normal(size=60), (5, 1)) for name in "abc"}
    >>> found = best_of_several(y, useless, {name: [list(range(5)) * 12] * 5 for name in "abc"})
    >>> found.name, round(found.auc, 2), round(found.corrected, 2), len(found.tied)
    ('a', 0.62, 0.56, 3)
    """
    if not scores:
        raise BadArgument("scores must name one arm or more, found none; pass the arms' scores")
    if missing := sorted(scores.keys() - folds.keys()):
        raise BadArgument(f"folds must name every arm, found none of {', '.join(missing)}")
    n_folds = max(np.unique(np.asarray(fold)).size for fold in folds.values())
    found = {
        arm: auc_estimate(y_true, x, groups=groups, folds=folds[arm], level=level)
        for arm, x in scores.items()
    }
    best = max(found, key=lambda arm: found[arm].auc)
    tests = {
        arm: auc_difference(y_true, scores[best], x, groups=groups, n_folds=n_folds).p_value
        for arm, x in scores.items()
    }
    tied = tuple(arm for arm, p in tests.items() if p >= 1.0 - level)
    rankings = [Ranking.of(y_true, scores[arm], groups, n_folds) for arm in tied]
    luck = _SD * _mean_of_largest(_covariance(rankings), seed) if len(tied) > 1 else 0.0
    low, high = _moved(found[best], luck, level)
    auc = found[best].auc
    return BestOfSeveral(best, auc, max(auc - luck, 0.0), low, high, tied, len(scores))


def _covariance(rankings: list[Ranking]) -> FloatArray:
    """Covariance (k, k) of the errors of k AUCs of the same cases."""
    errors = np.array([of.error(of.mean, of.per_repeat)[0] for of in rankings])
    influence = np.column_stack([of.influence(of.mean) for of in rankings])
    spread = np.sqrt((influence**2).sum(axis=0))  # 0 of an arm that ranks everybody correctly
    scale = np.divide(errors, spread, out=np.zeros_like(errors), where=spread > 0.0)
    return np.asarray(scale[:, None] * (influence.T @ influence) * scale, dtype=np.float64)


def _mean_of_largest(covariance: FloatArray, seed: int) -> float:
    rng = np.random.default_rng(seed)
    drawn = rng.multivariate_normal(np.zeros(len(covariance)), covariance, _N_DRAWS, method="eigh")
    return float(drawn.max(axis=1).mean())


def _moved(found: AucEstimate, luck: float, level: float) -> tuple[float, float]:
    """Limits of an AUC that is smaller by `luck`, as wide on the logit as its own."""
    centre = found.auc if found.within_folds is None else found.within_folds
    if luck == 0.0 or not 0.0 < centre - luck < centre < 1.0:
        return max(found.low - luck, 0.0), found.high
    quantile = float(student_t.ppf((1.0 + level) / 2.0, found.dof))
    width = quantile * found.standard_error / (centre * (1.0 - centre))
    low, high = expit(logit(centre - luck) + np.array([-width, width])).tolist()
    return low, high
