"""Text cells of the study's tables, read back as the numbers that they print."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import pandas as pd

from her2.paper_checks import CountRow, MeanRow, OddsRatio, Printed, Size
from her2.plots.text import number, p_value
from her2.report.formats import is_unknown, ratio

MAXIMUM_LIKELIHOOD = "maximum likelihood"
OUTCOME_LEVELS = ("0", "1")
_COUNT = re.compile(r"(?P<n>\d+) \((?P<share>[\d.]+) ?%\)")
_MEAN = re.compile(r"(?P<mean>\S+) ± (?P<sd>[\d.]+)")

Row: TypeAlias = Mapping[Any, Any]
Groups: TypeAlias = Mapping[str, str]


@dataclass(frozen=True)
class BaselineClaims:
    """What a baseline table claims; partition: its whole -> the parts it has columns for."""

    partition: dict[str, tuple[str, ...]] = field(default_factory=dict)
    sizes: tuple[Size, ...] = ()
    counts: tuple[CountRow, ...] = ()
    means: tuple[MeanRow, ...] = ()


def printed(value: Any, show: Callable[[float], str] = number) -> Printed | None:
    """Read a value as the report prints it; None if there is none, or a reason in its place.

    Examples
    --------
    >>> str(printed(0.76744)), printed(None)
    ('0.767', None)
    """
    if is_unknown(value) or isinstance(value, str):
        return None
    return Printed.read(show(float(value)))


def baseline_claims(
    table: pd.DataFrame | None, where: str, groups: Groups, compared: tuple[str, str]
) -> BaselineClaims:
    """Sizes, counts and means of a baseline table; medians make no claim.

    Parameters
    ----------
    table
        Columns variable, level, missing, p_value, test_name, and one of text a group; None if
        the study has no such table.
    where
        Its name.
    groups
        Column -> group, the whole first; columns that the table lacks are passed over.
    compared
        Groups that its p-values compare.

    Examples
    --------
    >>> row = {"variable": "er", "level": "-", "all": "59 (29.4%)", "missing": 0}
    >>> table = pd.DataFrame([row, row | {"level": "+", "all": "142 (70.6%)"}])
    >>> claims = baseline_claims(table, "Table 1", {"all": "all"}, ("train", "test"))
    >>> claims.counts[0].counts
    {'all': (59, 142)}
    """
    if table is None or table.empty:
        return BaselineClaims()
    rows = table.astype(object).to_dict("records")
    known = {column: group for column, group in groups.items() if _is_filled(table, column)}
    whole, *parts = known.values()
    blocks = [_Block(where, block, known, compared) for block in _blocks(rows)]
    return BaselineClaims(
        partition={whole: tuple(parts)} if len(parts) > 1 else {},
        sizes=tuple(size for block in blocks for size in block.sizes()),
        counts=tuple(row for block in blocks for row in block.counts()),
        means=tuple(row for block in blocks for row in block.means()),
    )


def odds_ratio_claims(rows: Iterable[Row]) -> Iterator[OddsRatio]:
    """Odds ratios alone and adjusted, as far as they were estimable.

    Maximum-likelihood rows have Wald intervals; Firth's have profile ones, which need not be
    symmetric.

    Examples
    --------
    >>> row = {"variable": "er", "odds_ratio": 0.24, "low": 0.111, "high": 0.519}
    >>> [claim.where for claim in odds_ratio_claims([row | {"method": "maximum likelihood"}])]
    ['Table 2, er']
    """
    for row in rows:
        is_wald = row.get("method") == MAXIMUM_LIKELIHOOD
        for prefix, suffix in (("", ""), ("adjusted_", ", adjusted")):
            names = ("odds_ratio", "low", "high")
            found = [printed(row.get(f"{prefix}{name}"), ratio) for name in names]
            value, low, high = found
            if value is None or low is None or high is None:
                continue
            p = printed(row.get(f"{prefix}p_value"), p_value)
            where = f"Table 2, {row['variable']}{suffix}"
            yield OddsRatio(where, value, low, high, p, is_wald=is_wald)


def _is_filled(table: pd.DataFrame, column: str) -> bool:
    """Whether a column of text has a number: an absent group's is empty or holds dashes."""
    return column in table and bool(table[column].astype(str).str.contains(r"\d").any())


def _blocks(rows: Iterable[Row]) -> list[list[Row]]:
    """Neighbouring rows of one variable."""
    blocks: list[list[Row]] = []
    for row in rows:
        is_same = bool(blocks) and blocks[-1][0]["variable"] == row["variable"]
        blocks[-1].append(row) if is_same else blocks.append([row])
    return blocks


@dataclass(frozen=True)
class _Block:
    """The rows of one variable; groups: column -> group."""

    table: str
    rows: list[Row]
    groups: Groups
    compared: tuple[str, str]

    @property
    def where(self) -> str:
        """Name of the place."""
        return f"{self.table}, {self.rows[0]['variable']}"

    @property
    def missing(self) -> int:
        """Cases without a value, which the first row says."""
        value = self.rows[0].get("missing")
        return 0 if value is None or is_unknown(value) else int(value)

    @property
    def p_value(self) -> Printed | None:
        """P-value, which the first row says."""
        return printed(self.rows[0].get("p_value"), p_value)

    @property
    def test(self) -> str:
        """Name of the test; a word no test has where there is none."""
        name = self.rows[0].get("test_name")
        return "none" if is_unknown(name) or not name else str(name)

    def sizes(self) -> Iterator[Size]:
        """Sizes that the row n states, or the positives that the row of the outcome does."""
        if self.rows[0]["variable"] == "n":
            for column, group in self.groups.items():
                yield Size(self.where, group, int(self.rows[0][column]))
        levels = tuple(str(row["level"]) for row in self.rows)
        if self.rows[0]["variable"] == "outcome" and levels == OUTCOME_LEVELS:
            for row in self.counts():
                for group, (negative, positive) in row.counts.items():
                    yield Size(self.where, group, negative + positive, positive)

    def counts(self) -> Iterator[CountRow]:
        """Count the levels in every group whose cells all are counts."""
        found = {
            group: [_COUNT.fullmatch(str(row[column])) for row in self.rows]
            for column, group in self.groups.items()
        }
        cells = {g: [m for m in matches if m] for g, matches in found.items() if all(matches)}
        if cells:
            yield CountRow(
                self.where,
                {g: tuple(int(m["n"]) for m in matches) for g, matches in cells.items()},
                {g: tuple(Printed.read(f"{m['share']}%") for m in ms) for g, ms in cells.items()},
                missing=self.missing,
                p_value=self.p_value,
                test=self.test,
                compared=self.compared,
            )

    def means(self) -> Iterator[MeanRow]:
        """Mean and standard deviation, of the groups that have both."""
        found = {g: _MEAN.fullmatch(str(self.rows[0][c])) for c, g in self.groups.items()}
        summaries = {
            group: (Printed.read(match["mean"]), Printed.read(match["sd"]))
            for group, match in found.items()
            if match
        }
        if summaries:
            yield MeanRow(
                self.where,
                summaries,
                missing=self.missing,
                p_value=self.p_value,
                test=self.test,
                compared=self.compared,
            )
