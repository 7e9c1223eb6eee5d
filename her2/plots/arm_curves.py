"""ROC curves of the arms, DeLong's comparisons of their areas, and decision curves.

References
----------
.. [1] DeLong ER, DeLong DM, Clarke-Pearson DL. Comparing the areas under two or more correlated
   receiver operating characteristic curves. Biometrics 1988;44:837-845. doi:10.2307/2531595
.. [2] Holm S. A simple sequentially rejective multiple test procedure. Scand J Stat 1979;6:65-70.
.. [3] Vickers AJ, Elkin EB. Decision curve analysis. Med Decis Making 2006;26:565-574.
   doi:10.1177/0272989X06295361
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import pandas as pd
from matplotlib import colormaps
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle

from her2.plots import style
from her2.plots.text import (
    NOT_ESTIMABLE,
    Number,
    arm_title,
    count,
    interval,
    is_missing,
    p_statement,
    role_title,
    signed,
    wrapped,
)

LEFT, RIGHT, TOP = 0.62, 0.16, 0.36  # inches around the square of a panel
LEGEND_LINE = 0.2  # inches
MARKERS = ("o", "^", "s", "D", "v", "P")
ALPHA = 0.05
SHORT = {"deep_learning": "Deep\nlearning", "dlr": "Deep learning\nradiomics"}
MOST_BESIDE = 4  # columns of a map that leaves room for another beside it
MOST_IN_A_ROW = 3  # panels of roles
TICK = 14  # characters of a line of a name below or beside the map
MARGIN, CHARACTER = 1.6, 0.078  # inches beside the map, and of a character
PREVALENCES, SHORTEST = 2.5, 0.3  # the x axis ends at 2.5 times the prevalence, or at 0.3
REFERENCE_STRATEGIES: dict[str, tuple[str, dict[str, Any]]] = {
    "treat_all": (
        "Treat all",
        style.THRESHOLD_LINE | {"color": style.REFERENCE, "linewidth": 1.3},
    ),
    "treat_none": ("Treat none", {"color": style.INK, "linestyle": "solid", "linewidth": 1.1}),
}
AucByArm: TypeAlias = Mapping[str, tuple[Number, Number, Number]]
Comparison: TypeAlias = Mapping[str, Any]


@style.styled
def roc_panels(
    panels: Mapping[str, tuple[pd.DataFrame, AucByArm]],
    *,
    points: Mapping[str, pd.DataFrame] | None = None,
) -> Figure:
    """ROC curves of all arms, the roles side by side.

    Panels have curves (arm, false_positive_rate, sensitivity; one row a point, in order) and the
    AUC with its 95 % interval by arm; an arm without a curve is still named. Operating points
    (arm, rule, sensitivity, specificity) have one marker a rule in all panels.
    """
    marked = {title: table for title, table in (points or {}).items() if title in panels}
    rules = list(dict.fromkeys(rule for table in marked.values() for rule in table["rule"]))
    n_lines = max((len(auc) for _, auc in panels.values()), default=0) + len(rules)
    figure, all_axes = square_panels(max(len(panels), 1), n_lines=n_lines)
    for axes, (title, (curves, auc)) in zip(all_axes, panels.items(), strict=False):
        entries = _draw_points(axes, marked.get(title), rules)
        _draw_roc(axes, curves, auc, entries, title=title)
    return figure


def square_panels(n: int, *, n_lines: int) -> tuple[Figure, list[Axes]]:
    """Page with n square axes in rows, each over room for a legend of so many lines.

    Placed by hand: automatic spacing leaves square axes and a legend below them apart or cut.
    """
    n_columns = _in_a_row(n)
    panel = min(style.PAGE_WIDTH / n_columns, style.PAGE_WIDTH / 2)
    side = panel - LEFT - RIGHT
    row = TOP + side + style.LEGEND_DROP + LEGEND_LINE * (n_lines + 1.5)
    width, height = n_columns * panel, row * math.ceil(n / n_columns)
    figure = Figure(figsize=(width, height))
    places = [
        (
            (i % n_columns * panel + LEFT) / width,
            1 - (i // n_columns * row + TOP + side) / height,
            side / width,
            side / height,
        )
        for i in range(n)
    ]
    return figure, [figure.add_axes(place) for place in places]


def _in_a_row(n: int) -> int:
    """Return how many of n panels stand side by side: all of three, two of more.

    >>> [_in_a_row(n) for n in (1, 3, 4, 7)]
    [1, 3, 2, 2]
    """
    return n if n <= MOST_IN_A_ROW else 2


def _draw_points(
    axes: Axes, points: pd.DataFrame | None, rules: Sequence[str]
) -> dict[str, Artist]:
    """Mark the operating points on the curves; the legend entry of every rule is grey."""
    entries: dict[str, Artist] = {}
    for rule, marker in zip(rules, itertools.cycle(MARKERS)):
        look: dict[str, Any] = {"linestyle": "none", "color": style.MUTED, "mec": style.INK}
        entries[rule] = Line2D([], [], marker=marker, **look)
        chosen = points[points["rule"] == rule] if points is not None else pd.DataFrame()
        for arm in style.arms_in_order(chosen["arm"]) if len(chosen) else ():
            of_arm = chosen[chosen["arm"] == arm]
            axes.plot(
                1 - of_arm["specificity"], of_arm["sensitivity"], marker=marker, linestyle="none",
                markersize=6, color=style.arm_colour(arm), mec=style.INK, mew=0.8, zorder=4,
                clip_on=False,
            )  # fmt: skip
    return entries


def _draw_roc(
    axes: Axes, curves: pd.DataFrame, auc: AucByArm, entries: Mapping[str, Artist], *, title: str
) -> None:
    """Draw the curves; `entries` end the legend."""
    style.unit_square(axes)
    lines: dict[str, Artist] = {}
    for arm in style.arms_in_order([*auc, *curves["arm"]]):
        points = curves[curves["arm"] == arm]
        x, y = points["false_positive_rate"], points["sensitivity"]
        (line,) = axes.plot(x, y, **style.arm_look(arm))
        lines[f"{arm_title(arm)}:  {interval(*auc.get(arm, (None, None, None)))}"] = line
    axes.set(title=title, xlabel="1 − specificity", ylabel="Sensitivity")
    style.legend_below(axes, {**lines, **entries}, title="AUC (95 % CI)")


@style.styled
def comparison_figure(comparisons: Sequence[Comparison]) -> Figure:
    """Differences of AUC between arms (row minus column), one panel a role.

    Comparisons are those of `results.json`; n_looks, where it is there, is named in the title. A
    cell is outlined where the Holm-adjusted p is below .05; None is shown as not estimable.
    """
    roles = list(dict.fromkeys(c["role"] for c in comparisons)) or ["none"]
    n_cells = max(len(_arms(comparisons)) - 1, 1)
    most = 2 if n_cells <= MOST_BESIDE else 1
    n_columns = min(len(roles), most)
    panel = min(1.7 + 0.75 * n_cells, style.PAGE_WIDTH / most)
    figure, all_axes = style.panel_grid(
        len(roles), n_columns, width=panel * n_columns, height=1.6 + 0.62 * n_cells
    )
    known = [abs(c["auc_difference"]) for c in comparisons if not is_missing(c["auc_difference"])]
    limit = 2.6 * max([*known, 0.05])  # ends of the colour map would swallow the text
    scale = Normalize(-limit, limit)
    # characters of a line of a name below a column
    tick = min(TICK, max(6, int((panel - MARGIN) / n_cells / CHARACTER)))
    for axes, role in zip(all_axes, roles, strict=True):
        of_role = [c for c in comparisons if c["role"] == role]
        _draw_map(axes, of_role, scale, tick=tick)
        title = role_title(role) if comparisons else "No comparison was made"
        counts = [c["n_looks"] for c in of_role if not is_missing(c.get("n_looks"))]
        if counts:  # comparisons that the p values were adjusted for
            n = round(max(counts))
            title += f"\nHolm, {count(n)} comparison{'s' * (n != 1)}"
        axes.set_title(title)
    return figure


def _arms(comparisons: Sequence[Comparison]) -> list[str]:
    return style.arms_in_order(name for c in comparisons for name in (c["first"], c["second"]))


def _draw_map(
    axes: Axes, comparisons: Sequence[Comparison], scale: Normalize, *, tick: int
) -> None:
    arms = _arms(comparisons)
    n_cells = max(len(arms) - 1, 1)
    axes.set(xlim=(-0.5, n_cells - 0.5), ylim=(n_cells - 0.5, -0.5))
    style.blank(axes)
    below = [SHORT.get(arm) or wrapped(arm_title(arm), tick) for arm in arms[:-1]]
    beside = [SHORT.get(arm) or wrapped(arm_title(arm), TICK) for arm in arms[1:]]
    axes.set_xticks(range(len(below)), below, size=8)
    axes.set_yticks(range(len(beside)), beside, size=8)
    for comparison in comparisons:
        _draw_cell(axes, arms, comparison, scale)


def _draw_cell(axes: Axes, arms: Sequence[str], comparison: Comparison, scale: Normalize) -> None:
    first, second = arms.index(comparison["first"]), arms.index(comparison["second"])
    sign = 1 if first > second else -1
    row, column = max(first, second) - 1, min(first, second)
    difference, p_holm = comparison["auc_difference"], comparison["p_holm"]
    is_known = not is_missing(difference)
    edge = style.INK if not is_missing(p_holm) and p_holm < ALPHA else "none"
    shade = colormaps["PuOr"](scale(sign * difference)) if is_known else "#f3f3f3"
    corner = (column - 0.47, row - 0.46)
    axes.add_patch(Rectangle(corner, 0.94, 0.92, facecolor=shade, edgecolor=edge, linewidth=1.6))
    text = NOT_ESTIMABLE.replace(" ", "\n")
    if is_known:
        p = p_statement(p_holm).replace(NOT_ESTIMABLE, text)
        text = f"{signed(sign * difference)}\n{p}"
    colour = style.INK if is_known else style.MUTED
    axes.text(column, row, text, ha="center", va="center", size=8, linespacing=1.7, color=colour)


@style.styled
def decision_curve_panels(panels: Mapping[str, pd.DataFrame]) -> Figure:
    """Decision curves of all arms, ``treat_all`` and ``treat_none``, the roles side by side.

    Columns: arm, threshold_probability (0-1), net_benefit (true positives per patient; NaN
    leaves a gap); optional low and high, its interval, drawn as a band of the last arm in the
    order of the study: bands of all would cover each other.
    """
    n = max(len(panels), 1)
    width = min(style.PAGE_WIDTH, 4.7 * _in_a_row(n))
    figure, all_axes = style.panel_grid(n, _in_a_row(n), width=width, height=4.6)
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


@style.styled
def decision_gain_panels(panels: Mapping[str, pd.DataFrame], *, arm: str) -> Figure:
    """Gain of acting on one arm over treating all and over treating nobody, a panel a role.

    Columns: arm, threshold_probability (0-1), net_benefit, low, high (the gain over nobody) and
    over_all, over_all_low, over_all_high, with pointwise 95 % limits drawn as bands.
    """
    n = max(len(panels), 1)
    width = min(style.PAGE_WIDTH, 4.7 * _in_a_row(n))
    figure, all_axes = style.panel_grid(n, _in_a_row(n), width=width, height=4.2)
    for axes, (title, curves) in zip(all_axes, panels.items(), strict=False):
        points, entries = curves[curves["arm"] == arm], {}
        x = points["threshold_probability"]
        for label, names, look in (
            ("over treating all", ("over_all", "over_all_low", "over_all_high"), "dashed"),
            ("over treating none", ("net_benefit", "low", "high"), "solid"),
        ):
            value, low, high = (points[name] for name in names)
            colour = style.REFERENCE if look == "dashed" else style.arm_colour(arm)
            style.draw_band(axes, x, low, high, colour=colour, alpha=0.18)
            (entries[f"Gain {label}, 95 % CI"],) = axes.plot(
                x, value, color=colour, linestyle=look, linewidth=1.6
            )
        axes.axhline(0.0, color=style.INK, linewidth=0.9)
        axes.set(title=title, xlabel="Threshold probability", ylabel="Gain of net benefit")
        axes.set_xlim(0, _right_limit(curves))
        top = points[["net_benefit", "over_all"]].max().min()
        top = max(float(top), 0.05) if pd.notna(top) else 0.1
        axes.set_ylim(-1.0 * top, 2.2 * top)
        style.legend_below(axes, entries, n_columns=1)
    return figure


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
