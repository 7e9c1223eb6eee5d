"""Calibration: observed frequency against mean predicted probability, one panel an arm.

References
----------
.. [1] Van Calster B, et al. Calibration: the Achilles heel of predictive analytics.
   BMC Med 2019;17:230. doi:10.1186/s12916-019-1466-7
"""

from __future__ import annotations

import math

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from her2.plots.style import PAGE_WIDTH, arm_colour, arms_in_order, new_figure, styled, unit_square
from her2.plots.text import arm_title

PANEL_COLUMNS = 3


@styled
def calibration_figure(groups: pd.DataFrame, *, title: str) -> Figure:
    """Calibration plots, one panel an arm, each over a strip of group sizes.

    Parameters
    ----------
    groups
        Columns arm, mean_predicted, observed, low, high (all 0-1; low and high are the interval
        of the observed frequency, NaN where not estimable) and n (patients in the group).
    title
        Above the panels, for example the role.
    """
    arms = arms_in_order(groups["arm"])
    n_columns = max(1, min(PANEL_COLUMNS, len(arms)))
    n_rows = max(1, math.ceil(len(arms) / n_columns))
    width = PAGE_WIDTH * n_columns / PANEL_COLUMNS
    figure = new_figure(width, 4.05 * n_rows + 0.3)
    figure.suptitle(title, x=0.01, ha="left", weight="bold", size=10)
    grid = figure.add_gridspec(2 * n_rows, n_columns, height_ratios=[4.0, 1.0] * n_rows)
    for position, arm in enumerate(arms):
        row, column = divmod(position, n_columns)
        panel = figure.add_subplot(grid[2 * row, column])
        strip = figure.add_subplot(grid[2 * row + 1, column], sharex=panel)
        _draw_panel(panel, groups[groups["arm"] == arm], arm, is_first=column == 0)
        _draw_strip(strip, groups[groups["arm"] == arm], arm, is_first=column == 0)
    return figure


def _draw_panel(axes: Axes, groups: pd.DataFrame, arm: str, *, is_first: bool) -> None:
    unit_square(axes)
    below = (groups["observed"] - groups["low"]).clip(lower=0).fillna(0)
    above = (groups["high"] - groups["observed"]).clip(lower=0).fillna(0)
    axes.errorbar(
        groups["mean_predicted"],
        groups["observed"],
        yerr=[below, above],
        color=arm_colour(arm),
        marker="o",
        markersize=4.5,
        linewidth=1.2,
        elinewidth=1.0,
        capsize=2.5,
        clip_on=False,
    )
    axes.tick_params(labelbottom=False)
    axes.set_title(arm_title(arm), weight="normal")
    if is_first:
        axes.set_ylabel("Observed frequency (95 % CI)")


def _draw_strip(axes: Axes, groups: pd.DataFrame, arm: str, *, is_first: bool) -> None:
    axes.vlines(groups["mean_predicted"], 0, groups["n"], color=arm_colour(arm), linewidth=4)
    axes.set_ylim(0, 1.25 * max(float(groups["n"].max()), 1.0))
    axes.set_xlabel("Mean predicted probability")
    axes.locator_params(axis="y", nbins=2, integer=True)
    axes.grid(axis="x", visible=False)
    if is_first:
        axes.set_ylabel("Patients")
