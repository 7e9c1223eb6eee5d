"""Decision curves: net benefit against threshold probability.

References
----------
.. [1] Vickers AJ, Elkin EB. Decision curve analysis. Med Decis Making 2006;26:565-574.
   doi:10.1177/0272989X06295361
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from her2.plots.style import (
    INK,
    PAGE_WIDTH,
    REFERENCE,
    arm_colour,
    arm_line,
    arms_in_order,
    legend_below,
    new_figure,
    styled,
)
from her2.plots.text import arm_title

PREVALENCES, SHORTEST = 2.5, 0.3  # the x axis ends at 2.5 times the prevalence, or at 0.3
REFERENCE_STRATEGIES: dict[str, tuple[str, dict[str, Any]]] = {
    "treat_all": ("Treat all", {"color": REFERENCE, "linestyle": (0, (4, 2)), "linewidth": 1.3}),
    "treat_none": ("Treat none", {"color": INK, "linestyle": "solid", "linewidth": 1.1}),
}


@styled
def decision_curve_figure(curves: pd.DataFrame, *, title: str) -> Figure:
    """Decision curves of all arms in one role.

    Parameters
    ----------
    curves
        Columns arm (or ``treat_all``, ``treat_none``), threshold_probability (0-1) and
        net_benefit (true positives per patient; NaN leaves a gap); optional low and high, the
        interval of the net benefit, drawn as a band of the last arm in the order of the study:
        bands of all would cover each other.
    title
        Above the axes, for example the role.
    """
    figure = new_figure(4.7, 4.6)
    _draw_curves(figure.add_subplot(), curves, title=title)
    return figure


@styled
def decision_curve_panels(panels: Mapping[str, pd.DataFrame]) -> Figure:
    """Decision curves of several roles side by side: panel title -> curves."""
    width = min(PAGE_WIDTH, 4.7 * max(len(panels), 1))
    figure = new_figure(width, 4.6)
    all_axes = figure.subplots(1, max(len(panels), 1), squeeze=False)[0]
    for axes, (title, curves) in zip(all_axes, panels.items(), strict=False):
        _draw_curves(axes, curves, title=title)
    return figure


def _draw_curves(axes: Axes, curves: pd.DataFrame, *, title: str) -> None:
    entries: dict[str, Artist] = {}
    banded = _arm_with_band(curves)
    for arm in _arms_before_references(curves):
        points = curves[curves["arm"] == arm]
        label, look = _look(arm)
        (line,) = axes.plot(points["threshold_probability"], points["net_benefit"], **look)
        entries[label] = line
        if arm == banded:
            band = _draw_band(axes, points, look["color"])
            entries[f"{label}, 95 % CI"] = band
    axes.set(title=title, xlabel="Threshold probability", ylabel="Net benefit per patient")
    axes.set_xlim(0, _right_limit(curves))
    axes.set_ylim(*_benefit_limits(curves))
    legend_below(axes, entries, n_columns=2)


def _arm_with_band(curves: pd.DataFrame) -> str | None:
    """Return the last arm of the study that has an interval."""
    if not {"low", "high"} <= set(curves.columns):
        return None
    known = curves[curves["low"].notna() & ~curves["arm"].isin(REFERENCE_STRATEGIES)]
    return arms_in_order(known["arm"])[-1] if len(known) else None


def _draw_band(axes: Axes, points: pd.DataFrame, colour: str) -> Artist:
    x = points["threshold_probability"]
    return axes.fill_between(
        x, points["low"], points["high"], color=colour, alpha=0.15, linewidth=0
    )


def _arms_before_references(curves: pd.DataFrame) -> list[str]:
    arms = arms_in_order(curves["arm"])
    references = [name for name in REFERENCE_STRATEGIES if name in arms]
    return [arm for arm in arms if arm not in REFERENCE_STRATEGIES] + references


def _look(arm: str) -> tuple[str, dict[str, Any]]:
    if arm in REFERENCE_STRATEGIES:
        return REFERENCE_STRATEGIES[arm]
    return arm_title(arm), {"color": arm_colour(arm), "linestyle": arm_line(arm)}


def _right_limit(curves: pd.DataFrame) -> float:
    """End of the range of thresholds that anybody would decide by, in tenths.

    Treating everybody is worth something up to the prevalence, so its curve tells it; at some
    multiple of it a handful of patients decides, and the curves are noise.
    """
    largest = curves["threshold_probability"].max()
    if pd.isna(largest) or largest <= 0:
        return 1.0
    treat_all = curves[curves["arm"].eq("treat_all") & curves["net_benefit"].gt(0)]
    prevalence = treat_all["threshold_probability"].max()
    if pd.notna(prevalence):
        largest = min(float(largest), max(PREVALENCES * float(prevalence), SHORTEST))
    return math.ceil(round(10 * float(largest), 6)) / 10


def _benefit_limits(curves: pd.DataFrame) -> tuple[float, float]:
    """Limits that show every useful net benefit: far below zero nothing is decided any more."""
    top = curves["net_benefit"].max()
    top = float(top) if pd.notna(top) and top > 0 else 0.1
    return -0.25 * top, 1.08 * top
