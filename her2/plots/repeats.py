"""Repeated cross-validation: one AUC a repeat, with the mean and its interval."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.transforms import blended_transform_factory

from her2.plots.plotted_tables import required
from her2.plots.style import (
    INK,
    MUTED,
    PAGE_WIDTH,
    REFERENCE,
    arm_colour,
    arms_in_order,
    new_figure,
    styled,
)
from her2.plots.text import arm_title, interval, is_missing

GOLDEN = 0.6180339887498949  # neighbours of this sequence lie far apart: jitter without chance
RASTER_ABOVE = 500  # dots of an arm
ROW = 0.55  # inches of an arm


@styled
def repeats_figure(repeats: pd.DataFrame, summary: pd.DataFrame) -> Figure:
    """One dot for the AUC of every repeat, below it the mean with its interval, by arm.

    Parameters
    ----------
    repeats
        Columns arm, repeat and auc (0-1; NaN draws no dot).
    summary
        Columns arm, auc, auc_low and auc_high, one row an arm; NaN: not estimable.

    Raises
    ------
    BadArgument
        A table is empty or lacks a column.

    Examples
    --------
    >>> repeats = pd.DataFrame({"arm": "dlr", "repeat": [1, 2], "auc": [0.7, 0.8]})
    >>> summary = pd.DataFrame({"arm": ["dlr"], "auc": 0.75, "auc_low": 0.6, "auc_high": 0.9})
    >>> [text.get_text() for text in repeats_figure(repeats, summary).axes[0].texts]
    ['0.750 (0.600–0.900)']
    """
    dots = required(repeats, ["arm", "repeat", "auc"], name="repeats")
    means = required(summary, ["arm", "auc", "auc_low", "auc_high"], name="the summary")
    arms = arms_in_order([*means["arm"], *dots["arm"]])
    figure = new_figure(PAGE_WIDTH, 1.35 + ROW * len(arms))
    axes = figure.add_subplot()
    for row, arm in enumerate(arms):
        _draw_dots(axes, row, dots.loc[dots["arm"] == arm, "auc"], arm)
        _draw_mean(axes, row, means[means["arm"] == arm], arm)
    axes.axvline(0.5, color=REFERENCE, linewidth=1.0, linestyle=(0, (4, 3)), zorder=1)
    axes.set_yticks(range(len(arms)), [arm_title(arm) for arm in arms])
    axes.set(ylim=(len(arms) - 0.4, -0.5), xlabel="AUC (dashed: chance)")
    axes.set_title("Repeated cross-validation")
    axes.grid(axis="y", visible=False)
    axes.tick_params(axis="y", length=0)
    _explain(figure)
    return figure


def _draw_dots(axes: Axes, row: int, auc: pd.Series, arm: str) -> None:
    """Dots above the middle of the row, spread so that equal ones stay apart."""
    known = auc.dropna().to_numpy(dtype=np.float64)
    height = row - 0.12 - 0.26 * ((np.arange(known.size) * GOLDEN) % 1)
    axes.scatter(
        known,
        height,
        s=14,
        color=arm_colour(arm),
        alpha=0.65,
        linewidths=0,
        rasterized=known.size > RASTER_ABOVE,
    )


def _draw_mean(axes: Axes, row: int, summary: pd.DataFrame, arm: str) -> None:
    """Mean and interval below the dots, and both as text at the right."""
    values = summary[["auc", "auc_low", "auc_high"]].to_numpy(dtype=np.float64)
    mean, low, high = values[0] if len(values) else (np.nan,) * 3
    if not is_missing(low) and not is_missing(high):
        axes.plot([low, high], [row + 0.14] * 2, color=arm_colour(arm), linewidth=2.4)
    if not is_missing(mean):
        axes.plot(mean, row + 0.14, "D", markersize=6, color=arm_colour(arm), mec=INK, mew=0.8)
    place = blended_transform_factory(axes.transAxes, axes.transData)
    axes.text(1.015, row, interval(mean, low, high), transform=place, va="center", size=8.5)


def _explain(figure: Figure) -> None:
    """Say once what a dot and a diamond are."""
    dot = Line2D([], [], marker="o", linestyle="none", markersize=4, color=MUTED, alpha=0.65)
    mean = Line2D([], [], marker="D", markersize=6, color=MUTED, mec=INK, mew=0.8, linewidth=2.4)
    figure.legend(
        [dot, mean], ["One repeat", "Mean and 95 % CI"], loc="outside lower center", ncols=2
    )
