"""Calibration: observed frequency against predicted probability.

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
from typing import Any

import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from her2.plots import style
from her2.plots.prediction_figures import draw_histogram, outcome_handles
from her2.plots.roc import square_panels
from her2.plots.text import NOT_ESTIMABLE, arm_title

PANEL_COLUMNS = 3
HANDLE_WIDTH = 2.3  # inches of a legend entry
MEASURE_WIDTH = 46  # characters over a panel
MEASURE_LINE = 10.0  # points of a line of the measures above a panel


@dataclass(frozen=True)
class _Panel:
    """The parts of one arm; None: not given."""

    arm: str
    groups: pd.DataFrame
    curve: pd.DataFrame | None
    predictions: pd.DataFrame | None
    measures: str


@style.styled
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
    """
    panels = _panels(groups, curves or {}, predictions, measures or {})
    n_columns = max(1, min(PANEL_COLUMNS, len(panels)))
    n_rows = max(1, math.ceil(len(panels) / n_columns))
    width = style.PAGE_WIDTH * n_columns / PANEL_COLUMNS
    handles = _handles(panels)
    n_handles = max(1, int(width / HANDLE_WIDTH))
    figure = style.new_figure(
        width, 4.05 * n_rows + 0.3 * (1 + math.ceil(len(handles) / n_handles))
    )
    style.head(figure, title)
    grid = figure.add_gridspec(2 * n_rows, n_columns, height_ratios=[4.0, 1.0] * n_rows)
    for position, panel in enumerate(panels):
        row, column = divmod(position, n_columns)
        axes = figure.add_subplot(grid[2 * row, column])
        strip = figure.add_subplot(grid[2 * row + 1, column], sharex=axes)
        _draw_panel(axes, panel)
        _draw_strip(strip, panel)
        if column == 0:
            axes.set_ylabel("Observed frequency (95 % CI)")
            strip.set_ylabel("Patients")
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
        for arm in style.arms_in_order([*groups["arm"], *curves, *named])
    ]


def _measures(text: str, curve: pd.DataFrame | None) -> str:
    """Lines above a panel: the measures, and that there is no curve if there is none."""
    is_missing = curve is not None and not curve["observed"].notna().any()
    lines = [*text.split("\n"), f"flexible curve {NOT_ESTIMABLE}" if is_missing else ""]
    return "\n".join(textwrap.fill(line, MEASURE_WIDTH) for line in lines if line)


def _draw_panel(axes: Axes, panel: _Panel) -> None:
    style.unit_square(axes)
    if panel.curve is not None:
        points, colour = panel.curve.sort_values("predicted"), style.arm_colour(panel.arm)
        style.draw_band(axes, points["predicted"], points["low"], points["high"], colour=colour)
        axes.plot(points["predicted"], points["observed"], color=colour, linewidth=1.9)
    _draw_groups(axes, panel)
    axes.tick_params(labelbottom=False)
    n_lines = panel.measures.count("\n") + 1 if panel.measures else 0
    axes.set_title(arm_title(panel.arm), weight="normal", pad=6 + MEASURE_LINE * n_lines)
    if panel.measures:
        axes.annotate(
            panel.measures, (0, 1), xytext=(0, 4), xycoords="axes fraction",
            textcoords="offset points", va="bottom", size=7.5, color=style.MUTED,
        )  # fmt: skip


def _draw_groups(axes: Axes, panel: _Panel) -> None:
    """Points with their intervals; joined where there is no curve to follow."""
    groups = panel.groups
    if not groups["observed"].notna().any():
        return  # an interval of nothing would spoil the layout
    below = (groups["observed"] - groups["low"]).clip(lower=0).fillna(0)
    above = (groups["high"] - groups["observed"]).clip(lower=0).fillna(0)
    look: dict[str, Any] = {"color": style.INK, "linestyle": "none"}
    look |= {"markersize": 3.5, "elinewidth": 0.8, "capsize": 2.0}
    if panel.curve is None:
        look = {"color": style.arm_colour(panel.arm)}
        look |= {"markersize": 4.5, "elinewidth": 1, "capsize": 2.5}
    axes.errorbar(
        groups["mean_predicted"], groups["observed"], yerr=[below, above], marker="o",
        linewidth=1.2, clip_on=False, **look,
    )  # fmt: skip


def _draw_strip(axes: Axes, panel: _Panel) -> None:
    if panel.predictions is not None:
        draw_histogram(axes, panel.predictions)
        axes.set_xlabel("Predicted probability")
    else:
        groups = panel.groups
        x, colour = groups["mean_predicted"], style.arm_colour(panel.arm)
        axes.vlines(x, 0, groups["n"], color=colour, linewidth=4)
        largest = groups["n"].max()
        axes.set_ylim(0, 1.25 * max(float(largest) if pd.notna(largest) else 1.0, 1.0))
        axes.locator_params(axis="y", nbins=2, integer=True)
        axes.set_xlabel("Mean predicted probability")
    axes.grid(axis="x", visible=False)


def _handles(panels: list[_Panel]) -> list[Artist]:
    """Legend of curve, groups and outcomes, where there is more than points to tell apart."""
    handles: list[Artist] = []
    if any(panel.curve is not None for panel in panels):
        handles += [
            Patch(color=style.MUTED, alpha=0.4, label="Flexible curve, 95 % CI"),
            Line2D([], [], color=style.INK, marker="o", markersize=3.5, label="Groups, 95 % CI"),
        ]
    if any(panel.predictions is not None for panel in panels):
        handles += outcome_handles()
    return handles


@style.styled
def calibration_overlay(
    panels: Mapping[str, pd.DataFrame], *, measures: Mapping[str, Mapping[str, str]] | None = None
) -> Figure:
    """Flexible calibration curves of several models in one square, one panel a role.

    Bands would cover each other; the figure of one model has them.

    Parameters
    ----------
    panels
        Panel title -> curves: columns arm, predicted and observed (0-1).
    measures
        Panel title -> arm -> text beside its name, for example the slope. An arm without a
        curve is still named.

    Examples
    --------
    >>> curve = pd.DataFrame({"arm": "vgg19", "predicted": [0.2, 0.8], "observed": [0.3, 0.7]})
    >>> figure = calibration_overlay({"Test": curve}, measures={"Test": {"vgg19": "slope 0.9"}})
    >>> figure.axes[0].get_legend().get_texts()[0].get_text()
    'vgg19:  slope 0.9'
    """
    texts = measures or {}
    named = {
        title: style.arms_in_order([*texts.get(title, {}), *curves.get("arm", ())])
        for title, curves in panels.items()
    }
    n_lines = max(map(len, named.values()), default=0)
    figure, all_axes = square_panels(max(len(panels), 1), n_lines=n_lines)
    for axes, (title, curves) in zip(all_axes, panels.items(), strict=False):
        style.unit_square(axes)
        lines: dict[str, Artist] = {}
        for arm in named[title]:
            known = pd.DataFrame({"arm": [], "predicted": [], "observed": []})
            known = (curves if "arm" in curves else known).query("arm == @arm")
            known = known.sort_values("predicted")
            (line,) = axes.plot(known["predicted"], known["observed"], **style.arm_look(arm))
            measure = texts.get(title, {}).get(arm) or ("" if len(known) else NOT_ESTIMABLE)
            lines[f"{arm_title(arm)}:  {measure}" if measure else arm_title(arm)] = line
        axes.set(title=title, xlabel="Predicted probability", ylabel="Observed frequency")
        style.legend_below(axes, lines, title="Calibration")
    return figure
