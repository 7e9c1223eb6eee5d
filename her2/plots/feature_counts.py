"""How many features each family and each image type brings, every count printed."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from her2.core.errors import BadArgument
from her2.plots.placing import text_width
from her2.plots.plotted_tables import required
from her2.plots.style import (
    INK,
    MUTED,
    PAGE_WIDTH,
    families_in_order,
    family_colour,
    page,
    styled,
)
from her2.plots.text import count

ROW = 0.215  # inches of one image type
HEAD, STRIP = 0.95, 0.24  # inches above the rows; height of the stacked bar
BAR_SHARE = 0.6  # of a column: the longest bar; its number stands behind it
NO_FEATURE = "–"
PIE_HEIGHT = 2.9  # inches


@styled
def feature_counts_figure(counts: pd.DataFrame) -> Figure:
    """Share of every family as one stacked bar, and below it the counts by image type.

    Parameters
    ----------
    counts
        Columns image_type, family and n (features); a pair without a row, or with a missing n,
        is shown as a dash. Image types keep the order of the table.

    Raises
    ------
    BadArgument
        The table is empty or lacks a column.

    Examples
    --------
    >>> table = pd.DataFrame({"image_type": ["original"], "family": ["shape"], "n": [14]})
    >>> len(feature_counts_figure(table).axes)
    1
    """
    table = required(counts, ["image_type", "family", "n"], name="feature counts")
    grid = table.pivot_table(index="image_type", columns="family", values="n", aggfunc="sum")
    grid = grid.reindex(
        index=list(dict.fromkeys(table["image_type"])), columns=families_in_order(table["family"])
    )
    figure, axes = page(PAGE_WIDTH, HEAD + ROW * len(grid) + 0.1)
    widest = max(text_width(str(name), 8.5) for name in grid.index)
    left = 0.25 + max(widest, text_width(_total(grid.sum()), 9.0, weight="bold"))
    _draw_shares(axes, grid.sum(), left)
    _draw_rows(axes, grid, left)
    return figure


@styled
def feature_shares_figure(counts: pd.DataFrame) -> Figure:
    """Share of every family as a pie, and its count as a bar.

    Parameters
    ----------
    counts
        As in `feature_counts_figure`; at least one feature.

    Raises
    ------
    BadArgument
        The table is empty, lacks a column or counts no feature.

    Examples
    --------
    >>> table = pd.DataFrame({"image_type": ["original"], "family": ["shape"], "n": [14]})
    >>> len(feature_shares_figure(table).axes)
    2
    """
    table = required(counts, ["image_type", "family", "n"], name="feature counts")
    totals = table.groupby("family")["n"].sum().reindex(families_in_order(table["family"]))
    if not totals.sum() > 0:
        raise BadArgument("expected at least one feature to share out, found none")
    colours = [family_colour(str(family)) for family in totals.index]
    figure = Figure(figsize=(PAGE_WIDTH, PIE_HEIGHT), layout="constrained")
    pie, bars = figure.subplots(1, 2, width_ratios=[0.9, 1])
    pie.pie(
        totals, colors=colours, startangle=90, counterclock=False, radius=1.05,
        wedgeprops={"width": 0.5, "edgecolor": "white", "linewidth": 1.0},
    )  # fmt: skip
    pie.text(0, 0, _total(totals).replace(" ", "\n", 1), ha="center", va="center", weight="bold")
    _draw_bars(bars, totals, colours)
    return figure


def _draw_bars(axes: Axes, totals: pd.Series, colours: Sequence[str]) -> None:
    axes.barh(range(len(totals)), totals, color=colours)
    axes.set(yticks=range(len(totals)), yticklabels=list(totals.index), xlabel="Features")
    axes.invert_yaxis()
    axes.grid(visible=False)
    axes.set_xlim(0, 1.35 * float(totals.max()))
    for y, n in enumerate(totals):
        shown = f" {count(n)} ({100 * n / totals.sum():.1f} %)"
        axes.text(float(n), y, shown, va="center", size=8.5)


def _draw_shares(axes: Axes, totals: pd.Series, left: float) -> None:
    """Stacked bar over the columns, and the heading of every column."""
    n_all, start = float(totals.sum()), left
    room = PAGE_WIDTH - 0.1 - left
    column = room / len(totals)
    axes.text(0.1, 0.1 + STRIP / 2, _total(totals), va="center", weight="bold")
    for position, (family, n) in enumerate(totals.items()):
        share = float(n) / n_all if n_all else 0.0
        colour = family_colour(str(family))
        axes.barh(0.1 + STRIP / 2, share * room, STRIP, left=start, color=colour)
        start += share * room
        x = left + column * position
        axes.text(x, 0.58, str(family), va="center", weight="bold", color=INK)
        shown = f"{count(n)} ({100 * share:.1f} %)"
        axes.text(x, 0.76, shown, va="center", size=8, color=MUTED)
        axes.barh(0.45, 0.9 * column, 0.05, left=x, color=colour, align="center")


def _total(totals: pd.Series) -> str:
    return f"{count(float(totals.sum()))} features"


def _draw_rows(axes: Axes, grid: pd.DataFrame, left: float) -> None:
    column = (PAGE_WIDTH - 0.1 - left) / grid.shape[1]
    scale = BAR_SHARE * column / max(float(grid.max().max()), 1.0)
    for row, (image_type, numbers) in enumerate(grid.iterrows()):
        y = HEAD + ROW * (row + 0.5)
        axes.text(left - 0.12, y, str(image_type), ha="right", va="center", size=8.5)
        _draw_cells(axes, y, numbers, [left + column * i for i in range(len(numbers))], scale)


def _draw_cells(
    axes: Axes, y: float, numbers: pd.Series, starts: Sequence[float], scale: float
) -> None:
    for x, (family, n) in zip(starts, numbers.items(), strict=True):
        is_known = pd.notna(n)
        if is_known:
            axes.barh(y, scale * n, 0.7 * ROW, left=x, color=family_colour(str(family)))
        axes.text(
            x + (scale * n + 0.05 if is_known else 0.0),
            y,
            count(n) if is_known else NO_FEATURE,
            va="center",
            size=8,
            color=INK if is_known else MUTED,
        )
