"""Forest plot: an estimate with its interval in every row, for subgroups and odds ratios.

References
----------
.. [1] Lewis S, Clarke M. Forest plots: trying to see the wood and the trees. BMJ
   2001;322:1479-1480. doi:10.1136/bmj.322.7300.1479
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, MaxNLocator, NullFormatter

from her2.core.errors import BadArgument
from her2.plots import style
from her2.plots.text import MINUS, NOT_ESTIMABLE, count, interval, is_missing, number, shortened

LINE = 0.2  # inches of a row
NOTE_LINE = 0.15  # inches of a line of a note
TOP, BOTTOM = 0.5, 0.62  # inches for the headings, and for the axis below
SIZE, NOTE_SIZE = 8.5, 7.5
MAX_LABEL = 44  # characters
COUNT_WIDTH = 0.62  # inches
FURTHEST = 10.0  # on a log axis an interval ends in an arrow at ten times the last estimate
LARGE = 10_000  # larger ratios are only shown as above it
LOG_TICKS = (1, 2, 5)


@dataclass(frozen=True)
class _Row:
    """A row of the plot, from `top` in inches; a heading has only a label."""

    label: str
    top: float
    is_heading: bool = False
    counts: tuple[str, ...] = ()
    value: float = math.nan
    low: float = math.nan
    high: float = math.nan
    note: tuple[str, ...] = ()

    @property
    def middle(self) -> float:
        return self.top + LINE / 2

    @property
    def bottom(self) -> float:
        below = len(self.note) if not is_missing(self.value) else max(len(self.note) - 1, 0)
        return self.top + LINE + NOTE_LINE * below


@dataclass(frozen=True)
class _Columns:
    """Left ends of the columns in inches; those of the counts are right ends."""

    counts: tuple[float, ...]
    forest: float
    text: float


@style.styled
def forest_figure(
    rows: pd.DataFrame, *, reference: float, xlabel: str, log: bool = False, title: str = ""
) -> Figure:
    """Forest plot with the counts at the left and the estimates in numbers at the right.

    Columns: group (rows of one group follow each other below its name; empty: no name), label, n,
    n_positive (a column without any number is left out), value, low, high and note. A row without
    a value shows its note, or that it is not estimable; infinite ends of an interval become
    arrows. The line of no effect stands at `reference`; a log axis needs positive values.
    """
    columns = ["group", "label", "n", "n_positive", "value", "low", "high", "note"]
    table = style.required(rows, columns, name="forest rows")
    smallest = min(float(np.nanmin([*table["value"].dropna(), reference])), reference)
    if log and smallest <= 0:
        raise BadArgument(
            f"expected positive values on a log axis, found {smallest:g}; "
            "give ratios, or log=False"
        )
    shown_counts = [name for name in ("n", "n_positive") if table[name].notna().any()]
    places = _columns(table, shown_counts, log=log)
    top = TOP + (0.18 if title else 0.0)
    lines = _rows(table, shown_counts, top, style.PAGE_WIDTH - places.forest - 0.1)
    height = lines[-1].bottom + BOTTOM
    figure, axes = style.page(style.PAGE_WIDTH, height)
    axes.set_zorder(1)  # notes lie above the lines of the forest
    axes.text(0.1, 0.22, title, weight="bold", size=10, va="center")
    _draw_headings(axes, places, shown_counts, top)
    for line in lines:
        _draw_text(axes, line, places, log=log)
    forest = _forest_axes(figure, lines, places)
    forest.set_xlabel(xlabel)
    known = [line for line in lines if not is_missing(line.value)]
    low, high = _limits(known, reference, log=log)
    _scale_axis(forest, low, high, log=log)
    forest.axvline(reference, **style.REFERENCE_LINE)
    for line in known:
        _draw_interval(forest, line, low, high)
    return figure


def _columns(table: pd.DataFrame, counts: Sequence[str], *, log: bool) -> _Columns:
    """Columns as wide as their text; the forest takes what is left."""
    labels = [shortened(str(label), MAX_LABEL) for label in table["label"]]
    width = max(style.text_width(label, SIZE) for label in labels)
    headings = [style.text_width(str(g), SIZE, weight="bold") for g in table["group"].dropna()]
    start = 0.3 + max(width + 0.12, 1.2, *(min(w, 2.6) for w in headings))
    ends = tuple(start + COUNT_WIDTH * (i + 1) for i in range(len(counts)))
    estimates = [_estimate(*r, log=log) for r in _estimates(table) if not is_missing(r[0])]
    text = max(style.text_width(e, SIZE) for e in [*estimates, "Estimate (95 % CI)"])
    return _Columns(ends, (ends[-1] if ends else start) + 0.3, style.PAGE_WIDTH - 0.1 - text)


def _estimates(table: pd.DataFrame) -> list[tuple[float, float, float]]:
    values = table[["value", "low", "high"]].to_numpy(dtype=np.float64)
    return [(float(v), float(low), float(high)) for v, low, high in values]


def _estimate(value: float, low: float, high: float, *, log: bool) -> str:
    """Estimate with its interval; ratios with digits that suit their size."""
    if not log and math.isfinite(low) and math.isfinite(high):
        return interval(value, low, high)
    if math.isnan(low) or math.isnan(high):
        return f"{_end(value, log=log)} (interval {NOT_ESTIMABLE})"
    return f"{_end(value, log=log)} ({_end(low, log=log)}–{_end(high, log=log)})"


def _end(value: float, *, log: bool) -> str:
    """One number: a ratio as 0.31, 2.24 or 310, and what is infinite as the sign for it."""
    if math.isinf(value):
        return f"{MINUS if value < 0 else ''}∞"
    if not log:
        return number(value)
    if value >= LARGE:
        return f">{count(LARGE)}"
    if value >= 100:
        return count(value)
    return number(value, 2) if value >= 0.1 or value == 0 else f"{value:.2g}"


def _rows(table: pd.DataFrame, counts: Sequence[str], top: float, width: float) -> list[_Row]:
    """Rows from top to bottom, a heading wherever the group changes."""
    n_characters = int(width / (0.0082 * NOTE_SIZE))
    lines: list[_Row] = []
    group = ""
    for record, estimate in zip(table.to_dict("records"), _estimates(table), strict=True):
        if _text(record["group"]) != group:
            group = _text(record["group"])
            start = lines[-1].bottom + 0.08 if lines else top
            lines += [_Row(group, start, is_heading=True)] if group else []
        note = _text(record["note"])
        if is_missing(estimate[0]):
            note = note or NOT_ESTIMABLE
        label = shortened(_text(record["label"]), MAX_LABEL)
        shown = ["–" if is_missing(record[name]) else count(record[name]) for name in counts]
        wrapped = textwrap.wrap(note, n_characters)
        start = lines[-1].bottom if lines else top
        lines.append(_Row(label, start, False, tuple(shown), *estimate, tuple(wrapped)))
    return lines


def _text(value: object) -> str:
    return "" if pd.isna(value) else str(value)  # type: ignore[call-overload]


def _draw_headings(axes: Axes, places: _Columns, counts: Sequence[str], top: float) -> None:
    y = top - 0.13
    for x, name in zip(places.counts, counts, strict=True):
        shown = {"n": "n", "n_positive": "Positive"}[name]
        axes.text(x, y, shown, ha="right", va="center", size=SIZE, color=style.MUTED)
    axes.text(places.text, y, "Estimate (95 % CI)", va="center", size=SIZE, color=style.MUTED)
    axes.plot([0.1, style.PAGE_WIDTH - 0.1], [top - 0.02] * 2, color=style.GRID, linewidth=1.0)


def _draw_text(axes: Axes, line: _Row, places: _Columns, *, log: bool) -> None:
    weight, x = ("bold", 0.1) if line.is_heading else ("normal", 0.3)
    axes.text(x, line.middle, line.label, va="center", size=SIZE, weight=weight)
    for x, shown in zip(places.counts, line.counts, strict=False):
        axes.text(x, line.middle, shown, ha="right", va="center", size=SIZE)
    has_value = not is_missing(line.value)
    if has_value:
        shown = _estimate(line.value, line.low, line.high, log=log)
        axes.text(places.text, line.middle, shown, va="center", size=SIZE)
    for position, note in enumerate(line.note):
        y = line.middle + NOTE_LINE * (position + has_value)
        axes.text(
            places.forest, y, note, va="center", size=NOTE_SIZE, color=style.MUTED,
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.8},
        )  # fmt: skip


def _forest_axes(figure: Figure, lines: Sequence[_Row], places: _Columns) -> Axes:
    """Axes between the counts and the estimates, with the y of the page."""
    width, height = figure.get_size_inches()
    top, bottom = lines[0].top, lines[-1].bottom
    size = places.text - places.forest - 0.25
    axes = figure.add_axes(
        (places.forest / width, 1 - bottom / height, size / width, (bottom - top) / height)
    )
    axes.patch.set_alpha(0)
    axes.set(ylim=(bottom, top), yticks=[])
    axes.spines["left"].set_visible(False)
    return axes


def _draw_interval(axes: Axes, line: _Row, left: float, right: float) -> None:
    """Square and interval; an arrow where the interval goes on beyond the axis."""
    look = {"color": style.NEGATIVE, "linewidth": 1.3}
    if not math.isnan(line.low) and not math.isnan(line.high):
        ends = [max(line.low, left), min(line.high, right)]
        axes.plot(ends, [line.middle] * 2, **look)  # type: ignore[arg-type]
        for end, limit, marker in ((line.low, left, "<"), (line.high, right, ">")):
            if (end < limit) if marker == "<" else (end > limit):
                axes.plot(limit, line.middle, marker, color=style.NEGATIVE, ms=5, clip_on=False)
    axes.plot(
        line.value, line.middle, "s", color=style.NEGATIVE, ms=5, mec=style.INK, mew=0.6, zorder=3
    )


def _limits(known: Sequence[_Row], reference: float, *, log: bool) -> tuple[float, float]:
    """Find ends of the axis: all estimates, the reference, and intervals that end not too far."""
    values = [reference, *(line.value for line in known)]
    lows = [*values, *(line.low for line in known if math.isfinite(line.low))]
    highs = [*values, *(line.high for line in known if math.isfinite(line.high))]
    if not log:
        margin = 0.04 * (max(highs) - min(lows)) or 0.05
        return min(lows) - margin, max(highs) + margin
    low = max(min(x for x in lows if x > 0), min(values) / FURTHEST)
    high = min(max(highs), max(values) * FURTHEST)
    return low / 1.15, high * 1.15


def _scale_axis(axes: Axes, low: float, high: float, *, log: bool) -> None:
    """Tick ratios at 1, 2 and 5 of every power of ten; over many powers at the powers alone."""
    if not log:
        axes.xaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
        axes.set_xlim(low, high)
        return
    axes.set_xscale("log")
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    step = max(1, len(powers) // 6)
    steps = LOG_TICKS if len(powers) <= 4 else LOG_TICKS[:1]
    ticks = [k * 10.0**power for power in powers[::step] for k in steps]
    ticks = [tick for tick in ticks if low <= tick <= high]
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.xaxis.set_minor_locator(FixedLocator([]))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_xlim(low, high)
