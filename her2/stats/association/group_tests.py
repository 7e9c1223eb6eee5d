"""Tests of two groups of numbers and of two variables, equal to R's; of counts: `count_tests`.

Missing values are not allowed: leave them out and count them, as Table 1 does.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats as scipy_stats

from her2.core.errors import BadArgument, NotEstimable
from her2.stats import validation
from her2.stats.validation import FloatArray

EXACT_BELOW = 50  # values a group: R counts orders up to here


@dataclass(frozen=True)
class GroupTest:
    """Statistic of a test and its two-sided p-value."""

    statistic: float
    p_value: float


@dataclass(frozen=True)
class TTest:
    """Comparison of two means: difference (first - second) and its interval."""

    t: float
    dof: float
    p_value: float
    difference: float
    low: float
    high: float


def t_test(
    first: ArrayLike, second: ArrayLike, *, equal_variances: bool = False, level: float = 0.95
) -> TTest:
    """Welch's t-test, or Student's if the variances are taken as equal.

    Parameters
    ----------
    first, second
        Shapes (n1,) and (n2,), finite, at least two values each.
    equal_variances
        Whether to pool them (Student).
    level
        Of the interval of the difference.

    Raises
    ------
    NotEstimable
        If a group has fewer than two values, a value is missing, or neither group varies.

    References
    ----------
    Welch (1947), Biometrika 34:28, doi:10.1093/biomet/34.1-2.28.

    Examples
    --------
    >>> result = t_test([1, 2, 3], [2, 3, 4], equal_variances=True)
    >>> round(result.t, 3), result.dof, round(result.p_value, 3)
    (-1.225, 4.0, 0.288)
    """
    x, y = _sample(first, "first", 2), _sample(second, "second", 2)
    means, sds = (x.mean(), y.mean()), (x.std(ddof=1), y.std(ddof=1))
    if x.min() == x.max() and y.min() == y.max():
        raise NotEstimable("values do not vary within the groups, so means cannot be compared")
    return _t_test(means, sds, (x.size, y.size), equal_variances, level)


def t_test_from_summary(
    means: tuple[float, float],
    sds: tuple[float, float],
    sizes: tuple[int, int],
    *,
    equal_variances: bool = False,
    level: float = 0.95,
) -> TTest:
    """Comparison of two means of which only standard deviations and sizes are known.

    Parameters
    ----------
    means, sds, sizes
        Of the first and the second group.
    equal_variances, level
        As in `t_test`.

    Raises
    ------
    BadArgument
        If a standard deviation is negative or a group has fewer than two cases.
    NotEstimable
        If both standard deviations are 0.

    Examples
    --------
    >>> printed = t_test_from_summary((53.36, 55.44), (11.26, 10.45), (140, 61))
    >>> round(printed.p_value, 3)
    0.208
    """
    if min(sds) < 0 or min(sizes) < 2:
        raise BadArgument(f"sds >= 0 and sizes >= 2 are needed, found {sds} and {sizes}")
    if max(sds) == 0:
        raise NotEstimable("values do not vary within the groups, so means cannot be compared")
    return _t_test(means, sds, sizes, equal_variances, level)


def levene_test(
    first: ArrayLike, second: ArrayLike, *, centre: Literal["median", "mean"] = "median"
) -> GroupTest:
    """Levene's test of equal variances: F of the distances to the group's median or mean.

    Raises
    ------
    NotEstimable
        If a group has fewer than two values, a value is missing, or no distance varies.

    References
    ----------
    Brown & Forsythe (1974), J. Am. Stat. Assoc. 69:364, doi:10.1080/01621459.1974.10482955.

    Examples
    --------
    >>> round(levene_test([1, 2, 3, 9], [2, 3, 4, 5]).p_value, 3)
    0.426
    """
    groups = (_sample(first, "first", 2), _sample(second, "second", 2))
    middle = np.median if centre == "median" else np.mean
    if all(np.ptp(np.abs(x - middle(x))) == 0 for x in groups):
        raise NotEstimable("distances do not vary within the groups, so there is no F")
    return _result(scipy_stats.levene(*groups, center=centre))


def mann_whitney(
    first: ArrayLike, second: ArrayLike, *, correction: bool = True, exact: bool | None = False
) -> GroupTest:
    """Mann-Whitney (Wilcoxon rank-sum) test, by the normal approximation unless asked otherwise.

    The statistic is R's W: pairs in which the first is larger, ties counted half.

    Parameters
    ----------
    first, second
        Shapes (n1,) and (n2,), finite.
    correction
        For continuity, of the approximation.
    exact
        Count all orders of the values, which must have no ties; None does so as R's default does:
        without ties, and with fewer than 50 values in each group.

    Raises
    ------
    NotEstimable
        If a group is empty, a value is missing, or all values are equal; if an exact p-value is
        asked for and there are ties.

    References
    ----------
    Mann & Whitney (1947), Ann. Math. Stat. 18:50, doi:10.1214/aoms/1177730491.

    Examples
    --------
    >>> result = mann_whitney([1, 4, 5], [2, 3, 6])
    >>> result.statistic, round(result.p_value, 3)
    (4.0, 1.0)
    """
    x, y = _varying(first, second)
    has_ties = len(np.unique(np.concatenate([x, y]))) < len(x) + len(y)
    if exact and has_ties:
        raise NotEstimable("an exact p-value needs values without ties; use exact=False")
    counts = max(len(x), len(y)) < EXACT_BELOW and not has_ties if exact is None else exact
    method: Literal["exact", "asymptotic"] = "exact" if counts else "asymptotic"
    return _result(scipy_stats.mannwhitneyu(x, y, method=method, use_continuity=correction))


def kruskal_wallis(first: ArrayLike, second: ArrayLike) -> GroupTest:
    """Kruskal-Wallis rank test of two groups.

    Raises
    ------
    NotEstimable
        If a group is empty, a value is missing, or all values are equal.

    Examples
    --------
    >>> round(kruskal_wallis([1, 2, 3], [4, 5, 6]).p_value, 3)
    0.05
    """
    return _result(scipy_stats.kruskal(*_varying(first, second)))


def shapiro_wilk(values: ArrayLike) -> GroupTest:
    """Shapiro-Wilk test of normality.

    Raises
    ------
    NotEstimable
        If there are fewer than 3 or more than 5,000 values, one is missing, or all are equal.

    References
    ----------
    Royston (1995), Appl. Stat. 44:547, doi:10.2307/2986146.

    Examples
    --------
    >>> round(shapiro_wilk([1, 2, 3, 4, 10]).statistic, 3)
    0.836
    """
    x = _sample(values, "values", 3)
    if x.size > 5000 or x.min() == x.max():
        raise NotEstimable("3 to 5,000 values that vary are needed; look at a histogram instead")
    return _result(scipy_stats.shapiro(x))


def kolmogorov_smirnov(first: ArrayLike, second: ArrayLike) -> GroupTest:
    """Two-sample Kolmogorov-Smirnov test by the limit distribution.

    Raises
    ------
    NotEstimable
        If a group is empty or a value is missing.

    Examples
    --------
    >>> result = kolmogorov_smirnov([1, 2, 3, 4], [3, 4, 5, 6])
    >>> result.statistic, round(result.p_value, 3)
    (0.5, 0.699)
    """
    x, y = _sample(first, "first", 1), _sample(second, "second", 1)
    statistic = float(scipy_stats.ks_2samp(x, y, method="asymp").statistic)
    # scipy's approximation is another one; R's is the limit itself
    root = np.sqrt(x.size * y.size / (x.size + y.size))
    return GroupTest(statistic, float(scipy_stats.kstwobign.sf(root * statistic)))


def correlation(
    first: ArrayLike,
    second: ArrayLike,
    *,
    method: Literal["pearson", "spearman", "kendall"] = "pearson",
) -> GroupTest:
    """Correlation of two variables; the statistic is r, rho (t approximation) or tau-b.

    Raises
    ------
    BadArgument
        If the lengths differ.
    NotEstimable
        If there are fewer than 3 pairs, a value is missing or a variable is constant.

    Examples
    --------
    >>> round(correlation([1, 2, 3, 4], [1, 3, 2, 4], method="spearman").statistic, 3)
    0.8
    """
    x = _sample(first, "first", 3)
    y = validation.score(second, x.size, name="second")
    if x.min() == x.max():
        raise NotEstimable("both variables must vary, found the same value in all of the first")
    functions = {
        "pearson": scipy_stats.pearsonr,
        "spearman": scipy_stats.spearmanr,
        "kendall": scipy_stats.kendalltau,
    }
    return _result(functions[method](x, y))


def _t_test(
    means: tuple[float, float],
    sds: tuple[float, float],
    sizes: tuple[int, int],
    equal_variances: bool,
    level: float,
) -> TTest:
    validation.check_level(level)
    found = scipy_stats.ttest_ind_from_stats(
        means[0], sds[0], sizes[0], means[1], sds[1], sizes[1], equal_var=equal_variances
    )
    difference = float(means[0] - means[1])
    error, dof = _error(sds, sizes, equal_variances)
    half = float(scipy_stats.t.isf((1 - level) / 2, dof)) * error
    p_value = float(found.pvalue)
    return TTest(
        difference / error, dof, p_value, difference, difference - half, difference + half
    )


def _error(
    sds: tuple[float, float], sizes: tuple[int, int], equal_variances: bool
) -> tuple[float, float]:
    """Error of the difference (one standard error) and its degrees of freedom."""
    a, b = (sd**2 / n for sd, n in zip(sds, sizes, strict=True))
    if equal_variances:
        dof = float(sum(sizes) - 2)
        pooled = sum((n - 1) * sd**2 for sd, n in zip(sds, sizes, strict=True)) / dof
        return float(np.sqrt(pooled * (1 / sizes[0] + 1 / sizes[1]))), dof
    dof = (a + b) ** 2 / (a**2 / (sizes[0] - 1) + b**2 / (sizes[1] - 1))
    return float(np.sqrt(a + b)), float(dof)


def _sample(values: ArrayLike, name: str, at_least: int) -> FloatArray:
    x = validation.vector(values, name)
    if x.size < at_least:
        raise NotEstimable(f"{name} must have at least {at_least} values, found {x.size}")
    if not np.isfinite(x).all():
        raise NotEstimable(f"{name} has a missing or infinite value; leave it out knowingly")
    return x


def _varying(first: ArrayLike, second: ArrayLike) -> tuple[FloatArray, FloatArray]:
    x, y = _sample(first, "first", 1), _sample(second, "second", 1)
    if min(x.min(), y.min()) == max(x.max(), y.max()):
        raise NotEstimable(f"values must vary, found {x[0]:g} in all cases of both groups")
    return x, y


def _result(found: Iterable[float]) -> GroupTest:
    statistic, p_value = found
    return GroupTest(float(statistic), float(p_value))
