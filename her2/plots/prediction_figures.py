"""Predictions of the patients, how many the threshold calls right, and their calibration.

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
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, MaxNLocator

from her2.plots import style
from her2.plots.arm_curves import square_panels
from her2.plots.text import (
    NOT_ESTIMABLE,
    Number,
    arm_title,
    count,
    is_missing,
    mean_count,
    number,
    role_title,
)

EDGES = np.linspace(0.0, 1.0, 21)  # of the bins of a histogram
HEADROOM = 1.3  # of the highest bar: the threshold is named above the bars
RASTER_ABOVE = 1000  # patients; beyond, one vector line each would make a very large file
CELLS = (("tp", 0, 0), ("fn", 0, 1), ("fp", 1, 0), ("tn", 1, 1))  # (count, row, column)
COLUMN_SLOTS = 5  # matrices that fit beside each other
PANEL_COLUMNS = 3
HANDLE_WIDTH = 2.3  # inches of a legend entry
MEASURE_WIDTH = 46  # characters over a panel
MEASURE_LINE = 10.0  # points of a line of the measures above a panel
Panels = Mapping[str, tuple[pd.DataFrame, Number]]


@style.styled
def prediction_histogram_panels(panels: Panels) -> Figure:
    """Histograms of the predictions by true outcome, positive upwards, with the threshold.

    Predictions have the columns y_true (0/1) and y_prob (0-1), one row a patient; threshold
    None: not estimable.
    """
    figure, all_axes = style.panel_grid(
        len(panels), 3, width=style.PAGE_WIDTH, height=2.2, more=0.35
    )
    for axes, (title, (predictions, threshold)) in zip(all_axes, panels.items(), strict=True):
        axes.set_title(title)
        axes.set_xlabel("Predicted probability")
        _draw_histogram(axes, predictions)
        _draw_threshold(axes, threshold)
    for axes in all_axes[::3]:
        axes.set_ylabel("Patients")
    figure.legend(handles=_outcome_handles(), loc="outside lower center", ncols=2)
    return figure


def _draw_histogram(axes: Axes, predictions: pd.DataFrame) -> None:
    """Draw the counts in twenty equal bins of 0 to 1, one outcome on each side of zero."""
    known = predictions[predictions["y_prob"].notna()]
    axes.set_xlim(-0.01, 1.01)
    axes.axhline(0, color=style.INK, linewidth=0.8)
    if known.empty:
        axes.set(ylim=(-1, 1), yticks=[])
        style.say_in(axes, f"predictions {NOT_ESTIMABLE}")
        return
    highest = 1
    for outcome, sign, colour in ((1, 1, style.POSITIVE), (0, -1, style.NEGATIVE)):
        counts, _ = np.histogram(known.loc[known["y_true"] == outcome, "y_prob"], EDGES)
        axes.stairs(sign * counts, EDGES, fill=True, color=colour, linewidth=0)
        highest = max(highest, int(counts.max()))
    axes.set_ylim(-1.12 * highest, 1.12 * highest)
    axes.yaxis.set_major_locator(MaxNLocator(4, integer=True, symmetric=True))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: count(abs(value))))
    axes.grid(axis="x", visible=False)


def _outcome_handles(positive: str = " (up)", negative: str = " (down)") -> list[Patch]:
    """Legend entries of the two outcomes."""
    return [
        Patch(color=style.POSITIVE, label=f"True outcome positive{positive}"),
        Patch(color=style.NEGATIVE, label=f"True outcome negative{negative}"),
    ]


def _draw_threshold(axes: Axes, threshold: Number) -> None:
    low, high = axes.get_ylim()
    axes.set_ylim(low, HEADROOM * high)
    text, x = f"threshold {number(threshold)}", 1.0
    if threshold is not None and not is_missing(threshold):
        axes.axvline(threshold, **style.THRESHOLD_LINE)
        x = float(threshold)
    is_right = x > 0.5
    axes.annotate(
        text, (x, HEADROOM * high), xytext=(-4 if is_right else 4, -2),
        textcoords="offset points", ha="right" if is_right else "left", va="top", size=8,
        color=style.MUTED,
    )  # fmt: skip


@style.styled
def prediction_panels(panels: Panels) -> Figure:
    """Waterfalls of the predictions in two columns, as given to `prediction_histogram_panels`.

    Bars start at the threshold, or at zero where there is none.
    """
    figure, all_axes = style.panel_grid(
        len(panels), 2, width=style.PAGE_WIDTH, height=2.15, more=0.35
    )
    for axes, (title, (predictions, threshold)) in zip(all_axes, panels.items(), strict=True):
        _draw_waterfall(axes, predictions, threshold, title=title)
    figure.legend(handles=_outcome_handles("", ""), loc="outside lower center", ncols=2)
    return figure


def _draw_waterfall(
    axes: Axes, predictions: pd.DataFrame, threshold: Number, *, title: str
) -> None:
    ordered = predictions.sort_values(["y_prob", "y_true"], kind="stable")
    base = 0.0 if threshold is None or is_missing(threshold) else float(threshold)
    position = np.arange(1, len(ordered) + 1)
    width_points = 72 * 3.6 / max(len(ordered), 1)  # a panel is about 3.6 inches wide inside
    for outcome, colour in ((0, style.NEGATIVE), (1, style.POSITIVE)):
        rows = (ordered["y_true"] == outcome).to_numpy()
        axes.vlines(
            position[rows], base, ordered["y_prob"].to_numpy()[rows], colors=colour,
            linewidth=min(0.8 * width_points, 8.0), rasterized=len(ordered) > RASTER_ABOVE,
        )  # fmt: skip
    axes.axhline(base, color=style.INK, linewidth=0.8)
    axes.set(xlim=(0, len(ordered) + 1), ylim=(0, 1), title=title)
    axes.set(xlabel=f"Patients by probability (n = {count(len(ordered))})", ylabel="Probability")
    axes.set_yticks([0.0, 0.25, 0.5, 0.75, 1.0])
    axes.grid(axis="x", visible=False)
    axes.locator_params(axis="x", integer=True)
    text, place = f"threshold\n{number(threshold)}".replace(" ", "\n"), axes.get_yaxis_transform()
    axes.text(1.015, base, text, transform=place, va="center", size=8, color=style.MUTED)


@style.styled
def confusion_figure(
    arms: Mapping[str, Mapping[str, Any]], *, roles: Sequence[str] = ("out_of_fold", "test")
) -> Figure:
    """Confusion matrices at the training threshold: a row of panels a role, a column an arm.

    arms: those of `results.json`; a role or count that is absent or None is shown as not
    estimable. Shades are shares of the true outcome (row).
    """
    names = style.arms_in_order(arms)
    n_columns = max(len(names), 1)
    width = style.PAGE_WIDTH * max(n_columns, 2) / max(n_columns, COLUMN_SLOTS)
    figure = style.new_figure(width, 2.25 * max(len(roles), 1))
    all_axes = figure.subplots(max(len(roles), 1), n_columns, squeeze=False)
    for row, role in enumerate(roles):
        for column, arm in enumerate(names):
            axes = all_axes[row, column]
            _draw_matrix(axes, arms[arm].get("roles", {}).get(role) or {})
            axes.set_xticks([0, 1], ["positive", "negative"])
            axes.set_yticks([0, 1], ["", ""] if column else ["pos.", "neg."])
            axes.set_xlabel("Predicted")
            if row == 0:
                name = arm_title(arm).replace("learning radiomics", "learning\nradiomics")
                axes.set_title(name, loc="center", weight="normal", size=9.5)
        title = role_title(role).replace(", ", "\n")
        all_axes[row, 0].set_ylabel(f"{title}\n\nTrue outcome" if names else "")
    return figure


def _draw_matrix(axes: Axes, counts: Mapping[str, Any]) -> None:
    axes.set(xlim=(-0.5, 1.5), ylim=(1.5, -0.5), aspect="equal")
    style.blank(axes)
    if any(is_missing(counts.get(name)) for name, _, _ in CELLS):
        axes.text(0.5, 0.5, NOT_ESTIMABLE, ha="center", va="center", color=style.MUTED)
        return
    for name, row, column in CELLS:
        other = {"tp": "fn", "fn": "tp", "fp": "tn", "tn": "fp"}[name]
        n, total = counts[name], counts[name] + counts[other]
        share = n / total if total else 0.0
        ends, shade = [column - 0.48, column + 0.48], colormaps["Blues"](0.05 + 0.75 * share)
        axes.fill_between(ends, row - 0.48, row + 0.48, color=shade, linewidth=0)
        colour = "white" if share > 0.6 else style.INK
        look: dict[str, Any] = {"ha": "center", "va": "center", "color": colour}
        axes.text(column, row - 0.08, mean_count(n), size=12, **look)
        percent = f"{100 * share:.0f} %" if total else "–"
        axes.text(column, row + 0.26, percent, size=8, **look)


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

    Groups have mean_predicted, observed and its interval (0-1; NaN: not estimable) and n
    (patients); curves predicted, observed and its interval (0-1), and kind; predictions y_true
    (0/1) and y_prob (0-1). Measures stand above their panel. Without predictions the strip shows
    the sizes of the groups.
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
    lines = [*text.split("\n"), f"curve {NOT_ESTIMABLE}" if is_missing else ""]
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
    size: dict[str, Any] = {"markersize": 3.5, "elinewidth": 0.8, "capsize": 2.0}
    look = size | {"color": style.INK, "linestyle": "none"}
    if panel.curve is None:
        size = {"markersize": 4.5, "elinewidth": 1, "capsize": 2.5}
        look = size | {"color": style.arm_colour(panel.arm)}
    axes.errorbar(
        groups["mean_predicted"], groups["observed"], yerr=[below, above], marker="o",
        linewidth=1.2, clip_on=False, **look,
    )  # fmt: skip


def _draw_strip(axes: Axes, panel: _Panel) -> None:
    if panel.predictions is not None:
        _draw_histogram(axes, panel.predictions)
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
    """Return the legend of curve, groups and outcomes, where there is more than points."""
    handles: list[Artist] = []
    if any(panel.curve is not None for panel in panels):
        handles += [
            Patch(color=style.MUTED, alpha=0.4, label=f"{_kind(panels)}, 95 % CI"),
            Line2D([], [], color=style.INK, marker="o", markersize=3.5, label="Groups, 95 % CI"),
        ]
    if any(panel.predictions is not None for panel in panels):
        handles += _outcome_handles()
    return handles


def _kind(panels: list[_Panel]) -> str:
    """Return what the curves are: flexible, or the logistic line of few patients."""
    curves = [panel.curve for panel in panels if panel.curve is not None]
    kinds = {kind for curve in curves if "kind" in curve for kind in curve["kind"]}
    titles = {"flexible": "Flexible curve", "logistic": "Logistic line"}
    return " or ".join(titles[k].lower() if i else titles[k] for i, k in enumerate(sorted(kinds)))


@style.styled
def calibration_overlay(
    panels: Mapping[str, pd.DataFrame], *, measures: Mapping[str, Mapping[str, str]] | None = None
) -> Figure:
    """Calibration curves (arm, predicted, observed) of several models, a panel a role.

    Bands would cover each other; the figure of one model has them. Measures, by panel and arm,
    stand beside the arm's name, also of an arm without a curve.

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
