"""Whether a model ranks patients as well in one subgroup as in another."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.stats import chi2

from her2.core.errors import BadArgument, NotEstimable
from her2.stats import validation
from her2.stats.discrimination.auc import auc_interval
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
    *,
    level: float = 0.95,
    min_per_class: int = 5,
) -> pd.DataFrame:
    """AUC with its DeLong interval in every level of a subgroup variable.

    Parameters
    ----------
    y_true
        Shape (n,), 0 or 1.
    y_prob
        Shape (n,), finite, higher = more likely positive.
    subgroup
        Shape (n,), the level of each case (see `cut` for numbers); a missing one is the level
        "(missing)".
    level
        Confidence level in (0, 1).
    min_per_class
        Fewest positive and fewest negative cases of a level whose AUC is given, at least 2.

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
    for name, positive, scores in _levels(y_true, y_prob, subgroup, min_per_class):
        row = {"level": name, "n": positive.size, "n_positive": int(positive.sum())}
        row |= dict.fromkeys(("auc", "low", "high"), np.nan)
        note = _reason(positive, scores, min_per_class)
        if not note:
            found = auc_interval(positive, scores, level=level)
            row |= {"auc": found.auc, "low": found.low, "high": found.high}
            note = "perfect separation: the interval has no width" * (found.variance == 0.0)
        rows.append(row | {"note": note})
    return pd.DataFrame(rows)


def interaction_p(
    y_true: ArrayLike, y_prob: ArrayLike, subgroup: ArrayLike, *, min_per_class: int = 5
) -> float:
    """P-value of the heterogeneity of the AUC across the levels of a subgroup variable.

    Cochran's chi-square of the levels' AUCs, each weighted by the inverse of its DeLong
    variance, with (number of levels - 1) degrees of freedom. It tests whether the ranking is as
    good in all levels, not a term of the model; a large p-value does not show that it is.
    Missing values and levels without an AUC are left out.

    Parameters
    ----------
    y_true, y_prob, subgroup, min_per_class
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
        auc_interval(positive, scores)
        for name, positive, scores in _levels(y_true, y_prob, subgroup, min_per_class)
        if name != MISSING and not _reason(positive, scores, min_per_class)
    ]
    if len(found) < 2:
        raise NotEstimable(
            f"a comparison of levels needs 2 with an AUC, found {len(found)}; merge small levels"
        )
    if any(interval.variance == 0.0 for interval in found):
        raise NotEstimable(
            "a comparison of levels needs the variance of each AUC, found a level that separates "
            "perfectly; describe the levels alone"
        )
    areas = np.array([interval.auc for interval in found])
    weights = np.array([1.0 / interval.variance for interval in found])
    pooled = float((weights * areas).sum() / weights.sum())
    statistic = float((weights * (areas - pooled) ** 2).sum())
    return float(chi2.sf(statistic, len(found) - 1))


def _levels(
    y_true: ArrayLike, y_prob: ArrayLike, subgroup: ArrayLike, min_per_class: int
) -> list[tuple[str, BoolArray, FloatArray]]:
    """Name, outcomes and scores of each level."""
    positive = validation.outcome(y_true, both_classes=False)
    scores = validation.score(y_prob, positive.size, name="y_prob", constant_ok=True)
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
    return [(name, positive[rows], scores[rows]) for name, rows in members]


def _reason(positive: BoolArray, scores: FloatArray, min_per_class: int) -> str:
    """Why a level has no AUC, empty where it has one."""
    n_positive = int(positive.sum())
    n_negative = positive.size - n_positive
    if min(n_positive, n_negative) < min_per_class:
        return (
            f"an AUC needs {min_per_class} cases of each class here, found {n_positive} positive "
            f"and {n_negative} negative"
        )
    if scores.min() == scores.max():
        return "an AUC needs scores that differ, found one for the whole level"
    return ""
