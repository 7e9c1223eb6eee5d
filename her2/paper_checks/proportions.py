"""Percentages and proportions against the whole numbers of cases that they must come from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import ceil, floor

from her2.core.errors import BadArgument
from her2.paper_checks.claims import Area, CountRow, PrintedStudy, Proportion, Rate
from her2.paper_checks.finding import Contradiction, Rule, listed
from her2.paper_checks.printed import Printed
from her2.paper_checks.sizes import agreed_size, size_statements, stated_positives
from her2.stats.discrimination.operating_point import wilson_interval

_EDGE = 1e-9  # a limit times n that falls on a whole number counts as that number


def feasible_counts(value: Printed, n: int) -> range:
    """Numbers of cases x for which x / n can have been printed so."""
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

    The rates may be of any number of models on the same n cases.
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
    """
    n, stated = agreed_size(study, group), stated_positives(study, group)
    if n is not None and stated:
        return [(next(iter(stated)), n)]
    return _demanded(study, group) if _rates(study, group) else []


def check_proportions(study: PrintedStudy) -> list[Contradiction]:
    """Percentages, proportions, sensitivities and specificities that whole numbers do not give.

    The denominator of a table's percentages may be the column's cases, with or without missing
    values, or the row's; it is the one that fits most cells. Confusion matrices and stated
    numbers of positives of a group must be among those that all its rates admit.
    """
    found = [x for row in study.counts for x in _row_percentages(study, row)]
    for claim in study.proportions:
        found += [*_proportion_value(claim), *_proportion_interval(claim)]
    groups = dict.fromkeys(x.group for x in _claims_with_rates(study) if x.group)
    return [*found, *(x for group in groups for x in _group_case_numbers(study, group))]


def _claims_with_rates(study: PrintedStudy) -> list[Rate | Area]:
    """Claims with a sensitivity or specificity, and no matrix to say their counts."""
    points = (a for a in study.areas if not a.matrix and (a.sensitivity or a.specificity))
    return [*study.rates, *points]


def _rates(study: PrintedStudy, group: str) -> list[Rate | Area]:
    return [rate for rate in _claims_with_rates(study) if rate.group == group]


def _demanded(study: PrintedStudy, group: str) -> list[tuple[int, int]]:
    rates = _rates(study, group)
    sensitivities = [rate.sensitivity for rate in rates if rate.sensitivity is not None]
    specificities = [rate.specificity for rate in rates if rate.specificity is not None]
    sizes = size_statements(study, group)
    return [(k, n) for n in sizes for k in feasible_positives(sensitivities, specificities, n)]


def _group_case_numbers(study: PrintedStudy, group: str) -> Iterator[Contradiction]:
    sizes = list(size_statements(study, group))
    if not sizes:
        return
    solutions = _demanded(study, group)
    if not solutions:
        found = listed((_rate_text(rate) for rate in _rates(study, group)), most=6)
        expected = f"rates that whole numbers of {' or '.join(map(str, sizes))} cases give"
        yield Contradiction(group, Rule.CASE_NUMBERS, found, expected)
        return
    expected = " or ".join(f"{k} of {n}" for k, n in solutions)
    for where, k, n in _claimed_positives(study, group):
        if (k, n) not in solutions:
            found = f"{k} positive of {n} cases"
            yield Contradiction(where, Rule.CASE_NUMBERS, found, f"{expected}, from the rates")


def _rate_text(rate: Rate | Area) -> str:
    printed = (value for value in (rate.sensitivity, rate.specificity) if value is not None)
    return f"{' and '.join(map(str, printed))} ({rate.where})"


def _claimed_positives(study: PrintedStudy, group: str) -> Iterator[tuple[str, int, int]]:
    for size in study.sizes:
        if size.group == group and size.n_positive is not None:
            yield size.where, size.n_positive, size.n
    for matrix in study.matrices:
        if matrix.group == group:
            yield matrix.where, matrix.n_positive, matrix.n


def _row_percentages(study: PrintedStudy, row: CountRow) -> list[Contradiction]:
    n_levels = {group: len(cells) for group, cells in row.shares.items()}
    candidates = [
        {group: [sum(row.counts[group])] * n for group, n in n_levels.items()},
        {group: [agreed_size(study, group) or 0] * n for group, n in n_levels.items()},
        {group: _row_totals(study, row, group) for group in row.shares},
    ]
    return min((_misfits(row, denominators) for denominators in candidates), key=len)


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
