"""What is said of single patients: how far their risks move, and prediction sets.

References
----------
.. [1] Riley RD, Collins GS. Stability of clinical prediction models developed using statistical
   or machine learning methods. Biom J 2023;65:2200302. doi:10.1002/bimj.202200302
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from her2.plots import style
from her2.plots.text import arm_title, number, role_title

COLUMNS = 3  # panels side by side
RASTER_ABOVE = 1000  # patients; beyond, one vector line each would make a very large file
ROW = 0.5  # inches of an arm in the figure of prediction sets
OUTCOMES = {"negative": style.NEGATIVE, "positive": style.POSITIVE}


@style.styled
def instability_figure(points: pd.DataFrame, thresholds: dict[str, float]) -> Figure:
    """Instability plots: risks by refits against the original risk, and changes of class below.

    Columns: arm, risk (original), distance, low, high (of the risks by the refits), changed
    (share of the refits), a row a patient. thresholds: by arm.
    """
    columns = ["arm", "risk", "distance", "low", "high", "changed"]
    table = style.required(points, columns, name="the risks by refits")
    arms = style.arms_in_order(table["arm"])
    n_columns = min(COLUMNS, len(arms))
    n_rows = math.ceil(len(arms) / n_columns)
    width = style.PAGE_WIDTH * max(n_columns, 2) / COLUMNS
    figure = style.new_figure(width, 4.5 * n_rows)
    grid = figure.add_gridspec(2 * n_rows, n_columns, height_ratios=[2.6, 1.0] * n_rows)
    for position, arm in enumerate(arms):
        row, column = divmod(position, n_columns)
        axes = figure.add_subplot(grid[2 * row, column])
        below = figure.add_subplot(grid[2 * row + 1, column], sharex=axes)
        _draw_risks(axes, table[table["arm"] == arm], arm)
        _draw_changes(below, table[table["arm"] == arm], arm)
        for each in (axes, below):
            each.axvline(thresholds[arm], **style.THRESHOLD_LINE)
        if column == 0:
            axes.set_ylabel("Risk by refits (95 % range)")
            below.set_ylabel("Class changes")
    return figure


def _draw_risks(axes: Axes, patients: pd.DataFrame, arm: str) -> None:
    style.unit_square(axes)
    axes.set_title(arm_title(arm), size=9.5, pad=18)
    text = f"mean distance {number(patients['distance'].mean())}"
    axes.annotate(
        text, (0, 1), xytext=(0, 4), xycoords="axes fraction", textcoords="offset points",
        va="bottom", size=8, color=style.MUTED,
    )  # fmt: skip
    axes.vlines(
        patients["risk"], patients["low"], patients["high"], colors=style.arm_colour(arm),
        linewidth=1.0, alpha=0.55, rasterized=len(patients) > RASTER_ABOVE,
    )  # fmt: skip
    axes.tick_params(labelbottom=False)


def _draw_changes(axes: Axes, patients: pd.DataFrame, arm: str) -> None:
    axes.plot(
        patients["risk"], patients["changed"], linestyle="none", marker="o", markersize=2.5,
        color=style.arm_colour(arm), alpha=0.7, markeredgewidth=0, clip_on=False,
        rasterized=len(patients) > RASTER_ABOVE,
    )  # fmt: skip
    axes.set(ylim=(0, 1), xlabel="Risk by the model", yticks=[0.0, 0.5, 1.0])


@style.styled
def prediction_sets_figure(table: pd.DataFrame) -> Figure:
    """Coverage of prediction sets by true outcome beside what the sets say, a row a role.

    Columns: role, arm, outcome (negative or positive; others are left out), alpha, covered with
    its interval low and high, abstained and empty (shares, 0-1).
    """
    columns = ["role", "arm", "outcome", "alpha", "covered", "low", "high", "abstained", "empty"]
    rows = style.required(table, columns, name="prediction sets")
    rows = rows[rows["outcome"].isin(list(OUTCOMES))]
    roles, arms = list(dict.fromkeys(rows["role"])), style.arms_in_order(rows["arm"])
    height = (ROW * len(arms) + 0.9) * len(roles) + 0.4
    figure = style.new_figure(style.PAGE_WIDTH, height)
    grid = figure.subplots(len(roles), 2, squeeze=False, sharey=True)
    for (left, right), role in zip(grid, roles, strict=True):
        of_role = rows[rows["role"] == role]
        _draw_coverage(left, of_role, arms, min(0.5, float(rows["low"].min())))
        _draw_shares(right, of_role, arms)
        left.set_title(role_title(role))
        left.set_yticks(range(len(arms)), [arm_title(arm) for arm in arms])
        left.set_ylim(len(arms) - 0.5, -0.5)
    handles = [Patch(color=c, label=f"True outcome {name}") for name, c in OUTCOMES.items()]
    target = f"Target {number(1 - float(rows['alpha'].iloc[0]), 2)}"
    line = Line2D([], [], label=target, **style.THRESHOLD_LINE)
    empty = Patch(facecolor="white", edgecolor=style.MUTED, hatch="////", label="Empty set")
    figure.legend(handles=[*handles, line, empty], loc="outside lower center", ncols=4)
    return figure


def _draw_coverage(axes: Axes, rows: pd.DataFrame, arms: list[str], lowest: float) -> None:
    look: dict[str, Any] = {"marker": "o", "markersize": 4.5, "linestyle": "none", "capsize": 2.5}
    for (outcome, colour), shift in zip(OUTCOMES.items(), (-0.16, 0.16), strict=True):
        of = rows[rows["outcome"] == outcome]
        below, above = of["covered"] - of["low"], of["high"] - of["covered"]
        error = [below.clip(lower=0), above.clip(lower=0)]
        y = [arms.index(arm) + shift for arm in of["arm"]]
        axes.errorbar(of["covered"], y, xerr=error, color=colour, elinewidth=1, **look)
    axes.axvline(1 - float(rows["alpha"].iloc[0]), **style.THRESHOLD_LINE)
    axes.set(xlim=(math.floor(10 * lowest) / 10, 1.01), xlabel="Coverage (95 % CI)")
    style.rows_only(axes)


def _draw_shares(axes: Axes, rows: pd.DataFrame, arms: list[str]) -> None:
    for (outcome, colour), shift in zip(OUTCOMES.items(), (-0.16, 0.16), strict=True):
        of = rows[rows["outcome"] == outcome]
        y = np.array([arms.index(arm) + shift for arm in of["arm"]])
        axes.barh(y, of["abstained"], height=0.28, color=colour)
        axes.barh(
            y, of["empty"], left=of["abstained"], height=0.28, facecolor="white",
            edgecolor=colour, hatch="////", linewidth=0,
        )  # fmt: skip
    axes.set(xlim=(0, 1.01), xlabel="Share with both outcomes in the set")
    style.rows_only(axes)
