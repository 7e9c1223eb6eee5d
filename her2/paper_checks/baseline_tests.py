"""P-values of a baseline table against the counts and means that they compare."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from math import inf

import numpy as np
from scipy.stats import chi2_contingency, fisher_exact, ttest_ind_from_stats

from her2.paper_checks.claims import CountRow, MeanRow, PrintedStudy
from her2.paper_checks.finding import Contradiction, Rule
from her2.paper_checks.printed import Interval, Printed, corners, distance
from her2.paper_checks.sizes import known_cases

Summary = tuple[Printed, Printed]

YATES, UNCORRECTED, FISHER = "chi-square (Yates)", "chi-square", "Fisher's exact"
_COUNT_TESTS = {"yates": (YATES,), "fisher": (FISHER,), "chi": (YATES, UNCORRECTED)}
_MEAN_TESTS = {"welch": ("Welch's t",), "student": ("Student's t",)}
_EITHER_T = ("Student's t", "Welch's t")


def count_p_values(first: Sequence[int], second: Sequence[int]) -> dict[str, float]:
    """P-values of the usual tests of two groups' counts, by name; Fisher's for 2x2 only.

    Parameters
    ----------
    first, second
        Cases of each level in the two groups, in the same order. Levels without a case are left
        out; the result is empty if fewer than two remain or a group is empty.

    References
    ----------
    Yates (1934), Suppl. J. R. Stat. Soc. 1:217, doi:10.2307/2983604.

    Examples
    --------
    >>> {name: round(p, 3) for name, p in count_p_values((44, 96), (15, 46)).items()}
    {'chi-square (Yates)': 0.418, 'chi-square': 0.328, "Fisher's exact": 0.4}
    """
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
    """P-values of Student's and Welch's t test that printed means and SDs admit, by name.

    Parameters
    ----------
    first, second
        Mean and standard deviation as printed.
    n_first, n_second
        Cases with a value, at least 2.

    References
    ----------
    Carlisle (2017), Anaesthesia 72:944, doi:10.1111/anae.13938.

    Examples
    --------
    >>> one = Printed.read("53.36"), Printed.read("11.26")
    >>> two = Printed.read("55.44"), Printed.read("10.45")
    >>> low, high = mean_p_values(one, 140, two, 61)["Student's t"]
    >>> round(low, 3), round(high, 3)
    (0.218, 0.223)
    """
    gap = distance(first[0], second[0])
    spreads = [sd.within(0.0, inf) for sd in (first[1], second[1])]
    sizes = (n_first, n_second)
    return {
        name: corners(_t_test(sizes, equal_var=name == "Student's t"), gap, *spreads)
        for name in _EITHER_T
    }


def check_baseline_tests(study: PrintedStudy) -> list[Contradiction]:
    """P-values that no test gives: of counts by any usual test, of means by the t test named.

    A p-value of means whose test is not named is not judged: it may be a rank test's, which mean
    and standard deviation do not determine.

    Examples
    --------
    >>> counts = {"train": (56, 84), "test": (27, 34)}
    >>> row = CountRow("Table 1, PR", counts, p_value=Printed.read("0.577"))
    >>> [x.expected for x in check_baseline_tests(PrintedStudy(counts=(row,)))]
    ["0.683 (chi-square (Yates)), 0.573 (chi-square), 0.641 (Fisher's exact)"]
    """
    found = [x for row in study.counts for x in _count_test(row)]
    return [*found, *(x for row in study.means for x in _mean_test(study, row))]


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
    tests = _named(row.test, _MEAN_TESTS) or (_EITHER_T if _is_t_test(row.test) else ())
    first, second = (row.summaries.get(group) for group in row.compared)
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


def _is_t_test(test: str) -> bool:
    return test.strip().lower().replace("-", " ") in ("t", "t test")


def _t_test(sizes: tuple[int, int], *, equal_var: bool) -> Callable[[float, float, float], float]:
    """P-value as a function of the difference of means and the two standard deviations."""

    def p_value(gap: float, sd_first: float, sd_second: float) -> float:
        if sd_first == sd_second == 0.0:
            return 1.0 if gap == 0.0 else 0.0
        n_first, n_second = sizes
        test = ttest_ind_from_stats(
            gap, sd_first, n_first, 0.0, sd_second, n_second, equal_var=equal_var
        )
        return float(test.pvalue)

    return p_value
