"""ROC curves of the arms with their areas."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from her2.plots.style import (
    PAGE_WIDTH,
    arm_colour,
    arm_line,
    arms_in_order,
    legend_below,
    new_figure,
    styled,
    unit_square,
)
from her2.plots.text import Number, arm_title, interval

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
    figure = new_figure(4.7, 4.9 + 0.2 * len(auc))
    _draw_roc(figure.add_subplot(), curves, auc, title=title)
    return figure


@styled
def roc_panels(panels: Mapping[str, tuple[pd.DataFrame, AucByArm]]) -> Figure:
    """ROC curves of several roles side by side.

    Parameters
    ----------
    panels
        Panel title -> (curves, auc) as for `roc_figure`.
    """
    n_arms = max((len(auc) for _, auc in panels.values()), default=0)
    width = min(PAGE_WIDTH, 4.7 * max(len(panels), 1))
    figure = new_figure(width, width / max(len(panels), 1) + 0.2 + 0.2 * n_arms)
    all_axes = figure.subplots(1, max(len(panels), 1), squeeze=False)[0]
    for axes, (title, (curves, auc)) in zip(all_axes, panels.items(), strict=False):
        _draw_roc(axes, curves, auc, title=title)
    return figure


def _draw_roc(axes: Axes, curves: pd.DataFrame, auc: AucByArm, *, title: str) -> None:
    unit_square(axes)
    axes.set_aspect("equal")
    entries: dict[str, Artist] = {}
    for arm in arms_in_order([*auc, *curves["arm"]]):
        points = curves[curves["arm"] == arm]
        (line,) = axes.plot(
            points["false_positive_rate"],
            points["sensitivity"],
            color=arm_colour(arm),
            linestyle=arm_line(arm),
        )
        entries[f"{arm_title(arm)}:  {interval(*auc.get(arm, (None, None, None)))}"] = line
    axes.set(title=title, xlabel="1 − specificity", ylabel="Sensitivity")
    legend_below(axes, entries, title="AUC (95 % CI)")
