"""Whether a model ranks patients as well in one subgroup as in another."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.stats import chi2

from her2.core.errors import BadArgument, NotEstimable
from her2.stats import validation
from her2.stats.clusters import IntArray, patient_numbers, repeated_scores
from her2.stats.discrimination.auc_estimate import AucEstimate, auc_estimate
from her2.stats.validation import BoolArray, FloatArray

MISSING = "(missing)"


def cut(values: ArrayLike, at: Sequence[float]) -> pd.Series:
    """Return the group of each number, from one cut-off (included) to the next (not included).

    Parameters
    ----------
    values
        Shape (n,); NaN is missing and stays so.
    at
        Ascending cut-offs.

    Returns
    -------
    Series
        Shape (n,), an ordered category of levels like "< 50", "50 to < 60", ">= 60"; a level
        without a case is kept.

    Raises
    ------
    BadArgument
        If the cut-offs do not ascend.

    References
    ----------
    Altman & Royston (2006), BMJ 332:1080, doi:10.1136/bmj.332.7549.1080: what a cut costs.

    Examples
    --------
    >>> cut([41, 50, 62], at=[50, 60]).tolist()
    ['< 50', '50 to < 60', '>= 60']
    """
    numbers = validation.vector(values, "values")
    limits = [float(limit) for limit in at]
    if not limits or not np.isfinite(limits).all() or not (np.diff(limits) > 0.0).all():
        raise BadArgument(f"cut-offs must be finite and ascend, found {limits}; sort them")
    inner = [f"{low:g} to < {high:g}" for low, high in pairwise(limits)]
    levels = [f"< {limits[0]:g}", *inner, f">= {limits[-1]:g}"]
    codes = np.searchsorted(limits, numbers, side="right")
    codes[np.isnan(numbers)] = -1
    return pd.Series(pd.Categorical.from_codes(codes, pd.Index(levels), ordered=True))


def subgroup_performance(
    y_true: ArrayLike,
    y_prob: ArrayLike,
    subgroup: ArrayLike,
    groups: ArrayLike | None = None,
    *,
    n_folds: int | None = None,
    level: float = 0.95,
    min_per_class: int = 5,
) -> pd.DataFrame:
    """AUC with its interval, by `auc_estimate`, in every level of a subgroup variable.

    Parameters
    ----------
    y_true
        Shape (n,), 0 or 1.
    y_prob
        Shape (n,), or (n_repeats, n) of repeated cross-validation; finite, higher = more likely
        positive.
    subgroup
        Shape (n,), the level of each case (see `cut` for numbers); a missing one is the level
        "(missing)".
    groups
        Shape (n,), the patient of each case; None if each case is a patient.
    n_folds
        Of the cross-validation; None if no case took part in learning.
    level
        Confidence level in (0, 1).
    min_per_class
        Fewest patients with a positive case, and with a negative one, of a level whose AUC is
        given, at least 2.

    Returns
    -------
    DataFrame
        One row a level: level, n, n_positive, auc, low, high, note. Levels stand in their order
        (categories in theirs), the missing one last. Where the AUC is not estimable it is
        missing and `note` has the reason.

    Raises
    ------
    NotEstimable
        If there is no case, or a score is missing.
    BadArgument
        If the lengths differ or an argument is outside its range.

    References
    ----------
    DeLong, DeLong & Clarke-Pearson (1988), Biometrics 44:837, doi:10.2307/2531595.
    Collins et al. (2024), BMJ 385:e078378, doi:10.1136/bmj-2023-078378 (TRIPOD+AI).

    Examples
    --------
    >>> y, p = [0, 1, 0, 1, 0, 1, 0, 1], [0.1, 0.9, 0.4, 0.3, 0.2, 0.6, 0.7, 0.8]
    >>> found = subgroup_performance(y, p, list("aaaabbbb"), min_per_class=2)
    >>> found[["level", "n", "n_positive", "auc"]].values.tolist()
    [['a', 4, 2, 0.75], ['b', 4, 2, 0.75]]
    """
    validation.check_level(level)
    rows = []
    for of in _levels(y_true, y_prob, subgroup, groups, min_per_class):
        row = {"level": of.name, "n": of.positive.size, "n_positive": int(of.positive.sum())}
        row |= dict.fromkeys(("auc", "low", "high"), np.nan)
        note = _reason(of, min_per_class)
        if not note:
            found = _estimate(of, n_folds, level)
            row |= {"auc": found.auc, "low": found.low, "high": found.high}
        rows.append(row | {"note": note})
    return pd.DataFrame(rows)


def _estimate(of: _Level, n_folds: int | None, level: float = 0.95) -> AucEstimate:
    return auc_estimate(of.positive, of.scores, groups=of.patient, folds=n_folds, level=level)


def interaction_p(
    y_true: ArrayLike,
    y_prob: ArrayLike,
    subgroup: ArrayLike,
    groups: ArrayLike | None = None,
    *,
    n_folds: int | None = None,
    min_per_class: int = 5,
) -> float:
    """P-value of the heterogeneity of the AUC across the levels of a subgroup variable.

    Cochran's chi-square of the levels' AUCs, each weighted by the inverse of its squared
    standard error, with (number of levels - 1) degrees of freedom. It tests whether the ranking
    is as good in all levels, not a term of the model; a large p-value does not show that it is.
    Missing values and levels without an AUC are left out.

    Parameters
    ----------
    y_true, y_prob, subgroup, groups, n_folds, min_per_class
        As in `subgroup_performance`.

    Returns
    -------
    float
        In [0, 1].

    Raises
    ------
    NotEstimable, BadArgument
        As `subgroup_performance`, and if fewer than two levels have an AUC, or one separates
        perfectly, which leaves its DeLong variance 0.

    References
    ----------
    Cochran (1954), Biometrics 10:101, doi:10.2307/3001666.
    DeLong, DeLong & Clarke-Pearson (1988), Biometrics 44:837, doi:10.2307/2531595.

    Examples
    --------
    >>> y, p = [0, 1, 0, 1, 0, 1, 0, 1], [0.1, 0.9, 0.4, 0.3, 0.2, 0.6, 0.7, 0.8]
    >>> interaction_p(y, p, list("aaaabbbb"), min_per_class=2)
    1.0
    """
    found = [
        _estimate(of, n_folds)
        for of in _levels(y_true, y_prob, subgroup, groups, min_per_class)
        if of.name != MISSING and not _reason(of, min_per_class)
    ]
    if len(found) < 2:
        raise NotEstimable(
            f"a comparison of levels needs 2 with an AUC, found {len(found)}; merge small levels"
        )
    if any(estimate.standard_error == 0.0 for estimate in found):
        raise NotEstimable(
            "a comparison of levels needs the variance of each AUC, found a level that separates "
            "perfectly; describe the levels alone"
        )
    areas = np.array([estimate.auc for estimate in found])
    weights = np.array([estimate.standard_error**-2 for estimate in found])
    pooled = float((weights * areas).sum() / weights.sum())
    statistic = float((weights * (areas - pooled) ** 2).sum())
    return float(chi2.sf(statistic, len(found) - 1))


class _Level(NamedTuple):
    """Cases of one level: outcomes and patients (n,), scores (n_repeats, n)."""

    name: str
    positive: BoolArray
    scores: FloatArray
    patient: IntArray


def _levels(
    y_true: ArrayLike,
    y_prob: ArrayLike,
    subgroup: ArrayLike,
    groups: ArrayLike | None,
    min_per_class: int,
) -> list[_Level]:
    positive = validation.outcome(y_true, both_classes=False)
    scores = repeated_scores(y_prob, positive.size, name="y_prob")
    patient = patient_numbers(positive.size, groups)
    if min_per_class < 2:
        raise BadArgument(f"min_per_class must be at least 2, found {min_per_class}; 5 is usual")
    values = pd.Series(subgroup).reset_index(drop=True)
    if len(values) != positive.size:
        raise BadArgument(
            f"subgroup must have one value for each of the {positive.size} outcomes, found "
            f"{len(values)}; align the two by case"
        )
    known = values.dropna()
    if isinstance(values.dtype, pd.CategoricalDtype):
        levels = [x for x in values.cat.categories if (known == x).any()]
    else:
        levels = sorted(known.unique().tolist(), key=lambda x: (isinstance(x, str), x))
    members = [(str(x), (values == x).to_numpy(dtype=bool)) for x in levels]
    if len(known) < len(values):
        members.append((MISSING, values.isna().to_numpy()))
    return [_Level(name, positive[at], scores[:, at], patient[at]) for name, at in members]


def _reason(of: _Level, min_per_class: int) -> str:
    """Why a level has no AUC, empty where it has one."""
    n_positive, n_negative = (
        np.unique(of.patient[rows]).size for rows in (of.positive, ~of.positive)
    )
    if min(n_positive, n_negative) < min_per_class:
        return (
            f"an AUC needs {min_per_class} cases of each class here, found {n_positive} positive "
            f"and {n_negative} negative"
        )
    if (of.scores.min(axis=1) == of.scores.max(axis=1)).any():
        return "an AUC needs scores that differ, found one for the whole level"
    return ""
