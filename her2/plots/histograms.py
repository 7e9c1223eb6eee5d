"""Histograms of the predictions by true outcome: positive upwards, negative downwards."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, MaxNLocator

from her2.plots.style import (
    INK,
    MUTED,
    NEGATIVE,
    PAGE_WIDTH,
    POSITIVE,
    new_figure,
    say_in,
    styled,
)
from her2.plots.text import NOT_ESTIMABLE, Number, count, is_missing, number

PANEL_COLUMNS = 3
EDGES = np.linspace(0.0, 1.0, 21)
HEADROOM = 1.3  # of the highest bar: the threshold is named above the bars


@styled
def prediction_histogram_panels(panels: Mapping[str, tuple[pd.DataFrame, Number]]) -> Figure:
    """Histograms of the predictions of every arm, with the threshold.

    Parameters
    ----------
    panels
        Panel title -> (predictions, threshold): predictions with columns y_true (0/1) and
        y_prob (0-1), one row a patient; threshold None: not estimable.

    Examples
    --------
    >>> table = pd.DataFrame({"y_true": [0, 1], "y_prob": [0.2, 0.7]})
    >>> prediction_histogram_panels({"Test": (table, 0.5)}).axes[0].get_title(loc="left")
    'Test'
    """
    n_rows = max(1, math.ceil(len(panels) / PANEL_COLUMNS))
    figure = new_figure(PAGE_WIDTH, 2.2 * n_rows + 0.35)
    all_axes = figure.subplots(n_rows, PANEL_COLUMNS, squeeze=False).ravel()
    for axes, (title, (predictions, threshold)) in zip(all_axes, panels.items(), strict=False):
        axes.set_title(title)
        axes.set_xlabel("Predicted probability")
        draw_histogram(axes, predictions)
        _draw_threshold(axes, threshold)
    for axes in all_axes[::PANEL_COLUMNS]:
        axes.set_ylabel("Patients")
    for axes in all_axes[len(panels) :]:
        axes.set_axis_off()
    figure.legend(handles=outcome_handles(), loc="outside lower center", ncols=2)
    return figure


def draw_histogram(axes: Axes, predictions: pd.DataFrame) -> None:
    """Draw the counts in twenty equal bins, one outcome on each side of zero.

    Parameters
    ----------
    axes
        Where to draw; the x axis becomes 0 to 1.
    predictions
        Columns y_true (0/1) and y_prob (0-1; NaN is not counted).
    """
    known = predictions[predictions["y_prob"].notna()]
    axes.set_xlim(-0.01, 1.01)
    axes.axhline(0, color=INK, linewidth=0.8)
    if known.empty:
        axes.set(ylim=(-1, 1), yticks=[])
        say_in(axes, f"predictions {NOT_ESTIMABLE}")
        return
    highest = 1
    for outcome, sign, colour in ((1, 1, POSITIVE), (0, -1, NEGATIVE)):
        counts, _ = np.histogram(known.loc[known["y_true"] == outcome, "y_prob"], EDGES)
        axes.stairs(sign * counts, EDGES, fill=True, color=colour, linewidth=0)
        highest = max(highest, int(counts.max()))
    _scale_counts(axes, highest)


def _scale_counts(axes: Axes, highest: int) -> None:
    """Write counts without a sign on both sides of zero, at the same scale."""
    axes.set_ylim(-1.12 * highest, 1.12 * highest)
    axes.yaxis.set_major_locator(MaxNLocator(4, integer=True, symmetric=True))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: count(abs(value))))
    axes.grid(axis="x", visible=False)


def outcome_handles() -> list[Patch]:
    """Legend entries of the two outcomes."""
    return [
        Patch(color=POSITIVE, label="True outcome positive (up)"),
        Patch(color=NEGATIVE, label="True outcome negative (down)"),
    ]


def _draw_threshold(axes: Axes, threshold: Number) -> None:
    low, high = axes.get_ylim()
    axes.set_ylim(low, HEADROOM * high)
    text, x = f"threshold {number(threshold)}", 1.0
    if threshold is not None and not is_missing(threshold):
        axes.axvline(threshold, color=INK, linewidth=1.0, linestyle=(0, (4, 2)))
        x = float(threshold)
    is_right = x > 0.5
    axes.annotate(
        text, (x, HEADROOM * high), xytext=(-4 if is_right else 4, -2),
        textcoords="offset points", ha="right" if is_right else "left", va="top", size=8,
        color=MUTED,
    )  # fmt: skip
