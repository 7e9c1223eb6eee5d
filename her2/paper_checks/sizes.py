"""How many cases a group has, by every statement of it, and percentages of so many cases."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from math import ceil, floor

from her2.core.errors import BadArgument
from her2.paper_checks.claims import (
    Area,
    ConfusionMatrix,
    CountRow,
    PrintedStudy,
    Proportion,
    Rate,
    Total,
)
from her2.paper_checks.printed import Contradiction, Printed, Rule, listed
from her2.stats import wilson_interval

MOST_MISSING = 12  # values whose every distribution over the groups is tried
Places = Mapping[int, list[str]]  # number -> where it is stated
_EDGE = 1e-9  # a limit times n that falls on a whole number counts as that number


def size_statements(study: PrintedStudy, group: str) -> Places:
    """Sizes of a group with the places that state or imply them, the most often stated first.

    A row of counts without a missing value implies the size of each of its groups.
    """
    places: dict[int, list[str]] = defaultdict(list)
    for size in study.sizes:
        if size.group == group:
            places[size.n].append(size.where)
    for row in study.counts:
        if group in row.counts and row.missing == 0:
            places[sum(row.counts[group])].append(row.where)
    return _ranked(places)


def _ranked(places: Places) -> Places:
    """Numbers by how many places state them, most first."""
    return dict(sorted(places.items(), key=lambda entry: -len(entry[1])))


def agreed_size(study: PrintedStudy, group: str) -> int | None:
    """Size of a group that most places state; None if no place does."""
    return next(iter(size_statements(study, group)), None)


def known_cases(
    study: PrintedStudy, groups: Sequence[str], *, missing: int = 0
) -> list[tuple[int, ...]]:
    """Possible numbers of cases with a value in each group, for every place of missing ones."""
    wholes = (parts for parts in study.partition.values() if set(groups) <= set(parts))
    parts = next(wholes, ()) if missing else tuple(groups)
    sizes = [agreed_size(study, part) for part in parts]
    known = {part: n for part, n in zip(parts, sizes, strict=True) if n}
    if len(known) < len(sizes) or not known or missing > MOST_MISSING:
        return []
    splits = (x for x in product(range(missing + 1), repeat=len(parts)) if sum(x) == missing)
    left = [{p: known[p] - k for p, k in zip(parts, gaps, strict=True)} for gaps in splits]
    return sorted({tuple(cases[g] for g in groups) for cases in left if min(cases.values()) >= 0})


def stated_positives(study: PrintedStudy, group: str) -> Places:
    """Numbers of positive cases of a group with the places that state them, as above."""
    places: dict[int, list[str]] = defaultdict(list)
    for size in study.sizes:
        if size.group == group and size.n_positive is not None:
            places[size.n_positive].append(size.where)
    return _ranked(places)


def check_sizes(study: PrintedStudy) -> list[Contradiction]:
    """Sizes that differ from what most places state, parts that do not add up, odd matrices."""
    found: list[Contradiction] = []
    for group in _groups(study):
        found += _disagreements(size_statements(study, group), f"cases of {group}")
        found += _disagreements(stated_positives(study, group), f"positive cases of {group}")
    found += [*_impossible_positives(study), *_overfull_rows(study)]
    for whole, parts in study.partition.items():
        found += _group_sums(study, whole, parts)
    found += [x for row in study.counts for x in _row_sums(row, study.partition)]
    found += [x for total in study.totals for x in _total(total)]
    found += [x for matrix in study.matrices for x in _matrix_size(study, matrix)]
    found += _positives_of_matrices(study)
    return [*found, *(x for matrix in study.matrices for x in _measures(matrix))]


def _groups(study: PrintedStudy) -> list[str]:
    named = [size.group for size in study.sizes]
    return list(dict.fromkeys([*named, *(g for row in study.counts for g in row.counts)]))


def _disagreements(
    places: Places, what: str, *, agreed: Places | None = None, rule: Rule = Rule.COHORT_SIZE
) -> list[Contradiction]:
    """Numbers other than the first of `agreed`, by default the one that most places state."""
    number, supporters = next(iter((agreed or places).items()), (0, []))
    expected = f"{number} ({listed(supporters)})"
    return [
        Contradiction(listed(where), rule, f"{n} {what}", expected)
        for n, where in places.items()
        if n != number
    ]


def _impossible_positives(study: PrintedStudy) -> Iterator[Contradiction]:
    for size in study.sizes:
        if size.n_positive is not None and not 0 <= size.n_positive <= size.n:
            found = f"{size.n_positive} positive of {size.n}"
            yield Contradiction(size.where, Rule.COHORT_SIZE, found, f"0 to {size.n}")


def _total(total: Total) -> Iterator[Contradiction]:
    if sum(total.parts.values()) != total.n:
        summed = f"{' + '.join(total.parts)} = {sum(total.parts.values())}"
        yield Contradiction(total.where, Rule.SUM_OF_PARTS, summed, str(total.n))


def _matrix_size(study: PrintedStudy, matrix: ConfusionMatrix) -> Iterator[Contradiction]:
    n = agreed_size(study, matrix.group)
    if n is not None and matrix.n != n:
        yield Contradiction(matrix.where, Rule.MATRIX_TOTAL, f"{matrix.n} cases", str(n))


def _overfull_rows(study: PrintedStudy) -> Iterator[Contradiction]:
    """Rows with missing values: they cannot imply a size, but must fit into it."""
    wholes = set(study.partition)
    for row in study.counts:
        for group in row.counts if row.missing else ():
            n, known = agreed_size(study, group), sum(row.counts[group])
            least = 0 if n is None else n - row.missing
            if n is None or (known == least if group in wholes else least <= known <= n):
                continue
            expected = f"{n} less {row.missing} missing"
            yield Contradiction(row.where, Rule.COHORT_SIZE, f"{known} of {group}", expected)


def _group_sums(
    study: PrintedStudy, whole: str, parts: tuple[str, ...]
) -> Iterator[Contradiction]:
    sizes = [agreed_size(study, group) for group in (whole, *parts)]
    positives = [next(iter(stated_positives(study, g)), None) for g in (whole, *parts)]
    for what, numbers in (("", sizes), ("positive cases: ", positives)):
        known = [n for n in numbers if n is not None]
        if len(known) == len(numbers) and known[0] != sum(known[1:]):
            summed = f"{what}{' + '.join(parts)} = {sum(known[1:])}"
            yield Contradiction(f"groups of {whole}", Rule.SUM_OF_PARTS, summed, str(known[0]))


def _row_sums(row: CountRow, partition: Mapping[str, tuple[str, ...]]) -> Iterator[Contradiction]:
    for whole, parts in partition.items():
        if not {whole, *parts} <= set(row.counts):
            continue
        cells = zip(row.counts[whole], *(row.counts[part] for part in parts), strict=True)
        for level, (total, *addends) in enumerate(cells, start=1):
            if total != sum(addends):
                summed = f"level {level}: {' + '.join(map(str, addends))} = {sum(addends)}"
                yield Contradiction(row.where, Rule.SUM_OF_PARTS, summed, str(total))


def _positives_of_matrices(study: PrintedStudy) -> Iterator[Contradiction]:
    places: dict[str, dict[int, list[str]]] = defaultdict(lambda: defaultdict(list))
    for matrix in study.matrices:
        places[matrix.group][matrix.n_positive].append(matrix.where)
    for group, by_number in places.items():
        ranked, stated = _ranked(by_number), stated_positives(study, group)
        what = f"positive cases of {group}"
        yield from _disagreements(ranked, what, agreed=stated, rule=Rule.MATRIX_POSITIVES)


def _measures(matrix: ConfusionMatrix) -> Iterator[Contradiction]:
    counts = f"TP {matrix.tp}, FP {matrix.fp}, TN {matrix.tn}, FN {matrix.fn}"
    for name, printed in matrix.measures.items():
        value = matrix.right_measures[name]
        if value is None or not printed.admits(value):
            digits = min(printed.decimals, 6)
            expected = "none, as its denominator is 0" if value is None else f"{value:.{digits}f}"
            found = f"{name} {printed} for {counts}"
            yield Contradiction(matrix.where, Rule.MATRIX_METRIC, found, expected)


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
