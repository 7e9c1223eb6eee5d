"""Decision curves: net benefit against threshold probability.

References
----------
.. [1] Vickers AJ, Elkin EB. Decision curve analysis. Med Decis Making 2006;26:565-574.
   doi:10.1177/0272989X06295361
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from her2.plots import style
from her2.plots.text import arm_title

PREVALENCES, SHORTEST = 2.5, 0.3  # the x axis ends at 2.5 times the prevalence, or at 0.3
REFERENCE_STRATEGIES: dict[str, tuple[str, dict[str, Any]]] = {
    "treat_all": (
        "Treat all",
        style.THRESHOLD_LINE | {"color": style.REFERENCE, "linewidth": 1.3},
    ),
    "treat_none": ("Treat none", {"color": style.INK, "linestyle": "solid", "linewidth": 1.1}),
}


@style.styled
def decision_curve_panels(panels: Mapping[str, pd.DataFrame]) -> Figure:
    """Decision curves of all arms, the roles side by side.

    Parameters
    ----------
    panels
        Panel title -> curves: columns arm (or ``treat_all``, ``treat_none``),
        threshold_probability (0-1) and net_benefit (true positives per patient; NaN leaves a
        gap); optional low and high, the interval of the net benefit, drawn as a band of the last
        arm in the order of the study: bands of all would cover each other.
    """
    width = min(style.PAGE_WIDTH, 4.7 * max(len(panels), 1))
    figure = style.new_figure(width, 4.6)
    all_axes = figure.subplots(1, max(len(panels), 1), squeeze=False)[0]
    for axes, (title, curves) in zip(all_axes, panels.items(), strict=False):
        _draw_curves(axes, curves, title=title)
    return figure


def _draw_curves(axes: Axes, curves: pd.DataFrame, *, title: str) -> None:
    entries: dict[str, Artist] = {}
    arms = style.arms_in_order(curves["arm"])
    references = [name for name in REFERENCE_STRATEGIES if name in arms]
    arms = [arm for arm in arms if arm not in REFERENCE_STRATEGIES]
    banded = _last_with_interval(curves, arms)
    for arm in arms + references:
        points = curves[curves["arm"] == arm]
        label, look = REFERENCE_STRATEGIES.get(arm, (arm_title(arm), style.arm_look(arm)))
        x = points["threshold_probability"]
        (entries[label],) = axes.plot(x, points["net_benefit"], **look)
        if arm == banded:
            limits, colour = (points["low"], points["high"]), look["color"]
            band = style.draw_band(axes, x, *limits, colour=colour, alpha=0.15)
            entries[f"{label}, 95 % CI"] = band
    axes.set(title=title, xlabel="Threshold probability", ylabel="Net benefit per patient")
    axes.set_xlim(0, _right_limit(curves))
    # far below zero nothing is decided any more
    top = curves["net_benefit"].max()
    top = float(top) if pd.notna(top) and top > 0 else 0.1
    axes.set_ylim(-0.25 * top, 1.08 * top)
    style.legend_below(axes, entries, n_columns=2)


def _last_with_interval(curves: pd.DataFrame, arms: Sequence[str]) -> str | None:
    """Last arm, in the order of the study, that has an interval."""
    if not {"low", "high"} <= {*curves}:
        return None
    known = set(curves.loc[curves["low"].notna(), "arm"])
    return next((arm for arm in reversed(arms) if arm in known), None)


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
