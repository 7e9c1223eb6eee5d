"""Calibration: observed frequency against predicted probability, one panel an arm.

References
----------
.. [1] Van Calster B, et al. Calibration: the Achilles heel of predictive analytics.
   BMC Med 2019;17:230. doi:10.1186/s12916-019-1466-7
.. [2] Austin PC, Steyerberg EW. The Integrated Calibration Index (ICI) and related metrics for
   quantifying the calibration of logistic regression models. Stat Med 2019;38:4051-4065.
   doi:10.1002/sim.8281
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from her2.plots.histograms import draw_histogram, outcome_handles
from her2.plots.style import (
    INK,
    MUTED,
    PAGE_WIDTH,
    arm_colour,
    arms_in_order,
    new_figure,
    styled,
    unit_square,
)
from her2.plots.text import NOT_ESTIMABLE, arm_title

PANEL_COLUMNS = 3
HANDLE_WIDTH = 2.3  # inches of a legend entry
MEASURE_WIDTH = 46  # characters over a panel
MEASURE_LINE = 10.0  # points of a line of the measures above a panel


@dataclass(frozen=True)
class _Panel:
    """What one arm shows; None: not given."""

    arm: str
    groups: pd.DataFrame
    curve: pd.DataFrame | None
    predictions: pd.DataFrame | None
    measures: str


@styled
def calibration_figure(
    groups: pd.DataFrame,
    *,
    title: str,
    curves: Mapping[str, pd.DataFrame] | None = None,
    predictions: pd.DataFrame | None = None,
    measures: Mapping[str, str] | None = None,
) -> Figure:
    """Calibration plots, one panel an arm, each over a strip of the predictions.

    Parameters
    ----------
    groups
        Columns arm, mean_predicted, observed, low, high (all 0-1; low and high are the interval
        of the observed frequency, NaN where not estimable) and n (patients in the group).
    title
        Above the panels, for example the role.
    curves
        Arm -> flexible calibration curve: columns predicted, observed, low, high (0-1).
    predictions
        Columns arm, y_true (0/1) and y_prob (0-1): the strip shows their histogram by outcome.
        Without them it shows the sizes of the groups.
    measures
        Arm -> text above its panel, for example slope, intercept and calibration index.

    Examples
    --------
    >>> groups = pd.DataFrame({"arm": ["dlr"], "mean_predicted": 0.3, "observed": 0.4,
    ...                        "low": 0.2, "high": 0.6, "n": 20})
    >>> figure = calibration_figure(groups, title="Test", measures={"dlr": "slope 0.90"})
    >>> [text.get_text() for text in figure.axes[0].texts]
    ['slope 0.90']
    """
    panels = _panels(groups, curves or {}, predictions, measures or {})
    n_columns = max(1, min(PANEL_COLUMNS, len(panels)))
    n_rows = max(1, math.ceil(len(panels) / n_columns))
    width = PAGE_WIDTH * n_columns / PANEL_COLUMNS
    handles = _handles(panels)
    n_handles = max(1, int(width / HANDLE_WIDTH))
    figure = new_figure(width, 4.05 * n_rows + 0.3 * (1 + math.ceil(len(handles) / n_handles)))
    figure.suptitle(title, x=0.01, ha="left", weight="bold", size=10)
    grid = figure.add_gridspec(2 * n_rows, n_columns, height_ratios=[4.0, 1.0] * n_rows)
    for position, panel in enumerate(panels):
        row, column = divmod(position, n_columns)
        axes = figure.add_subplot(grid[2 * row, column])
        strip = figure.add_subplot(grid[2 * row + 1, column], sharex=axes)
        _draw_panel(axes, panel, is_first=column == 0)
        _draw_strip(strip, panel, is_first=column == 0)
    if handles:
        figure.legend(handles=handles, loc="outside lower center", ncols=n_handles)
    return figure


def _panels(
    groups: pd.DataFrame,
    curves: Mapping[str, pd.DataFrame],
    predictions: pd.DataFrame | None,
    measures: Mapping[str, str],
) -> list[_Panel]:
    """One panel for every arm that any of the inputs names."""
    named = [] if predictions is None else list(predictions["arm"])
    return [
        _Panel(
            arm,
            groups[groups["arm"] == arm],
            curves.get(arm),
            None if predictions is None else predictions[predictions["arm"] == arm],
            _measures(measures.get(arm, ""), curves.get(arm)),
        )
        for arm in arms_in_order([*groups["arm"], *curves, *named])
    ]


def _measures(text: str, curve: pd.DataFrame | None) -> str:
    """Lines above a panel: the measures, and that there is no curve if there is none."""
    is_missing = curve is not None and not curve["observed"].notna().any()
    lines = [*text.split("\n"), f"flexible curve {NOT_ESTIMABLE}" if is_missing else ""]
    return "\n".join(textwrap.fill(line, MEASURE_WIDTH) for line in lines if line)


def _draw_panel(axes: Axes, panel: _Panel, *, is_first: bool) -> None:
    unit_square(axes)
    if panel.curve is not None:
        _draw_curve(axes, panel.curve, panel.arm)
    _draw_groups(axes, panel)
    axes.tick_params(labelbottom=False)
    n_lines = panel.measures.count("\n") + 1 if panel.measures else 0
    axes.set_title(arm_title(panel.arm), weight="normal", pad=6 + MEASURE_LINE * n_lines)
    if panel.measures:
        axes.annotate(
            panel.measures, (0, 1), xytext=(0, 4), xycoords="axes fraction",
            textcoords="offset points", va="bottom", size=7.5, color=MUTED,
        )  # fmt: skip
    if is_first:
        axes.set_ylabel("Observed frequency (95 % CI)")


def _draw_curve(axes: Axes, curve: pd.DataFrame, arm: str) -> None:
    points = curve.sort_values("predicted")
    colour = arm_colour(arm)
    axes.fill_between(
        points["predicted"], points["low"], points["high"], color=colour, alpha=0.2, linewidth=0
    )
    axes.plot(points["predicted"], points["observed"], color=colour, linewidth=1.9)


def _draw_groups(axes: Axes, panel: _Panel) -> None:
    """Points with their intervals; joined where there is no curve to follow."""
    groups = panel.groups
    if not groups["observed"].notna().any():
        return  # an interval of nothing would spoil the layout
    below = (groups["observed"] - groups["low"]).clip(lower=0).fillna(0)
    above = (groups["high"] - groups["observed"]).clip(lower=0).fillna(0)
    is_joined = panel.curve is None
    axes.errorbar(
        groups["mean_predicted"],
        groups["observed"],
        yerr=[below, above],
        color=arm_colour(panel.arm) if is_joined else INK,
        marker="o",
        markersize=4.5 if is_joined else 3.5,
        linestyle="-" if is_joined else "none",
        linewidth=1.2,
        elinewidth=1.0 if is_joined else 0.8,
        capsize=2.5 if is_joined else 2.0,
        clip_on=False,
    )


def _draw_strip(axes: Axes, panel: _Panel, *, is_first: bool) -> None:
    if panel.predictions is not None:
        draw_histogram(axes, panel.predictions)
        axes.set_xlabel("Predicted probability")
    else:
        _draw_sizes(axes, panel.groups, arm_colour(panel.arm))
        axes.set_xlabel("Mean predicted probability")
    axes.grid(axis="x", visible=False)
    if is_first:
        axes.set_ylabel("Patients")


def _draw_sizes(axes: Axes, groups: pd.DataFrame, colour: str) -> None:
    axes.vlines(groups["mean_predicted"], 0, groups["n"], color=colour, linewidth=4)
    largest = groups["n"].max()
    axes.set_ylim(0, 1.25 * max(float(largest) if pd.notna(largest) else 1.0, 1.0))
    axes.locator_params(axis="y", nbins=2, integer=True)


def _handles(panels: list[_Panel]) -> list[Artist]:
    """Legend of curve, groups and outcomes, where there is more than points to tell apart."""
    handles: list[Artist] = []
    if any(panel.curve is not None for panel in panels):
        handles += [
            Patch(color=MUTED, alpha=0.4, label="Flexible curve, 95 % CI"),
            Line2D([], [], color=INK, marker="o", markersize=3.5, label="Groups, 95 % CI"),
        ]
    if any(panel.predictions is not None for panel in panels):
        handles += outcome_handles()
    return handles
