"""Cross-validation again and again: the AUC of every repeat, and of ever more patients."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from her2.plots import style
from her2.plots.text import NOT_ESTIMABLE, arm_title, count, interval, is_missing, number

RASTER_ABOVE = 500  # dots of an arm
ROW = 0.55  # inches of an arm
PANEL_COLUMNS = 5
MAX_TICKS = 4
OTHERS = "#d0d0d0"


@style.styled
def repeats_figure(repeats: pd.DataFrame, summary: pd.DataFrame) -> Figure:
    """One dot for the AUC of every repeat, below it the mean with its interval, by arm.

    Parameters
    ----------
    repeats
        Columns arm, repeat and auc (0-1; NaN draws no dot).
    summary
        Columns arm, auc, auc_low and auc_high, one row an arm; NaN: not estimable.
    """
    dots = style.required(repeats, ["arm", "repeat", "auc"], name="repeats")
    means = style.required(summary, ["arm", "auc", "auc_low", "auc_high"], name="the summary")
    arms = style.arms_in_order([*means["arm"], *dots["arm"]])
    figure = style.new_figure(style.PAGE_WIDTH, 1.35 + ROW * len(arms))
    axes = figure.add_subplot()
    for row, arm in enumerate(arms):
        known = dots.loc[dots["arm"] == arm, "auc"].dropna().to_numpy(dtype=np.float64)
        # above the middle of the row, spread so that equal ones stay apart
        heights = row - 0.12 - 0.26 * style.spread_out(known.size)
        axes.scatter(
            known, heights, s=14, color=style.arm_colour(arm), alpha=0.65, linewidths=0,
            rasterized=known.size > RASTER_ABOVE,
        )  # fmt: skip
        _draw_mean(axes, row, means[means["arm"] == arm], arm)
    axes.axvline(0.5, **style.REFERENCE_LINE, zorder=1)
    axes.set_yticks(range(len(arms)), [arm_title(arm) for arm in arms])
    axes.set(ylim=(len(arms) - 0.4, -0.5), xlabel="AUC (dashed: chance)")
    axes.set_title("Repeated cross-validation")
    style.rows_only(axes)
    dot = Line2D([], [], marker="o", linestyle="none", markersize=4, color=style.MUTED, alpha=0.65)
    mean = Line2D(
        [], [], marker="D", markersize=6, color=style.MUTED, mec=style.INK, mew=0.8, linewidth=2.4
    )
    labels = ["One repeat", "Mean and 95 % CI"]
    figure.legend([dot, mean], labels, loc="outside lower center", ncols=2)
    return figure


def _draw_mean(axes: Axes, row: int, summary: pd.DataFrame, arm: str) -> None:
    """Mean and interval below the dots, and both as text at the right."""
    values = summary[["auc", "auc_low", "auc_high"]].to_numpy(dtype=np.float64)
    mean, low, high = values[0] if len(values) else (np.nan,) * 3
    if not is_missing(low) and not is_missing(high):
        axes.plot([low, high], [row + 0.14] * 2, color=style.arm_colour(arm), linewidth=2.4)
    if not is_missing(mean):
        look: dict[str, Any] = {"color": style.arm_colour(arm), "mec": style.INK}
        axes.plot(mean, row + 0.14, "D", markersize=6, mew=0.8, **look)
    text, place = interval(mean, low, high), axes.get_yaxis_transform()
    axes.text(1.015, row, text, transform=place, va="center", size=8.5)


@style.styled
def learning_curve_figure(curve: pd.DataFrame) -> Figure:
    """AUC against the number of training patients; behind each arm the others in grey.

    Parameters
    ----------
    curve
        Columns arm, n_patients (trained on), share (of the training patients, 0-1), auc,
        auc_low and auc_high (NaN leaves a gap).
    """
    columns = ["arm", "n_patients", "share", "auc", "auc_low", "auc_high"]
    table = style.required(curve, columns, name="the learning curve").sort_values("n_patients")
    arms = style.arms_in_order(table["arm"])
    n_columns = min(PANEL_COLUMNS, len(arms))
    width = style.PAGE_WIDTH * max(n_columns, 2) / PANEL_COLUMNS
    figure, all_axes = style.panel_grid(
        len(arms), n_columns, width=width, height=2.75, sharey=True
    )
    for axes, arm in zip(all_axes, arms, strict=True):
        for other in arms:
            if other != arm:
                points = table[table["arm"] == other]
                axes.plot(points["n_patients"], points["auc"], color=OTHERS, linewidth=0.9)
        _draw_arm(axes, table[table["arm"] == arm], arm)
    for axes in all_axes[::n_columns]:
        axes.set_ylabel("AUC (95 % CI)")
    return figure


def _draw_arm(axes: Axes, points: pd.DataFrame, arm: str) -> None:
    axes.axhline(0.5, **style.REFERENCE_LINE, zorder=1)
    title = arm_title(arm).replace("Deep learning radiomics", "Deep learning\nradiomics")
    axes.set_title(title, size=9.5)
    axes.set_xlabel("Training patients")
    if points["auc"].notna().any():
        x, colour = points["n_patients"], style.arm_colour(arm)
        style.draw_band(axes, x, points["auc_low"], points["auc_high"], colour=colour)
        axes.plot(x, points["auc"], color=colour, marker="o", markersize=4)
    else:
        style.say_in(axes, NOT_ESTIMABLE)
    # a tick at the sizes that were tried, with their share of all training patients
    sizes = points.drop_duplicates("n_patients")
    step = max(1, math.ceil(len(sizes) / MAX_TICKS))
    shown = sizes.iloc[::-1].iloc[::step]
    labels = [
        f"{count(n)}\n{'–' if is_missing(share) else f'{number(100 * share, 0)} %'}"
        for n, share in shown[["n_patients", "share"]].itertuples(index=False)
    ]
    axes.set_xticks(shown["n_patients"], labels, size=7.5)
