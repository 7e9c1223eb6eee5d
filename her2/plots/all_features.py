"""All features at once: counts, univariable p values, correlations, the scanner's effect.

Every count is printed.

References
----------
.. [1] Johnson WE, Li C, Rabinovic A. Adjusting batch effects in microarray expression data using
   empirical Bayes methods. Biostatistics 2007;8:118-127. doi:10.1093/biostatistics/kxj037
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from numpy.typing import ArrayLike, NDArray

from her2.core.errors import BadArgument
from her2.plots import style
from her2.plots.text import NOT_ESTIMABLE, count, signed

ROW = 0.215  # inches of one image type
HEAD, STRIP = 0.95, 0.24  # inches above the rows; height of the stacked bar
BAR_SHARE = 0.6  # of a column: the longest bar; its number stands behind it
NO_FEATURE = "–"
PIE_HEIGHT = 2.9  # inches
FLOOR = -12  # power of ten at which smaller p values are drawn
RASTER_ABOVE = 200  # points of a family
SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
MAX_PRINTED = 10  # features: beyond, a correlation does not fit into its cell
ROUNDING = 1e-6
SCALE = Normalize(-1.0, 1.0)
# steps of a tenth: what the eye can tell apart, in a file of a third of the size
COLOURS = colormaps["PuOr_r"].resampled(21).with_extremes(bad="#d9d9d9")
HARMONISATION_WIDTH = 7.6  # inches
NOT_ADJUSTED = "not adjusted"
GROUP_COLOURS = (
    style.NEGATIVE,
    style.POSITIVE,
    style.OTHER_COLOURS[2],
    style.OTHER_COLOURS[0],
    *style.OTHER_COLOURS[3:],
)
GROUP_MARKERS = ("o", "^", "s", "D", "v", "P", "X")


@style.styled
def feature_counts_figure(counts: pd.DataFrame) -> Figure:
    """Share of every family as one stacked bar, and below it the counts by image type.

    Columns: image_type, family, n (features; a dash where missing). Image types keep their order.
    """
    table = style.required(counts, ["image_type", "family", "n"], name="feature counts")
    grid = table.pivot_table(index="image_type", columns="family", values="n", aggfunc="sum")
    grid = grid.reindex(
        index=list(dict.fromkeys(table["image_type"])),
        columns=style.families_in_order(table["family"]),
    )
    figure, axes = style.page(style.PAGE_WIDTH, HEAD + ROW * len(grid) + 0.1)
    widest = max(style.text_width(str(name), 8.5) for name in grid.index)
    left = 0.25 + max(widest, style.text_width(_total(grid.sum()), 9.0, weight="bold"))
    _draw_shares(axes, grid.sum(), left)
    _draw_rows(axes, grid, left)
    return figure


@style.styled
def feature_shares_figure(counts: pd.DataFrame) -> Figure:
    """Share of every family as a pie, and its count as a bar, of at least one feature."""
    table = style.required(counts, ["image_type", "family", "n"], name="feature counts")
    totals = table.groupby("family")["n"].sum().reindex(style.families_in_order(table["family"]))
    if not totals.sum() > 0:
        raise BadArgument("expected at least one feature to share out, found none")
    colours = [style.family_colour(str(family)) for family in totals.index]
    figure = Figure(figsize=(style.PAGE_WIDTH, PIE_HEIGHT), layout="constrained")
    pie, bars = figure.subplots(1, 2, width_ratios=[0.9, 1])
    pie.pie(
        totals, colors=colours, startangle=90, counterclock=False, radius=1.05,
        wedgeprops={"width": 0.5, "edgecolor": "white", "linewidth": 1.0},
    )  # fmt: skip
    pie.text(0, 0, _total(totals).replace(" ", "\n", 1), ha="center", va="center", weight="bold")
    bars.barh(range(len(totals)), totals, color=colours)
    bars.set(yticks=range(len(totals)), yticklabels=list(totals.index), xlabel="Features")
    bars.invert_yaxis()
    bars.grid(visible=False)
    bars.set_xlim(0, 1.35 * float(totals.max()))
    for y, n in enumerate(totals):
        shown = f" {count(n)} ({100 * n / totals.sum():.1f} %)"
        bars.text(float(n), y, shown, va="center", size=8.5)
    return figure


def _draw_shares(axes: Axes, totals: pd.Series, left: float) -> None:
    """Stacked bar over the columns, and the heading of every column."""
    n_all, start = float(totals.sum()), left
    room = style.PAGE_WIDTH - 0.1 - left
    column = room / len(totals)
    axes.text(0.1, 0.1 + STRIP / 2, _total(totals), va="center", weight="bold")
    for position, (family, n) in enumerate(totals.items()):
        share = float(n) / n_all if n_all else 0.0
        colour = style.family_colour(str(family))
        axes.barh(0.1 + STRIP / 2, share * room, STRIP, left=start, color=colour)
        start += share * room
        x = left + column * position
        axes.text(x, 0.58, str(family), va="center", weight="bold", color=style.INK)
        shown = f"{count(n)} ({100 * share:.1f} %)"
        axes.text(x, 0.76, shown, va="center", size=8, color=style.MUTED)
        axes.barh(0.45, 0.9 * column, 0.05, left=x, color=colour, align="center")


def _total(totals: pd.Series) -> str:
    return f"{count(float(totals.sum()))} features"


def _draw_rows(axes: Axes, grid: pd.DataFrame, left: float) -> None:
    column = (style.PAGE_WIDTH - 0.1 - left) / grid.shape[1]
    scale = BAR_SHARE * column / max(float(grid.max().max()), 1.0)
    for row, (image_type, numbers) in enumerate(grid.iterrows()):
        y = HEAD + ROW * (row + 0.5)
        axes.text(left - 0.12, y, str(image_type), ha="right", va="center", size=8.5)
        for position, (family, n) in enumerate(numbers.items()):
            x = left + column * position
            if pd.isna(n):
                axes.text(x, y, NO_FEATURE, va="center", size=8, color=style.MUTED)
                continue
            axes.barh(y, scale * n, 0.7 * ROW, left=x, color=style.family_colour(str(family)))
            axes.text(x + (scale * n + 0.05), y, count(n), va="center", size=8)


@style.styled
def p_value_figure(
    p_values: pd.DataFrame, *, alpha: float = 0.05, title: str = "p value of every feature"
) -> Figure:
    """Violin and points of the p values of every family, on a log axis, and how many are kept.

    Columns: feature, family, p_value (NaN where a feature has none). Kept are those below alpha.
    """
    table = style.required(p_values, ["feature", "family", "p_value"], name="p values")
    families = style.families_in_order(table["family"])
    figure = style.new_figure(style.PAGE_WIDTH, 3.7)
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
    colour = style.family_colour(family)
    if np.unique(power).size > 3:
        violins = axes.violinplot([power], [position], widths=0.86, showextrema=False)
        for body in violins["bodies"]:  # type: ignore[attr-defined]
            body.set(facecolor=colour, edgecolor=colour, alpha=0.22)
    across = position + 0.5 * (style.spread_out(p.size) - 0.5)
    is_dense = p.size > RASTER_ABOVE
    for chosen, shade in ((p >= alpha, "#b5b5b5"), (p < alpha, colour)):
        x, y = across[chosen], power[chosen]
        axes.scatter(x, y, s=5, color=shade, linewidths=0, rasterized=is_dense)


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
    axes.axhline(np.log10(alpha), **style.THRESHOLD_LINE)
    text, place = f"p = {alpha:g}".replace("0.", "."), axes.get_yaxis_transform()
    axes.text(1.01, np.log10(alpha), text, transform=place, va="center", color=style.MUTED, size=8)
    axes.axhline(0.0, color=style.REFERENCE, linewidth=0.6)


def _power_label(power: int) -> str:
    """Name of a power of ten: ``.01``, and from a ten-thousandth on ``10⁻⁴``."""
    if power == FLOOR:
        return f"≤10{str(power).translate(SUPERSCRIPTS)}"
    if power < -3:
        return f"10{str(power).translate(SUPERSCRIPTS)}"
    return "1" if power == 0 else f".{'0' * (-power - 1)}1"


@style.styled
def correlation_figure(before: ArrayLike, after: ArrayLike, *, limit: float = 0.8) -> Figure:
    """Heat maps of Pearson's r before (p, p) and after (q, q) the filter, with one colour bar.

    NaN is drawn grey; q may be 0. `limit`, the largest correlation left, is marked on the bar.
    """
    first, second = _checked(before, "before"), _checked(after, "after")
    if first.size == 0:
        raise BadArgument(
            "expected at least one feature before the filter, found none; leave the figure out"
        )
    figure = style.new_figure(style.PAGE_WIDTH, 4.3)
    left, right = figure.subplots(1, 2)
    image = _draw_map(left, first, _title("Before", first, limit))
    _draw_map(right, second, _title("After", second, limit))
    if 0 < len(second) <= MAX_PRINTED:
        _print_cells(right, second)
    bar = figure.colorbar(image, ax=(left, right), shrink=0.75, aspect=24, pad=0.02)
    bar.outline.set_visible(False)
    bar.set_ticks([-1.0, -limit, 0.0, limit, 1.0])
    bar.set_ticklabels(["−1", f"−{limit:g}", "0", f"{limit:g}", "1"])
    bar.ax.hlines([-limit, limit], -1, 2, color=style.INK, linewidth=1.0)
    bar.set_label("Pearson's r")
    return figure


def _checked(matrix: ArrayLike, name: str) -> NDArray[np.float64]:
    values = np.asarray(matrix, dtype=np.float64)
    values = values.reshape(0, 0) if values.size == 0 else values
    if values.ndim != 2 or values.shape[0] != values.shape[1]:
        raise BadArgument(
            f"expected {name} of shape (p, p), found {values.shape}; give the square matrix"
        )
    largest = float(np.nanmax(np.abs(values), initial=0.0))
    if largest > 1 + ROUNDING:
        raise BadArgument(
            f"expected correlations from -1 to 1 in {name}, found {largest:g}; give Pearson's r"
        )
    return values


def _title(when: str, matrix: NDArray[np.float64], limit: float) -> str:
    n_features = len(matrix)
    n_pairs = int((np.abs(matrix[np.triu_indices(n_features, 1)]) > limit).sum())
    features = f"{when}: {count(n_features)} feature{'s' * (n_features != 1)}"
    pairs = f"{count(n_pairs)} pair{'s' * (n_pairs != 1)} with |r| > {limit:g}"
    return f"{features}\n{pairs.replace(' 0.', ' .')}"


def _draw_map(axes: Axes, matrix: NDArray[np.float64], title: str) -> AxesImage:
    style.blank(axes)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.set_title(title, size=9.5)
    shown = matrix if matrix.size else np.full((1, 1), np.nan)
    known = np.ma.masked_invalid(shown)
    # "none": a pixel a cell in the SVG, which the viewer enlarges
    image = axes.imshow(known, cmap=COLOURS, norm=SCALE, interpolation="none")
    if not matrix.size:
        style.say_in(axes, "no feature is left")
    return image


def _print_cells(axes: Axes, matrix: NDArray[np.float64]) -> None:
    for row, column in np.argwhere(np.isfinite(matrix)):
        r = float(matrix[row, column])
        text = "1" if row == column else signed(r, 2).replace("0.", ".").lstrip("+")
        colour = "white" if abs(r) > 0.7 else style.INK
        axes.text(column, row, text, ha="center", va="center", size=6.5, color=colour)


@style.styled
def harmonisation_figure(
    before: ArrayLike, after: ArrayLike, groups: Sequence[str | None]
) -> Figure:
    """Lesions (n, 2) on the same two axes before and after, one colour and marker a vendor.

    `groups` names the vendor of each lesion; None: not adjusted.
    """
    first, second = (np.asarray(points, dtype=np.float64) for points in (before, after))
    if first.shape != second.shape or first.shape != (len(groups), 2) or not len(groups):
        raise BadArgument(
            f"expected two points of shape (n, 2) and a group for each lesion, found "
            f"{first.shape}, {second.shape} and {len(groups)} groups"
        )
    names = [NOT_ADJUSTED if group is None else group for group in groups]
    figure = style.new_figure(HARMONISATION_WIDTH, 3.9)
    left, right = figure.subplots(1, 2, sharex=True, sharey=True)
    _draw_points(left, first, names, "Before")
    _draw_points(right, second, names, "After ComBat")
    left.set_ylabel("Second principal component")
    handles, labels = right.get_legend_handles_labels()
    style.legend_below(left, dict(zip(labels, handles, strict=True)), n_columns=2)
    return figure


def _draw_points(
    axes: Axes, points: NDArray[np.float64], names: Sequence[str], title: str
) -> None:
    axes.set_title(title)
    axes.set_xlabel("First principal component")
    known = sorted(set(names) - {NOT_ADJUSTED})
    for i, name in enumerate([*known, *({NOT_ADJUSTED} & set(names))]):
        rows = np.array([other == name for other in names])
        colour = style.MUTED if name == NOT_ADJUSTED else GROUP_COLOURS[i % len(GROUP_COLOURS)]
        axes.scatter(
            points[rows, 0], points[rows, 1], s=16, color=colour, linewidths=0, alpha=0.75,
            marker=GROUP_MARKERS[i % len(GROUP_MARKERS)],
            label=f"{name} ({count(int(rows.sum()))})",
        )  # fmt: skip
