"""How many cases a group has: every statement of it, wholes and parts, confusion matrices."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import product

from her2.paper_checks.claims import ConfusionMatrix, CountRow, PrintedStudy, Total
from her2.paper_checks.finding import Contradiction, Rule, listed

MOST_MISSING = 12  # values whose every distribution over the groups is tried


def size_statements(study: PrintedStudy, group: str) -> dict[int, list[str]]:
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


def stated_positives(study: PrintedStudy, group: str) -> dict[int, list[str]]:
    """Numbers of positive cases of a group with the places that state them, as above."""
    places: dict[int, list[str]] = defaultdict(list)
    for size in study.sizes:
        if size.group == group and size.n_positive is not None:
            places[size.n_positive].append(size.where)
    return dict(sorted(places.items(), key=lambda entry: -len(entry[1])))


def check_sizes(study: PrintedStudy) -> list[Contradiction]:
    """Sizes that differ from what most places state, parts that do not add up, odd matrices."""
    found: list[Contradiction] = []
    for group in _groups(study):
        found += _disagreements(size_statements(study, group), f"cases of {group}")
        found += _disagreements(stated_positives(study, group), f"positive cases of {group}")
    found += [*_negative_remainders(study), *_overfull_rows(study)]
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


def _disagreements(places: Mapping[int, list[str]], what: str) -> list[Contradiction]:
    if len(places) < 2:
        return []
    (agreed, supporters), *others = places.items()
    expected = f"{agreed} ({listed(supporters)})"
    return [
        Contradiction(listed(where), Rule.COHORT_SIZE, f"{n} {what}", expected)
        for n, where in others
    ]


def _negative_remainders(study: PrintedStudy) -> Iterator[Contradiction]:
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
        stated = stated_positives(study, group)
        ranked = sorted(by_number.items(), key=lambda entry: -len(entry[1]))
        agreed, supporters = next(iter(stated.items()), ranked[0])
        for n_positive, where in ranked:
            if n_positive != agreed:
                expected = f"{agreed} ({listed(supporters)})"
                found = f"{n_positive} positive cases of {group}"
                yield Contradiction(listed(where), Rule.MATRIX_POSITIVES, found, expected)


def _measures(matrix: ConfusionMatrix) -> Iterator[Contradiction]:
    counts = f"TP {matrix.tp}, FP {matrix.fp}, TN {matrix.tn}, FN {matrix.fn}"
    for name, printed in matrix.measures.items():
        value = matrix.right_measures[name]
        if value is None or not printed.admits(value):
            digits = min(printed.decimals, 6)
            expected = "none, as its denominator is 0" if value is None else f"{value:.{digits}f}"
            found = f"{name} {printed} for {counts}"
            yield Contradiction(matrix.where, Rule.MATRIX_METRIC, found, expected)
