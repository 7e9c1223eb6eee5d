"""Features as horizontal bars, the most important one on top: weights and stability."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from her2.plots.plotted_tables import required
from her2.plots.style import MUTED, NEGATIVE, POSITIVE, new_figure, styled
from her2.plots.text import NOT_ESTIMABLE, count, feature_title, number, signed

MAX_BARS = 30
ROW = 0.205  # inches
WIDTH = 7.4
SUBTITLE = 72  # characters of a line above the bars


@dataclass(frozen=True)
class _Bar:
    """One feature: its length is NaN where it is not estimable."""

    name: str
    length: float
    text: str
    colour: str


@styled
def weights_figure(weights: pd.DataFrame, *, title: str = "Weights of the features") -> Figure:
    """Bars of the weights by size, sign by colour; at most 30, and how many more there are.

    Parameters
    ----------
    weights
        Columns feature and weight (coefficient of the z-scored feature; NaN: not estimable).
    title
        Above the axes, for example the arm.

    Raises
    ------
    BadArgument
        The table is empty or lacks a column.

    Examples
    --------
    >>> table = pd.DataFrame({"feature": ["a", "b"], "weight": [0.1, -0.4]})
    >>> [label.get_text() for label in weights_figure(table).axes[0].get_yticklabels()]
    ['b', 'a']
    """
    table = required(weights, ["feature", "weight"], name="weights")
    order = table["weight"].abs().sort_values(ascending=False, kind="stable").index
    bars = [
        _Bar(feature, weight, signed(weight), POSITIVE if weight > 0 else NEGATIVE)
        for feature, weight in table.loc[order, ["feature", "weight"]].itertuples(index=False)
    ]
    figure = _ranked(bars, title)
    axes = figure.axes[0]
    axes.set_xlabel("LASSO coefficient per standard deviation of the feature")
    handles = [
        Patch(color=POSITIVE, label="Raises the predicted probability"),
        Patch(color=NEGATIVE, label="Lowers it"),
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=2)
    return figure


@styled
def stability_figure(
    frequencies: pd.DataFrame,
    *,
    nogueira_text: str = "",
    title: str = "How often a feature is selected again",
) -> Figure:
    """Bars of the share of resamples that select each feature, the most frequent on top.

    Parameters
    ----------
    frequencies
        Columns feature and frequency (0-1; NaN: not estimable).
    nogueira_text
        Nogueira's stability in words, with its interval, below the title.
    title
        Above the axes, for example the arm.

    Raises
    ------
    BadArgument
        The table is empty or lacks a column.

    Examples
    --------
    >>> table = pd.DataFrame({"feature": ["a", "b"], "frequency": [0.1, 0.9]})
    >>> [label.get_text() for label in stability_figure(table).axes[0].get_yticklabels()]
    ['b', 'a']
    """
    table = required(frequencies, ["feature", "frequency"], name="frequencies")
    table = table.sort_values("frequency", ascending=False, kind="stable")
    bars = [
        _Bar(feature, 100 * share, _percent(share), NEGATIVE)
        for feature, share in table[["feature", "frequency"]].itertuples(index=False)
    ]
    figure = _ranked(bars, title)
    axes = figure.axes[0]
    axes.set_title(textwrap.fill(nogueira_text, SUBTITLE), size=8.5, weight="normal")
    axes.set(xlim=(0, 112), xlabel="Resamples that select the feature (%)")
    axes.set_xticks([0, 25, 50, 75, 100])
    return figure


def _percent(share: float) -> str:
    return NOT_ESTIMABLE if pd.isna(share) else f"{number(100 * share, 0)} %"


def _ranked(bars: Sequence[_Bar], title: str) -> Figure:
    shown, n_more = bars[:MAX_BARS], max(len(bars) - MAX_BARS, 0)
    n_rows = len(shown) + bool(n_more)
    figure = new_figure(WIDTH, 1.25 + ROW * max(n_rows, 3))
    axes = figure.add_subplot()
    names = [feature_title(bar.name) for bar in shown]
    names += [f"and {count(n_more)} more"] * bool(n_more)
    axes.set_yticks(range(n_rows), names, size=8)
    axes.set_ylim(n_rows - 0.4, -0.6)
    figure.suptitle(title, x=0.01, ha="left", weight="bold", size=10)
    axes.grid(axis="y", visible=False)
    axes.tick_params(axis="y", length=0)
    axes.axvline(0, color=MUTED, linewidth=0.8)
    for row, bar in enumerate(shown):
        _draw_bar(axes, row, bar)
    _leave_room(axes, [bar.length for bar in shown if pd.notna(bar.length)])
    return figure


def _draw_bar(axes: Axes, row: int, bar: _Bar) -> None:
    is_known = pd.notna(bar.length)
    if is_known:
        axes.barh(row, bar.length, 0.68, color=bar.colour)
    is_left = is_known and bar.length < 0
    axes.annotate(
        bar.text if is_known else NOT_ESTIMABLE,
        (bar.length if is_known else 0.0, row),
        xytext=(-3 if is_left else 3, 0),
        textcoords="offset points",
        ha="right" if is_left else "left",
        va="center",
        size=7.5,
        color=MUTED,
    )


def _leave_room(axes: Axes, lengths: Sequence[float]) -> None:
    """Widen the axis so that the numbers behind the bars stay inside."""
    low, high = min([0.0, *lengths]), max([0.0, *lengths])
    span = high - low or 1.0
    axes.set_xlim(low - 0.17 * span * (low < 0), high + 0.17 * span)
