"""Waterfall of predictions: every patient's probability above or below the threshold."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.transforms import blended_transform_factory

from her2.plots.style import INK, MUTED, NEGATIVE, PAGE_WIDTH, POSITIVE, new_figure, styled
from her2.plots.text import Number, count, is_missing, number

PANEL_COLUMNS = 2
RASTER_ABOVE = 1000  # patients; beyond, one vector line each would make a very large file


@styled
def prediction_figure(predictions: pd.DataFrame, threshold: Number, *, title: str) -> Figure:
    """Waterfall of the predictions of one arm in one role.

    Parameters
    ----------
    predictions
        Columns y_true (0/1) and y_prob (0-1), one row a patient, in any order.
    threshold
        Threshold from training; bars start there. None: bars start at zero.
    title
        Above the axes, for example arm and role.
    """
    figure = new_figure(4.7, 3.0)
    _draw_waterfall(figure.add_subplot(), predictions, threshold, title=title)
    _add_legend(figure)
    return figure


@styled
def prediction_panels(panels: Mapping[str, tuple[pd.DataFrame, Number]]) -> Figure:
    """Waterfalls in two columns: panel title -> (predictions, threshold)."""
    n_rows = max(1, math.ceil(len(panels) / PANEL_COLUMNS))
    figure = new_figure(PAGE_WIDTH, 2.15 * n_rows + 0.35)
    all_axes = figure.subplots(n_rows, PANEL_COLUMNS, squeeze=False).ravel()
    for axes, (title, (predictions, threshold)) in zip(all_axes, panels.items(), strict=False):
        _draw_waterfall(axes, predictions, threshold, title=title)
    for axes in all_axes[len(panels) :]:
        axes.set_axis_off()
    _add_legend(figure)
    return figure


def _draw_waterfall(
    axes: Axes, predictions: pd.DataFrame, threshold: Number, *, title: str
) -> None:
    ordered = predictions.sort_values(["y_prob", "y_true"], kind="stable")
    base = 0.0 if threshold is None or is_missing(threshold) else float(threshold)
    position = np.arange(1, len(ordered) + 1)
    width_points = 72 * 3.6 / max(len(ordered), 1)  # a panel is about 3.6 inches wide inside
    for outcome, colour in ((0, NEGATIVE), (1, POSITIVE)):
        rows = (ordered["y_true"] == outcome).to_numpy()
        axes.vlines(
            position[rows],
            base,
            ordered["y_prob"].to_numpy()[rows],
            colors=colour,
            linewidth=min(0.8 * width_points, 8.0),
            rasterized=len(ordered) > RASTER_ABOVE,
        )
    axes.axhline(base, color=INK, linewidth=0.8)
    axes.set(xlim=(0, len(ordered) + 1), ylim=(0, 1), title=title)
    axes.set(xlabel=f"Patients by probability (n = {count(len(ordered))})", ylabel="Probability")
    axes.set_yticks([0.0, 0.25, 0.5, 0.75, 1.0])
    axes.grid(axis="x", visible=False)
    axes.locator_params(axis="x", integer=True)
    _name_threshold(axes, threshold, base)


def _name_threshold(axes: Axes, threshold: Number, base: float) -> None:
    """Write the threshold beside the line that the bars start from."""
    text = "threshold\n" + number(threshold).replace(" ", "\n")
    place = blended_transform_factory(axes.transAxes, axes.transData)
    axes.text(1.015, base, text, transform=place, va="center", size=8, color=MUTED)


def _add_legend(figure: Figure) -> None:
    handles = [
        Patch(color=POSITIVE, label="True outcome positive"),
        Patch(color=NEGATIVE, label="True outcome negative"),
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=2)
