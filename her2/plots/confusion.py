"""Confusion counts of every arm at its training threshold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from her2.plots.style import INK, MUTED, PAGE_WIDTH, arms_in_order, new_figure, styled
from her2.plots.text import NOT_ESTIMABLE, arm_title, is_missing, role_title

CELLS = (("tp", 0, 0), ("fn", 0, 1), ("fp", 1, 0), ("tn", 1, 1))  # (count, row, column)
COLUMN_SLOTS = 5


@styled
def confusion_figure(
    arms: Mapping[str, Mapping[str, Any]], *, roles: Sequence[str] = ("out_of_fold", "test")
) -> Figure:
    """Confusion matrices: one row of panels a role, one column an arm.

    Parameters
    ----------
    arms
        The `arms` of `results.json`: arm -> ``{"roles": {role: {threshold, tp, fp, tn, fn}}}``.
        A role or count that is absent or None is shown as not estimable.
    roles
        Which roles, top to bottom. Shades are shares of the true outcome (row).
    """
    names = arms_in_order(arms)
    n_columns = max(len(names), 1)
    width = PAGE_WIDTH * max(n_columns, 2) / max(n_columns, COLUMN_SLOTS)
    figure = new_figure(width, 2.25 * max(len(roles), 1))
    all_axes = figure.subplots(max(len(roles), 1), n_columns, squeeze=False)
    for row, role in enumerate(roles):
        for column, arm in enumerate(names):
            axes = all_axes[row, column]
            _draw_matrix(axes, arms[arm].get("roles", {}).get(role) or {})
            _label(axes, arm, role, is_top=row == 0, is_first=column == 0)
    return figure


def _draw_matrix(axes: Axes, counts: Mapping[str, Any]) -> None:
    axes.set(xlim=(-0.5, 1.5), ylim=(1.5, -0.5), aspect="equal")
    axes.grid(visible=False)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    if any(is_missing(counts.get(name)) for name, _, _ in CELLS):
        axes.text(0.5, 0.5, NOT_ESTIMABLE, ha="center", va="center", color=MUTED)
        return
    for name, row, column in CELLS:
        other = {"tp": "fn", "fn": "tp", "fp": "tn", "tn": "fp"}[name]
        _draw_cell(axes, row, column, counts[name], counts[name] + counts[other])


def _draw_cell(axes: Axes, row: int, column: int, n: int, row_total: int) -> None:
    share = n / row_total if row_total else 0.0
    shade = colormaps["Blues"](0.05 + 0.75 * share)
    axes.fill_between(
        [column - 0.48, column + 0.48], row - 0.48, row + 0.48, color=shade, linewidth=0
    )
    colour = "white" if share > 0.6 else INK
    percent = f"{100 * share:.0f} %" if row_total else "–"
    axes.text(column, row - 0.08, str(n), ha="center", va="center", size=12, color=colour)
    axes.text(column, row + 0.26, percent, ha="center", va="center", size=8, color=colour)


def _label(axes: Axes, arm: str, role: str, *, is_top: bool, is_first: bool) -> None:
    axes.set_xticks([0, 1], ["positive", "negative"])
    axes.set_yticks([0, 1], ["pos.", "neg."] if is_first else ["", ""])
    axes.set_xlabel("Predicted")
    if is_top:
        title = arm_title(arm).replace("Deep learning radiomics", "Deep learning\nradiomics")
        axes.set_title(title, loc="center", weight="normal", size=9.5)
    if is_first:
        axes.set_ylabel(f"{role_title(role).replace(', ', chr(10))}\n\nTrue outcome")
