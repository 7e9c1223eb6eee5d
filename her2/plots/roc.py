"""ROC curves of the arms with their areas."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import TypeAlias

import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from her2.plots.style import (
    INK,
    LEGEND_DROP,
    MUTED,
    PAGE_WIDTH,
    arm_colour,
    arm_line,
    arms_in_order,
    legend_below,
    styled,
    unit_square,
)
from her2.plots.text import Number, arm_title, interval

LEFT, RIGHT, TOP = 0.62, 0.16, 0.36  # inches around the square of a panel
LEGEND_LINE = 0.2  # inches
MARKERS = ("o", "^", "s", "D", "v", "P")
AucByArm: TypeAlias = Mapping[str, tuple[Number, Number, Number]]


@styled
def roc_figure(curves: pd.DataFrame, auc: AucByArm, *, title: str) -> Figure:
    """ROC curves of all arms in one role.

    Parameters
    ----------
    curves
        Columns arm, false_positive_rate, sensitivity (both in 0-1); one row a point, in order.
    auc
        Arm -> (AUC, low, high) of the 95 % interval; None where not estimable. An arm without
        a curve is still named in the legend.
    title
        Above the axes, for example the role.
    """
    figure, (axes,) = square_panels(1, n_lines=len(auc))
    _draw_roc(axes, curves, auc, title=title)
    return figure


@styled
def roc_panels(
    panels: Mapping[str, tuple[pd.DataFrame, AucByArm]],
    *,
    points: Mapping[str, pd.DataFrame] | None = None,
) -> Figure:
    """ROC curves of several roles side by side.

    Parameters
    ----------
    panels
        Panel title -> (curves, auc) as for `roc_figure`.
    points
        Panel title -> operating points to mark: columns arm, rule, sensitivity and specificity
        (0-1, NaN draws none). A rule has one marker in all panels.

    Examples
    --------
    >>> curve = pd.DataFrame({"arm": "dlr", "false_positive_rate": [0, 1], "sensitivity": [0, 1]})
    >>> point = pd.DataFrame(
    ...     {"arm": ["dlr"], "rule": "Youden", "sensitivity": 0.5, "specificity": 0.5})
    >>> auc = {"dlr": (0.5, 0.4, 0.6)}
    >>> figure = roc_panels({"Test": (curve, auc)}, points={"Test": point})
    >>> figure.axes[0].get_legend().get_texts()[-1].get_text()
    'Youden'
    """
    marked = {title: table for title, table in (points or {}).items() if title in panels}
    rules = list(dict.fromkeys(rule for table in marked.values() for rule in table["rule"]))
    n_lines = max((len(auc) for _, auc in panels.values()), default=0) + len(rules)
    figure, all_axes = square_panels(max(len(panels), 1), n_lines=n_lines)
    for axes, (title, (curves, auc)) in zip(all_axes, panels.items(), strict=False):
        entries = _draw_points(axes, marked.get(title), rules)
        _draw_roc(axes, curves, auc, title=title, entries=entries)
    return figure


def square_panels(n: int, *, n_lines: int) -> tuple[Figure, list[Axes]]:
    """Page with n square axes side by side, each over room for a legend of so many lines.

    Placed by hand: automatic spacing leaves square axes and a legend below them apart or cut.
    """
    panel = min(PAGE_WIDTH / n, PAGE_WIDTH / 2)
    side = panel - LEFT - RIGHT
    width, height = n * panel, TOP + side + LEGEND_DROP + LEGEND_LINE * (n_lines + 1.5)
    figure = Figure(figsize=(width, height))
    places = [
        ((i * panel + LEFT) / width, 1 - (TOP + side) / height, side / width, side / height)
        for i in range(n)
    ]
    return figure, [figure.add_axes(place) for place in places]


def _draw_points(
    axes: Axes, points: pd.DataFrame | None, rules: Sequence[str]
) -> dict[str, Artist]:
    """Mark the operating points on the curves; the legend entry of every rule is grey."""
    entries: dict[str, Artist] = {}
    for rule, marker in zip(rules, itertools.cycle(MARKERS)):
        entries[rule] = Line2D([], [], marker=marker, linestyle="none", color=MUTED, mec=INK)
        chosen = points[points["rule"] == rule] if points is not None else pd.DataFrame()
        for arm in arms_in_order(chosen["arm"]) if len(chosen) else ():
            of_arm = chosen[chosen["arm"] == arm]
            axes.plot(
                1 - of_arm["specificity"],
                of_arm["sensitivity"],
                marker=marker,
                linestyle="none",
                markersize=6,
                color=arm_colour(arm),
                markeredgecolor=INK,
                markeredgewidth=0.8,
                zorder=4,
                clip_on=False,
            )
    return entries


def _draw_roc(
    axes: Axes,
    curves: pd.DataFrame,
    auc: AucByArm,
    *,
    title: str,
    entries: Mapping[str, Artist] | None = None,
) -> None:
    unit_square(axes)
    lines: dict[str, Artist] = {}
    for arm in arms_in_order([*auc, *curves["arm"]]):
        points = curves[curves["arm"] == arm]
        (line,) = axes.plot(
            points["false_positive_rate"],
            points["sensitivity"],
            color=arm_colour(arm),
            linestyle=arm_line(arm),
        )
        lines[f"{arm_title(arm)}:  {interval(*auc.get(arm, (None, None, None)))}"] = line
    axes.set(title=title, xlabel="1 − specificity", ylabel="Sensitivity")
    legend_below(axes, {**lines, **(entries or {})}, title="AUC (95 % CI)")
