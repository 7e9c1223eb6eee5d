"""AUC against the number of patients that a model was trained on, one panel an arm."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from her2.plots.plotted_tables import required
from her2.plots.style import (
    PAGE_WIDTH,
    REFERENCE,
    arm_colour,
    arms_in_order,
    new_figure,
    say_in,
    styled,
)
from her2.plots.text import NOT_ESTIMABLE, arm_title, count, is_missing, number

PANEL_COLUMNS = 5
MAX_TICKS = 4
OTHERS = "#d0d0d0"


@styled
def learning_curve_figure(curve: pd.DataFrame) -> Figure:
    """Learning curves with their intervals; the other arms are drawn in grey behind each.

    Parameters
    ----------
    curve
        Columns arm, n_patients (trained on), share (of the training patients, 0-1), auc,
        auc_low and auc_high (NaN leaves a gap).

    Raises
    ------
    BadArgument
        The table is empty or lacks a column.

    Examples
    --------
    >>> curve = pd.DataFrame({"arm": "combined", "n_patients": [70, 140], "share": [0.5, 1.0],
    ...                       "auc": [0.6, 0.7], "auc_low": 0.5, "auc_high": 0.8})
    >>> learning_curve_figure(curve).axes[0].get_title(loc="left")
    'Combined'
    """
    columns = ["arm", "n_patients", "share", "auc", "auc_low", "auc_high"]
    table = required(curve, columns, name="the learning curve").sort_values("n_patients")
    arms = arms_in_order(table["arm"])
    n_columns = min(PANEL_COLUMNS, len(arms))
    n_rows = math.ceil(len(arms) / n_columns)
    width = PAGE_WIDTH * max(n_columns, 2) / PANEL_COLUMNS
    figure = new_figure(width, 2.75 * n_rows)
    all_axes = figure.subplots(n_rows, n_columns, squeeze=False, sharey=True).ravel()
    for axes in all_axes[len(arms) :]:
        axes.set_axis_off()
    for axes, arm in zip(all_axes, arms, strict=False):
        _draw_others(axes, table, [other for other in arms if other != arm])
        _draw_arm(axes, table[table["arm"] == arm], arm)
    for axes in all_axes[::n_columns]:
        axes.set_ylabel("AUC (95 % CI)")
    return figure


def _draw_others(axes: Axes, table: pd.DataFrame, others: Sequence[str]) -> None:
    for other in others:
        points = table[table["arm"] == other]
        axes.plot(points["n_patients"], points["auc"], color=OTHERS, linewidth=0.9)


def _draw_arm(axes: Axes, points: pd.DataFrame, arm: str) -> None:
    axes.axhline(0.5, color=REFERENCE, linewidth=1.0, linestyle=(0, (4, 3)), zorder=1)
    axes.set_title(_title(arm), size=9.5)
    axes.set_xlabel("Training patients")
    if points["auc"].notna().any():
        x, colour = points["n_patients"], arm_colour(arm)
        axes.fill_between(
            x, points["auc_low"], points["auc_high"], color=colour, alpha=0.2, linewidth=0
        )
        axes.plot(x, points["auc"], color=colour, marker="o", markersize=4)
    else:
        say_in(axes, NOT_ESTIMABLE)
    _name_sizes(axes, points)


def _title(arm: str) -> str:
    """Name of the arm, in lines that fit over a narrow panel."""
    return arm_title(arm).replace("Deep learning radiomics", "Deep learning\nradiomics")


def _name_sizes(axes: Axes, points: pd.DataFrame) -> None:
    """Tick at the sizes that were tried, with their share of all training patients."""
    sizes = points.drop_duplicates("n_patients")
    step = max(1, math.ceil(len(sizes) / MAX_TICKS))
    shown = sizes.iloc[::-1].iloc[::step]
    labels = [
        f"{count(n)}\n{_percent(share)}"
        for n, share in shown[["n_patients", "share"]].itertuples(index=False)
    ]
    axes.set_xticks(shown["n_patients"], labels, size=7.5)


def _percent(share: float) -> str:
    return "–" if is_missing(share) else f"{number(100 * share, 0)} %"
