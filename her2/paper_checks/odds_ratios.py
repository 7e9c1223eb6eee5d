"""Odds ratios against their interval, their p-value, and the counts they can come from."""

from __future__ import annotations

from collections.abc import Iterator
from math import exp, inf, log, sqrt
from typing import NamedTuple

from scipy.stats import norm

from her2.paper_checks.claims import OddsRatio, PrintedStudy
from her2.paper_checks.printed import Contradiction, Interval, Printed, Rule, absolute, overlap
from her2.paper_checks.sizes import case_numbers
from her2.stats.validation import normal_quantile

LEVELS = (0.8, 0.9, 0.95, 0.98, 0.99, 0.999)  # that studies name
# a regression summary prints log odds ratios to three decimals, and these get exponentiated
LOG_ROUNDING = 0.0005


def implied_level(row: OddsRatio) -> Interval:
    """Levels at which a Wald interval and p-value agree, over everything the print admits."""
    if row.p_value is None or min(row.ratio.low, row.low.low) <= 0.0:
        return 0.0, 1.0
    effect = absolute(_logs(row.ratio))
    lower, upper = _logs(row.low), _logs(row.high)
    half = (max(0.0, upper[0] - lower[1]) / 2.0, max(0.0, upper[1] - lower[0]) / 2.0)
    p = row.p_value.within(0.0, 1.0)
    z = (float(norm.isf(p[1] / 2.0)), float(norm.isf(p[0] / 2.0)))
    smallest = half[0] * z[0] / effect[1] if effect[1] else 0.0
    largest = half[1] * z[1] / effect[0] if effect[0] else inf
    return _level(smallest), _level(largest)


def check_odds_ratios(study: PrintedStudy) -> list[Contradiction]:
    """Rows whose odds ratio, interval, p-value and counts cannot all be right."""
    found = [x for row in study.odds_ratios for x in _row_alone(row)]
    return [*found, *(x for row in study.odds_ratios for x in _row_counts(study, row))]


def _row_alone(row: OddsRatio) -> Iterator[Contradiction]:
    if not overlap((row.ratio.low, row.ratio.high), (row.low.low, row.high.high)):
        found = f"{row.ratio} outside {row.low} to {row.high}"
        yield Contradiction(row.where, Rule.ESTIMATE_IN_INTERVAL, found, "an interval around it")
    elif row.is_wald and min(row.ratio.low, row.low.low) > 0.0:
        yield from _symmetry(row)
        yield from _level_named(row)


def _symmetry(row: OddsRatio) -> Iterator[Contradiction]:
    lower, upper = _logs(row.low), _logs(row.high)
    middle = ((lower[0] + upper[0]) / 2.0, (lower[1] + upper[1]) / 2.0)
    if not overlap(_logs(row.ratio), middle):
        centre = sqrt(row.low.value * row.high.value)
        expected = f"{centre:.{max(row.ratio.decimals, 0)}f}, the middle of the interval"
        found = f"{row.ratio} in {row.low} to {row.high}"
        yield Contradiction(row.where, Rule.INTERVAL_SYMMETRY, found, expected)


def _level_named(row: OddsRatio) -> Iterator[Contradiction]:
    low, high = implied_level(row)
    if overlap((low, high), (row.level, row.level)):
        return
    usual = [level for level in LEVELS if low <= level <= high]
    expected = f"an interval of level {low:.3f} to {high:.3f}"
    if len(usual) == 1:
        expected = f"a {100 * usual[0]:.3g} % interval"
    found = f"a {100 * row.level:.3g} % interval {row.low} to {row.high} with p {row.p_value}"
    yield Contradiction(row.where, Rule.INTERVAL_LEVEL, found, expected)


class _Table(NamedTuple):
    """A 2x2 table: events and non-events of the exposed, then of the others."""

    a: int
    b: int
    c: int
    d: int

    @property
    def odds(self) -> Interval:
        """Log odds of the exposed alone and its standard error: a fit without an intercept."""
        return log(self.a / self.b), sqrt(1 / self.a + 1 / self.b)

    @property
    def odds_ratio(self) -> Interval:
        """Log odds ratio and its standard error: a fit with an intercept."""
        return log(self.a * self.d / (self.b * self.c)), sqrt(sum(1 / n for n in self))


def _row_counts(study: PrintedStudy, row: OddsRatio) -> Iterator[Contradiction]:
    tables = list(_tables(study, row))
    if not tables or any(min(t) > 0 and _fits(row, t.odds_ratio) for t in tables):
        return
    found = f"{row.ratio} ({row.low} to {row.high})"
    for table in tables:
        if min(table[:2]) > 0 and (level := _fits(row, table.odds)):
            yield Contradiction(row.where, Rule.NO_INTERCEPT, found, _proper(row, table, level))
            return
    margins = sorted({f"{t.a + t.c}/{sum(t)} and {t.a + t.b}/{sum(t)}" for t in tables})
    expected = f"an odds ratio of whole numbers with margins {' or '.join(margins)}"
    yield Contradiction(row.where, Rule.ODDS_RATIO_COUNTS, found, expected)


def _tables(study: PrintedStudy, row: OddsRatio) -> Iterator[_Table]:
    """Every table with the margins that are printed for the row's group."""
    for n_positive, n in case_numbers(study, row.group):
        for exposed in row.n_exposed:
            least = max(0, n_positive + exposed - n)
            for events in range(least, min(n_positive, exposed) + 1):
                others = n_positive - events
                yield _Table(events, exposed - events, others, n - exposed - others)


def _fits(row: OddsRatio, estimate: Interval) -> float | None:
    """Level at which a log estimate with its standard error gives the printed row, or None."""
    b, se = estimate
    p_value = float(2.0 * norm.sf(abs(b) / se))
    if not _admits_log(row.ratio, b) or not (row.p_value is None or row.p_value.admits(p_value)):
        return None
    if not row.is_wald:
        return row.level
    for level in dict.fromkeys((row.level, *LEVELS)):
        low, high = _log_limits(estimate, level)
        if _admits_log(row.low, low) and _admits_log(row.high, high):
            return level
    return None


def _log_limits(estimate: Interval, level: float) -> Interval:
    b, se = estimate
    half = normal_quantile(level) * se
    return b - half, b + half


def _admits_log(printed: Printed, value: float) -> bool:
    return overlap(_logs(printed), (value, value))


def _proper(row: OddsRatio, table: _Table, level: float) -> str:
    """Odds ratio of the same counts, and what was printed instead."""
    said = f"that is the odds {table.a}/{table.b} of the exposed, {100 * level:.3g} % interval"
    if not min(table):
        return f"an odds ratio; {said}"
    low, high = map(exp, _log_limits(table.odds_ratio, row.level))
    ratio = exp(table.odds_ratio[0])
    return f"{ratio:.3f} ({low:.3f} to {high:.3f}) from the same counts; {said}"


def _logs(printed: Printed) -> Interval:
    """Logarithms that can have been exponentiated and printed so."""
    low = log(printed.low) if printed.low > 0.0 else -inf
    high = log(printed.high) if printed.high > 0.0 else -inf
    return low - LOG_ROUNDING, high + LOG_ROUNDING


def _level(width: float) -> float:
    return float(2.0 * norm.cdf(width) - 1.0)
