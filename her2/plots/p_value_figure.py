"""P values of the univariable filter, by feature family."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.transforms import blended_transform_factory
from numpy.typing import NDArray

from her2.plots.plotted_tables import required
from her2.plots.style import (
    INK,
    MUTED,
    PAGE_WIDTH,
    REFERENCE,
    families_in_order,
    family_colour,
    new_figure,
    styled,
)
from her2.plots.text import NOT_ESTIMABLE, count

FLOOR = -12  # power of ten at which smaller p values are drawn
RASTER_ABOVE = 200  # points of a family
GOLDEN = 0.6180339887498949  # neighbours of this sequence lie far apart: jitter without chance
SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


@styled
def p_value_figure(
    p_values: pd.DataFrame, *, alpha: float = 0.05, title: str = "p value of every feature"
) -> Figure:
    r"""Violin and points of the p values of every family, on a log axis, and how many are kept.

    Parameters
    ----------
    p_values
        Columns feature, family and p_value (0-1, NaN where a feature has none).
    alpha
        Level below which a feature is kept; drawn as a line.
    title
        Above the axes, for example with the arm and the test.

    Raises
    ------
    BadArgument
        The table is empty or lacks a column.

    Examples
    --------
    >>> table = pd.DataFrame({"feature": ["a", "b"], "family": "glcm", "p_value": [0.01, 0.6]})
    >>> figure = p_value_figure(table)
    >>> figure.axes[0].get_xticklabels()[0].get_text()
    'glcm\nkept 1 of 2'
    """
    table = required(p_values, ["feature", "family", "p_value"], name="p values")
    families = families_in_order(table["family"])
    figure = new_figure(PAGE_WIDTH, 3.7)
    axes = figure.add_subplot()
    labels = []
    for position, family in enumerate(families):
        p = table.loc[table["family"] == family, "p_value"].to_numpy(dtype=np.float64)
        _draw_family(axes, position, p[np.isfinite(p)], family, alpha)
        labels.append("\n".join([family, *_kept(p, alpha)]))
    axes.set_xticks(range(len(families)), labels)
    axes.set_xlim(-0.6, len(families) - 0.4)
    every_p = table["p_value"].to_numpy(dtype=np.float64)
    _scale_axis(axes, every_p, alpha)
    axes.set_title(f"{title}: {', '.join(_kept(every_p, alpha))}")
    return figure


def _kept(p: NDArray[np.float64], alpha: float) -> list[str]:
    """How many of these features are kept, and how many have no p value: a line each."""
    n_without = int((~np.isfinite(p)).sum())
    if n_without == p.size:
        return [f"p {NOT_ESTIMABLE}"]
    kept = [f"kept {count(int((p < alpha).sum()))} of {count(p.size)}"]
    return [*kept, f"{count(n_without)} without p"] if n_without else kept


def _draw_family(
    axes: Axes, position: int, p: NDArray[np.float64], family: str, alpha: float
) -> None:
    """Violin, then the points: those that are kept in the colour of the family."""
    power = _powers(p)
    colour = family_colour(family)
    if np.unique(power).size > 3:
        violins = axes.violinplot([power], [position], widths=0.86, showextrema=False)
        for body in violins["bodies"]:  # type: ignore[attr-defined]
            body.set(facecolor=colour, edgecolor=colour, alpha=0.22)
    across = position + 0.5 * ((np.arange(p.size) * GOLDEN) % 1 - 0.5)
    for chosen, look in ((p >= alpha, "#b5b5b5"), (p < alpha, colour)):
        axes.scatter(
            across[chosen],
            power[chosen],
            s=5,
            color=look,
            linewidths=0,
            rasterized=p.size > RASTER_ABOVE,
        )


def _powers(p: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.log10(np.clip(p, 10.0**FLOOR, None))


def _scale_axis(axes: Axes, p: NDArray[np.float64], alpha: float) -> None:
    """Label powers of ten as numbers, and draw the level."""
    powers = _powers(np.r_[p[np.isfinite(p)], alpha])
    lowest = int(np.floor(powers.min()))
    ticks = np.arange(0, lowest - 1, -max(1, -lowest // 6))
    axes.set_yticks(ticks, [_power_label(int(tick)) for tick in ticks])
    axes.set_ylim(lowest - 0.15, 0.15)
    axes.set_ylabel("p value (log axis)")
    axes.grid(axis="x", visible=False)
    axes.axhline(np.log10(alpha), color=INK, linewidth=1.0, linestyle=(0, (4, 2)))
    place = blended_transform_factory(axes.transAxes, axes.transData)
    text = f"p = {alpha:g}".replace("0.", ".")
    axes.text(1.01, np.log10(alpha), text, transform=place, va="center", color=MUTED, size=8)
    axes.axhline(0.0, color=REFERENCE, linewidth=0.6)


def _power_label(power: int) -> str:
    """Name of a power of ten: ``.01``, and from a ten-thousandth on ``10⁻⁴``."""
    if power == FLOOR:
        return f"≤10{str(power).translate(SUPERSCRIPTS)}"
    if power < -3:
        return f"10{str(power).translate(SUPERSCRIPTS)}"
    return "1" if power == 0 else f".{'0' * (-power - 1)}1"
