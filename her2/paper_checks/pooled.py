"""Means and standard deviations of a whole against those of its parts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import inf, sqrt

import numpy as np

from her2.paper_checks.claims import MeanRow, PrintedStudy
from her2.paper_checks.finding import Contradiction, Rule
from her2.paper_checks.printed import Interval, Printed, distance
from her2.paper_checks.sizes import known_cases

Summary = tuple[Printed, Printed]


def check_pooled_summaries(study: PrintedStudy) -> list[Contradiction]:
    """Means and SDs of a whole that are not those of its parts taken together.

    Examples
    --------
    >>> from her2.paper_checks.claims import Size
    >>> printed = {"all": "54.40 11.04", "train": "53.36 11.26", "test": "55.44 10.45"}
    >>> cells = {g: tuple(map(Printed.read, text.split())) for g, text in printed.items()}
    >>> study = PrintedStudy(
    ...     partition={"all": ("train", "test")},
    ...     sizes=(Size("Table 1", "train", 140), Size("Table 1", "test", 61)),
    ...     means=(MeanRow("Table 1, age", cells),),
    ... )
    >>> [(x.found, x.expected) for x in check_pooled_summaries(study)]
    [('mean of all 54.40', '53.99')]
    """
    return [
        x
        for row in study.means
        for whole, parts in study.partition.items()
        for x in _pooled(study, row, whole, parts)
    ]


def _pooled(
    study: PrintedStudy, row: MeanRow, whole: str, parts: tuple[str, ...]
) -> Iterator[Contradiction]:
    if not {whole, *parts} <= set(row.summaries):
        return
    cells = [row.summaries[part] for part in parts]
    cases = [n for n in known_cases(study, parts, missing=row.missing) if sum(n) > 1]
    for name, printed, bounds in zip(
        ("mean", "SD"), row.summaries[whole], (_means, _spreads), strict=True
    ):
        ranges = [bounds(sizes, cells) for sizes in cases]
        if ranges and not any(printed.meets(interval) for interval in ranges):
            low, high = ranges[len(ranges) // 2]
            expected = f"{(low + high) / 2.0:.{max(printed.decimals, 0)}f}"
            found = f"{name} of {whole} {printed}"
            yield Contradiction(row.where, Rule.POOLED_SUMMARY, found, expected)


def _means(sizes: Sequence[int], cells: Sequence[Summary]) -> Interval:
    """Bounds of the mean of all cases."""
    low, high = (np.average([m[end] for m in _limits(cells)], weights=sizes) for end in (0, 1))
    return float(low), float(high)


def _limits(cells: Sequence[Summary]) -> list[Interval]:
    return [(mean.low, mean.high) for mean, _ in cells]


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
