"""Tests of counts, equal to R's."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats as scipy_stats

from her2.core.errors import BadArgument, NotEstimable
from her2.stats.association.group_tests import GroupTest


@dataclass(frozen=True)
class ChiSquare:
    """Test of a table of counts, and its smallest expected count."""

    statistic: float
    dof: int
    p_value: float
    smallest_expected: float


@dataclass(frozen=True)
class FisherExact:
    """Exact test of a 2x2 table; odds ratio as its conditional maximum-likelihood estimate."""

    p_value: float
    odds_ratio: float
    low: float
    high: float


def chi_square(counts: ArrayLike, *, correction: bool = True) -> ChiSquare:
    """Pearson's chi-square test of independence; 2x2 tables with Yates' correction unless not.

    Parameters
    ----------
    counts
        Shape (rows, columns), whole numbers of at least 0.
    correction
        For 2x2 tables only.

    Raises
    ------
    BadArgument
        If the counts are not a table of whole numbers of at least 0.
    NotEstimable
        If fewer than two rows or columns have a case, or a row or column is empty.

    References
    ----------
    Yates (1934), Suppl. J. R. Stat. Soc. 1:217, doi:10.2307/2983604.

    Examples
    --------
    >>> result = chi_square([[20, 76], [23, 21]])
    >>> round(result.p_value, 5), round(result.smallest_expected, 1)
    (0.00039, 13.5)
    """
    table = _counts(counts)
    if min(table.shape) < 2 or not table.sum(axis=0).all() or not table.sum(axis=1).all():
        raise NotEstimable("fewer than 2 levels or an empty group")
    found = scipy_stats.chi2_contingency(table, correction=correction)
    smallest = float(found.expected_freq.min())
    return ChiSquare(float(found.statistic), int(found.dof), float(found.pvalue), smallest)


def fisher_exact(counts: ArrayLike, *, level: float = 0.95) -> FisherExact:
    """Fisher's exact test of a 2x2 table.

    The odds ratio is the conditional maximum-likelihood estimate with its exact interval, as in
    R (which stops at four digits): 0 or infinite with an empty cell.

    Raises
    ------
    BadArgument
        If the counts are not a 2x2 table of whole numbers of at least 0.
    NotEstimable
        If a row or column is empty.

    References
    ----------
    Fisher (1935), J. R. Stat. Soc. 98:39, doi:10.2307/2342435.

    Examples
    --------
    >>> result = fisher_exact([[3, 1], [1, 3]])
    >>> round(result.p_value, 3), round(result.odds_ratio, 2)
    (0.486, 6.41)
    """
    table = _two_by_two(counts)
    if not table.sum(axis=0).all() or not table.sum(axis=1).all():
        raise NotEstimable("fewer than 2 levels or an empty group")
    ratio = scipy_stats.contingency.odds_ratio(table, kind="conditional")
    interval = ratio.confidence_interval(level)
    p_value = float(scipy_stats.fisher_exact(table).pvalue)
    return FisherExact(p_value, float(ratio.statistic), float(interval.low), float(interval.high))


def mcnemar(counts: ArrayLike) -> GroupTest:
    """McNemar's test of paired yes/no answers, with continuity correction.

    Parameters
    ----------
    counts
        Shape (2, 2): first answer by second answer.

    Raises
    ------
    BadArgument
        If the counts are not a 2x2 table of whole numbers of at least 0.
    NotEstimable
        If no pair differs.

    References
    ----------
    McNemar (1947), Psychometrika 12:153, doi:10.1007/BF02295996.

    Examples
    --------
    >>> round(mcnemar([[10, 9], [2, 20]]).p_value, 3)
    0.07
    """
    table = _two_by_two(counts)
    more, fewer = float(table[0, 1]), float(table[1, 0])
    if more + fewer == 0.0:
        raise NotEstimable("pairs that differ are needed, found none: the answers are the same")
    # R corrects only where the two differ, or a corrected 0 would turn into a difference
    distance = max(abs(more - fewer) - 1.0, 0.0)
    statistic = distance**2 / (more + fewer)
    return GroupTest(statistic, float(scipy_stats.chi2.sf(statistic, 1)))


def _counts(counts: ArrayLike) -> NDArray[np.int64]:
    table = np.asarray(counts, dtype=np.float64)
    if table.ndim != 2 or not (np.isfinite(table) & (table >= 0) & (table % 1 == 0)).all():
        raise BadArgument("counts must be a table of whole numbers of at least 0; count the cases")
    return table.astype(np.int64)


def _two_by_two(counts: ArrayLike) -> NDArray[np.int64]:
    table = _counts(counts)
    if table.shape != (2, 2):
        raise BadArgument(f"a 2x2 table is needed, found shape {table.shape}")
    return table
