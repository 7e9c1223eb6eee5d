"""Percentages and proportions against the whole numbers of cases that they must come from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import ceil, floor

from her2.core.errors import BadArgument
from her2.paper_checks.claims import CountRow, PrintedStudy, Proportion, Rate
from her2.paper_checks.finding import Contradiction, Rule, listed
from her2.paper_checks.printed import Printed
from her2.paper_checks.sizes import agreed_size, size_statements, stated_positives
from her2.stats.discrimination.operating_point import wilson_interval

_EDGE = 1e-9  # a limit times n that falls on a whole number counts as that number


def feasible_counts(value: Printed, n: int) -> range:
    """Numbers of cases x for which x / n can have been printed so.

    Raises
    ------
    BadArgument
        If n is negative.

    References
    ----------
    Brown & Heathers (2017), Soc. Psychol. Personal. Sci. 8:363, doi:10.1177/1948550616673876.

    Examples
    --------
    >>> [list(feasible_counts(Printed.read("76.7%"), n)) for n in (43, 44)]
    [[33], []]
    """
    if n < 0:
        raise BadArgument(f"n must not be negative, found {n}; count the cases again")
    low, high = value.within(-1.0, 2.0)
    first = max(0, ceil(low * n - _EDGE))
    last = min(n, floor(high * n + _EDGE))
    return range(first, last + 1) if n else range(0)


def feasible_positives(
    sensitivities: Sequence[Printed], specificities: Sequence[Printed], n: int
) -> tuple[int, ...]:
    """Numbers of positive cases among n for which every printed rate is a whole number of cases.

    Parameters
    ----------
    sensitivities, specificities
        Of any number of models on the same n cases.
    n
        Cases, positive and negative.

    References
    ----------
    Brown & Heathers (2017), Soc. Psychol. Personal. Sci. 8:363, doi:10.1177/1948550616673876.

    Examples
    --------
    >>> sensitivities = [Printed.read(x) for x in ("76.7%", "93.0%", "88.4%")]
    >>> specificities = [Printed.read(x) for x in ("92.8%", "74.2%", "88.7%")]
    >>> feasible_positives(sensitivities, specificities, 140)
    (43,)
    """
    return tuple(
        n_positive
        for n_positive in range(n + 1)
        if all(feasible_counts(rate, n_positive) for rate in sensitivities)
        and all(feasible_counts(rate, n - n_positive) for rate in specificities)
    )


def case_numbers(study: PrintedStudy, group: str) -> list[tuple[int, int]]:
    """Possible (positive cases, all cases) of a group: as stated, or as its rates demand.

    Empty if neither is printed, or if no whole numbers give the printed rates.

    Examples
    --------
    >>> from her2.paper_checks.claims import Size
    >>> case_numbers(PrintedStudy(sizes=(Size("Methods", "test", 61, 15),)), "test")
    [(15, 61)]
    """
    n, stated = agreed_size(study, group), stated_positives(study, group)
    if n is not None and stated:
        return [(next(iter(stated)), n)]
    return _demanded(study, group) if _rates(study, group) else []


def check_percentages(study: PrintedStudy) -> list[Contradiction]:
    """Percentages of a baseline table that are not those of their counts.

    The denominator may be the column's cases, with or without missing values, or the row's; it
    is the one that fits most cells.

    Examples
    --------
    >>> shares = Printed.read("41.30%"), Printed.read("58.71%")
    >>> row = CountRow("Table 1, PR", {"all": (83, 118)}, {"all": shares})
    >>> [(x.found, x.expected) for x in check_percentages(PrintedStudy(counts=(row,)))]
    [('41.30% for 83/201', '41.29%')]
    """
    return [x for row in study.counts for x in _row_percentages(study, row)]


def check_proportions(study: PrintedStudy) -> list[Contradiction]:
    """Proportions that no whole number of cases gives, or not the stated one, and intervals.

    Examples
    --------
    >>> claim = Proportion("Results", Printed.read("0.62"), n=15)
    >>> [str(x) for x in check_proportions(PrintedStudy(proportions=(claim,)))]
    ['Results: found 0.62 of 15, expected 9/15 or 10/15 (a proportion is a whole number of cases)']
    """
    found = [x for claim in study.proportions for x in _proportion_value(claim)]
    return [*found, *(x for claim in study.proportions for x in _proportion_interval(claim))]


def check_case_numbers(study: PrintedStudy) -> list[Contradiction]:
    """Every group whose printed rates fit no number of positives, or not the stated one.

    Confusion matrices and stated numbers of positives of the group must be among the solutions.
    """
    groups = dict.fromkeys(rate.group for rate in study.rates)
    return [x for group in groups for x in _group_case_numbers(study, group)]


def _rates(study: PrintedStudy, group: str) -> list[Rate]:
    return [rate for rate in study.rates if rate.group == group]


def _demanded(study: PrintedStudy, group: str) -> list[tuple[int, int]]:
    rates = _rates(study, group)
    sensitivities = [rate.value for rate in rates if rate.measure == "sensitivity"]
    specificities = [rate.value for rate in rates if rate.measure == "specificity"]
    sizes = size_statements(study, group)
    return [(k, n) for n in sizes for k in feasible_positives(sensitivities, specificities, n)]


def _group_case_numbers(study: PrintedStudy, group: str) -> Iterator[Contradiction]:
    sizes = list(size_statements(study, group))
    if not sizes:
        return
    solutions = _demanded(study, group)
    if not solutions:
        found = listed((f"{r.value} ({r.where})" for r in _rates(study, group)), most=12)
        expected = f"rates that whole numbers of {' or '.join(map(str, sizes))} cases give"
        yield Contradiction(group, Rule.CASE_NUMBERS, found, expected)
        return
    expected = " or ".join(f"{k} of {n}" for k, n in solutions)
    for where, k, n in _claimed_positives(study, group):
        if (k, n) not in solutions:
            found = f"{k} positive of {n} cases"
            yield Contradiction(where, Rule.CASE_NUMBERS, found, f"{expected}, from the rates")


def _claimed_positives(study: PrintedStudy, group: str) -> Iterator[tuple[str, int, int]]:
    for size in study.sizes:
        if size.group == group and size.n_positive is not None:
            yield size.where, size.n_positive, size.n
    for matrix in study.matrices:
        if matrix.group == group:
            yield matrix.where, matrix.n_positive, matrix.n


def _row_percentages(study: PrintedStudy, row: CountRow) -> list[Contradiction]:
    candidates = [
        {group: [sum(row.counts[group])] * len(cells) for group, cells in row.shares.items()},
        {
            group: [agreed_size(study, group) or 0] * len(cells)
            for group, cells in row.shares.items()
        },
        {group: _row_totals(study, row, group) for group in row.shares},
    ]
    misfits = [_misfits(row, denominators) for denominators in candidates]
    return min(misfits, key=len)


def _row_totals(study: PrintedStudy, row: CountRow, group: str) -> list[int]:
    """Cases of each level in the whole that the group is part of; 0 where there is none."""
    for whole, parts in study.partition.items():
        if group in (whole, *parts) and whole in row.counts:
            return list(row.counts[whole])
    return [0] * len(row.shares[group])


def _misfits(row: CountRow, denominators: dict[str, list[int]]) -> list[Contradiction]:
    cells = [
        (group, share, k, n)
        for group, shares in row.shares.items()
        for share, k, n in zip(shares, row.counts[group], denominators[group], strict=True)
    ]
    return [
        Contradiction(f"{row.where}, {group}", Rule.PERCENTAGE, *_share_texts(share, k, n))
        for group, share, k, n in cells
        if not (n and share.admits(k / n))
    ]


def _share_texts(share: Printed, k: int, n: int) -> tuple[str, str]:
    right = f"{k / n:.{max(share.decimals - 2, 0)}%}" if n else "no percentage of no case"
    return f"{share} for {k}/{n}", right


def _proportion_value(claim: Proportion) -> Iterator[Contradiction]:
    fitting = feasible_counts(claim.value, claim.n)
    if claim.count is not None and claim.count not in fitting:
        found = f"{claim.value} for {claim.count}/{claim.n}"
        right = f"{claim.count / claim.n:.{claim.value.decimals}f}" if claim.n else "no case"
        yield Contradiction(claim.where, Rule.PROPORTION, found, right)
    elif not fitting:
        nearest = floor(claim.value.value * claim.n)
        expected = f"{nearest}/{claim.n} or {nearest + 1}/{claim.n}"
        found = f"{claim.value} of {claim.n}"
        yield Contradiction(claim.where, Rule.PROPORTION, found, expected)


def _proportion_interval(claim: Proportion) -> Iterator[Contradiction]:
    if claim.low is None or claim.high is None or not claim.n:
        return
    counts = feasible_counts(claim.value, claim.n) if claim.count is None else [claim.count]
    intervals = [wilson_interval(k, claim.n, level=claim.level) for k in counts if k <= claim.n]
    if any(claim.low.admits(low) and claim.high.admits(high) for low, high in intervals):
        return
    right = " or ".join(f"{low:.3f} to {high:.3f}" for low, high in intervals)
    found = f"{claim.low} to {claim.high}"
    yield Contradiction(claim.where, Rule.PROPORTION_INTERVAL, found, right or "a possible count")
