"""Predictions of the patients, and how many of them the threshold calls right."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, MaxNLocator

from her2.plots import style
from her2.plots.text import NOT_ESTIMABLE, Number, arm_title, count, is_missing, number, role_title

EDGES = np.linspace(0.0, 1.0, 21)  # of the bins of a histogram
HEADROOM = 1.3  # of the highest bar: the threshold is named above the bars
RASTER_ABOVE = 1000  # patients; beyond, one vector line each would make a very large file
CELLS = (("tp", 0, 0), ("fn", 0, 1), ("fp", 1, 0), ("tn", 1, 1))  # (count, row, column)
COLUMN_SLOTS = 5  # matrices that fit beside each other
Panels = Mapping[str, tuple[pd.DataFrame, Number]]


@style.styled
def prediction_histogram_panels(panels: Panels) -> Figure:
    """Histograms of the predictions by true outcome, positive upwards, with the threshold.

    Parameters
    ----------
    panels
        Panel title -> (predictions, threshold): predictions with columns y_true (0/1) and
        y_prob (0-1), one row a patient; threshold None: not estimable.
    """
    figure, all_axes = style.panel_grid(
        len(panels), 3, width=style.PAGE_WIDTH, height=2.2, more=0.35
    )
    for axes, (title, (predictions, threshold)) in zip(all_axes, panels.items(), strict=True):
        axes.set_title(title)
        axes.set_xlabel("Predicted probability")
        draw_histogram(axes, predictions)
        _draw_threshold(axes, threshold)
    for axes in all_axes[::3]:
        axes.set_ylabel("Patients")
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


def outcome_handles(positive: str = " (up)", negative: str = " (down)") -> list[Patch]:
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
    figure.legend(handles=outcome_handles("", ""), loc="outside lower center", ncols=2)
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

    Parameters
    ----------
    arms
        The `arms` of `results.json`: arm -> ``{"roles": {role: {threshold, tp, fp, tn, fn}}}``.
        A role or count that is absent or None is shown as not estimable.
    roles
        Which roles, top to bottom. Shades are shares of the true outcome (row).
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
        axes.text(column, row - 0.08, str(n), size=12, **look)
        percent = f"{100 * share:.0f} %" if total else "–"
        axes.text(column, row + 0.26, percent, size=8, **look)
