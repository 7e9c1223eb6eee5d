"""Rows of a baseline table: p-values against what they compare, wholes against their parts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from math import inf, sqrt

import numpy as np
from scipy.stats import chi2_contingency, fisher_exact, ttest_ind_from_stats

from her2.paper_checks.claims import CountRow, MeanRow, PrintedStudy
from her2.paper_checks.printed import Contradiction, Interval, Printed, Rule, corners, distance
from her2.paper_checks.sizes import known_cases

Summary = tuple[Printed, Printed]

YATES, UNCORRECTED, FISHER = "chi-square (Yates)", "chi-square", "Fisher's exact"
_COUNT_TESTS = {"yates": (YATES,), "fisher": (FISHER,), "chi": (YATES, UNCORRECTED)}
_MEAN_TESTS = {"welch": ("Welch's t",), "student": ("Student's t",)}
_EITHER_T = ("Student's t", "Welch's t")


def count_p_values(first: Sequence[int], second: Sequence[int]) -> dict[str, float]:
    """P-values of the usual tests of two groups' counts, by name; Fisher's for 2x2 only."""
    table = np.array([first, second])
    table = table[:, table.sum(axis=0) > 0]
    if table.shape[1] < 2 or (table.sum(axis=1) == 0).any():
        return {}
    p_values = {
        YATES: float(chi2_contingency(table, correction=True).pvalue),
        UNCORRECTED: float(chi2_contingency(table, correction=False).pvalue),
    }
    if table.shape == (2, 2):
        p_values[FISHER] = float(fisher_exact(table).pvalue)
    return p_values


def mean_p_values(
    first: Summary, n_first: int, second: Summary, n_second: int
) -> dict[str, Interval]:
    """P-values of Student's and Welch's t test that printed means and SDs admit, by name."""

    def p_value(gap: float, sd_first: float, sd_second: float, equal_var: bool) -> float:
        if sd_first == sd_second == 0.0:
            return 1.0 if gap == 0.0 else 0.0
        summaries = (gap, sd_first, n_first, 0.0, sd_second, n_second)
        return float(ttest_ind_from_stats(*summaries, equal_var=equal_var).pvalue)

    gap = distance(first[0], second[0])
    spreads = [sd.within(0.0, inf) for sd in (first[1], second[1])]
    return {
        name: corners(partial(p_value, equal_var=name == "Student's t"), gap, *spreads)
        for name in _EITHER_T
    }


def check_baseline_rows(study: PrintedStudy) -> list[Contradiction]:
    """P-values that no test gives, and means and SDs of a whole that are not those of its parts.

    A p-value of counts may be any usual test's. A p-value of means whose test is not named is
    not judged: it may be a rank test's, which mean and standard deviation do not determine.
    """
    found = [x for row in study.counts for x in _count_test(row)]
    found += [x for row in study.means for x in _mean_test(study, row)]
    pairs = [(row, *whole) for row in study.means for whole in study.partition.items()]
    return [*found, *(x for row, whole, parts in pairs for x in _pooled(study, row, whole, parts))]


def _named(test: str, known: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
    """Names of the tests that a printed name can mean; none if it is not one of these."""
    spoken = test.lower()
    return next((tests for word, tests in known.items() if word in spoken), ())


def _count_test(row: CountRow) -> Iterator[Contradiction]:
    first, second = (row.counts.get(group) for group in row.compared)
    if row.p_value is None or first is None or second is None:
        return
    p_values = count_p_values(first, second)
    admitted = _named(row.test, _COUNT_TESTS) if row.test else tuple(p_values)
    candidates = {name: p_values[name] for name in admitted if name in p_values}
    if candidates and not any(row.p_value.admits(p) for p in candidates.values()):
        expected = ", ".join(f"{p:.3f} ({name})" for name, p in candidates.items())
        yield Contradiction(row.where, Rule.BASELINE_TEST, f"p {row.p_value}", expected)


def _mean_test(study: PrintedStudy, row: MeanRow) -> Iterator[Contradiction]:
    is_some_t = row.test.strip().lower().replace("-", " ") in ("t", "t test")
    tests = _named(row.test, _MEAN_TESTS) or (_EITHER_T if is_some_t else ())
    first, second = (row.mean_sd.get(group) for group in row.compared)
    if row.p_value is None or not tests or first is None or second is None:
        return
    ranges = [
        mean_p_values(first, n_first, second, n_second)
        for n_first, n_second in known_cases(study, row.compared, missing=row.missing)
        if min(n_first, n_second) > 1
    ]
    if ranges and not any(row.p_value.meets(x[name]) for x in ranges for name in tests):
        likely = ranges[len(ranges) // 2]
        expected = ", ".join(f"{likely[t][0]:.3f} to {likely[t][1]:.3f} ({t})" for t in tests)
        yield Contradiction(row.where, Rule.BASELINE_TEST, f"p {row.p_value}", expected)


def _pooled(
    study: PrintedStudy, row: MeanRow, whole: str, parts: tuple[str, ...]
) -> Iterator[Contradiction]:
    if not {whole, *parts} <= set(row.mean_sd):
        return
    cells = [row.mean_sd[part] for part in parts]
    cases = [n for n in known_cases(study, parts, missing=row.missing) if sum(n) > 1]
    for name, printed, bounds in zip(
        ("mean", "SD"), row.mean_sd[whole], (_means, _spreads), strict=True
    ):
        ranges = [bounds(sizes, cells) for sizes in cases]
        if ranges and not any(printed.meets(interval) for interval in ranges):
            low, high = ranges[len(ranges) // 2]
            expected = f"{(low + high) / 2.0:.{max(printed.decimals, 0)}f}"
            found = f"{name} of {whole} {printed}"
            yield Contradiction(row.where, Rule.POOLED_SUMMARY, found, expected)


def _means(sizes: Sequence[int], cells: Sequence[Summary]) -> Interval:
    """Bounds of the mean of all cases."""
    low = np.average([mean.low for mean, _ in cells], weights=sizes)
    high = np.average([mean.high for mean, _ in cells], weights=sizes)
    return float(low), float(high)


def _spreads(sizes: Sequence[int], cells: Sequence[Summary]) -> Interval:
    """Bounds of the SD of all cases, whose squares are those within parts and between them."""
    squares = [_within(sizes, cells, end) + _between(sizes, cells, end) for end in (0, 1)]
    low, high = (sqrt(total / (sum(sizes) - 1)) for total in squares)
    return low, high


def _within(sizes: Sequence[int], cells: Sequence[Summary], end: int) -> float:
    spreads = [sd.within(0.0, inf)[end] for _, sd in cells]
    return sum(max(n - 1, 0) * sd**2 for n, sd in zip(sizes, spreads, strict=True))


def _between(sizes: Sequence[int], cells: Sequence[Summary], end: int) -> float:
    """Sum over pairs of parts of n_i n_j d_ij^2 / n, every distance at its smallest or largest."""
    pairs = [(i, j) for i in range(len(sizes)) for j in range(i)]
    gaps = [distance(cells[i][0], cells[j][0])[end] for i, j in pairs]
    squares = [sizes[i] * sizes[j] * d**2 for (i, j), d in zip(pairs, gaps, strict=True)]
    return sum(squares) / sum(sizes)
