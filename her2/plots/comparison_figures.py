"""DeLong comparisons of the arms as a triangular map.

References
----------
.. [1] DeLong ER, DeLong DM, Clarke-Pearson DL. Comparing the areas under two or more correlated
   receiver operating characteristic curves. Biometrics 1988;44:837-845. doi:10.2307/2531595
.. [2] Holm S. A simple sequentially rejective multiple test procedure. Scand J Stat 1979;6:65-70.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from her2.plots.style import INK, MUTED, PAGE_WIDTH, arms_in_order, new_figure, styled
from her2.plots.text import (
    NOT_ESTIMABLE,
    arm_title,
    count,
    is_missing,
    p_statement,
    role_title,
    signed,
    wrapped,
)

ALPHA = 0.05
SHORT = {"deep_learning": "Deep\nlearning", "dlr": "Deep learning\nradiomics"}
MOST_BESIDE = 4  # columns of a map that leaves room for another beside it
TICK = 14  # characters of a line of a name below or beside the map
MARGIN, CHARACTER = 1.6, 0.078  # inches beside the map, and of a character
Comparison = Mapping[str, Any]


@styled
def comparison_figure(comparisons: Sequence[Comparison]) -> Figure:
    """Differences of AUC between arms (row minus column), one panel a role.

    Parameters
    ----------
    comparisons
        The `comparisons` of `results.json`: role, first, second, auc_difference (first minus
        second), p_holm and, optional, n_looks (comparisons that Holm's method counted; said
        in the title). A cell is outlined where the Holm-adjusted p is below .05; None is shown
        as not estimable.
    """
    roles = list(dict.fromkeys(c["role"] for c in comparisons)) or ["none"]
    n_cells = max(len(_arms(comparisons)) - 1, 1)
    n_columns = min(len(roles), 2 if n_cells <= MOST_BESIDE else 1)
    panel = min(1.7 + 0.75 * n_cells, PAGE_WIDTH / (2 if n_cells <= MOST_BESIDE else 1))
    n_rows = -(-len(roles) // n_columns)
    figure = new_figure(panel * n_columns, n_rows * (1.6 + 0.62 * n_cells))
    all_axes = figure.subplots(n_rows, n_columns, squeeze=False).ravel()
    scale = _scale(comparisons)
    for axes in all_axes[len(roles) :]:
        axes.set_axis_off()
    for axes, role in zip(all_axes, roles, strict=False):
        of_role = [c for c in comparisons if c["role"] == role]
        _draw_map(axes, of_role, scale, tick=_tick(panel, n_cells))
        axes.set_title(_title(role, of_role) if comparisons else "No comparison was made")
    return figure


def _title(role: str, comparisons: Sequence[Comparison]) -> str:
    """Role, and how many comparisons the p values were adjusted for."""
    looks = [c["n_looks"] for c in comparisons if not is_missing(c.get("n_looks"))]
    if not looks:
        return role_title(role)
    n = round(max(looks))
    return f"{role_title(role)}\nHolm, {count(n)} comparison{'s' * (n != 1)}"


def _arms(comparisons: Sequence[Comparison]) -> list[str]:
    return arms_in_order(name for c in comparisons for name in (c["first"], c["second"]))


def _scale(comparisons: Sequence[Comparison]) -> Normalize:
    values = [abs(c["auc_difference"]) for c in comparisons if not is_missing(c["auc_difference"])]
    limit = max([*values, 0.05])
    return Normalize(-2.6 * limit, 2.6 * limit)  # ends of the colour map would swallow the text


def _tick(width: float, n_cells: int) -> int:
    """Characters of a line of a name below a column of a map that is so many inches wide."""
    return min(TICK, max(6, int((width - MARGIN) / n_cells / CHARACTER)))


def _draw_map(
    axes: Axes, comparisons: Sequence[Comparison], scale: Normalize, *, tick: int
) -> None:
    arms = _arms(comparisons)
    n_cells = max(len(arms) - 1, 1)
    axes.set(xlim=(-0.5, n_cells - 0.5), ylim=(n_cells - 0.5, -0.5))
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)
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
    shade = colormaps["PuOr"](scale(sign * difference)) if is_known else "#f3f3f3"
    is_significant = not is_missing(p_holm) and p_holm < ALPHA
    axes.add_patch(
        Rectangle(
            (column - 0.47, row - 0.46),
            0.94,
            0.92,
            facecolor=shade,
            edgecolor=INK if is_significant else "none",
            linewidth=1.6,
        )
    )
    colour = INK if is_known else MUTED
    text = f"{signed(sign * difference)}\n{p_statement(p_holm)}" if is_known else NOT_ESTIMABLE
    axes.text(
        column,
        row,
        text.replace("not estimable", "not\nestimable"),
        ha="center",
        va="center",
        size=8,
        linespacing=1.7,
        color=colour,
    )
