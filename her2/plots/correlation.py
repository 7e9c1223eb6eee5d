"""All features at once: their correlations around the filter, and the scanner's effect on them.

References
----------
.. [1] Johnson WE, Li C, Rabinovic A. Adjusting batch effects in microarray expression data using
   empirical Bayes methods. Biostatistics 2007;8:118-127. doi:10.1093/biostatistics/kxj037
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from numpy.typing import ArrayLike, NDArray

from her2.core.errors import BadArgument
from her2.plots import style
from her2.plots.text import count, feature_title, signed

MAX_NAMES = 30
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
def correlation_figure(
    before: ArrayLike, after: ArrayLike, *, limit: float = 0.8, names: Sequence[str] | None = None
) -> Figure:
    """Heat maps of Pearson's r before (p, p) and after (q, q) the filter, with one colour bar.

    NaN is drawn grey; q may be 0. The names of the features that are left are shown where there
    are at most 30; `limit`, the largest correlation left, is marked on the colour bar.
    """
    first, second = _checked(before, "before"), _checked(after, "after")
    if first.size == 0:
        raise BadArgument(
            "expected at least one feature before the filter, found none; leave the figure out"
        )
    if names is not None and len(names) != len(second):
        raise BadArgument(
            f"expected a name for each of the {len(second)} features after the filter, "
            f"found {len(names)}; give the names in the order of the matrix"
        )
    shows_names = names is not None and 0 < len(names) <= MAX_NAMES
    figure = style.new_figure(style.PAGE_WIDTH, 3.7 if shows_names else 4.3)
    left, right = figure.subplots(1, 2)
    image = _draw_map(left, first, _title("Before", first, limit))
    _draw_map(right, second, _title("After", second, limit))
    if names is not None and shows_names:
        _name_features(right, names)
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


def _name_features(axes: Axes, names: Sequence[str]) -> None:
    """Write numbers on both axes, and the names beside the rows."""
    size = 7.5 if len(names) <= 20 else 6.5
    numbers = [str(number) for number in range(1, len(names) + 1)]
    titles = [f"{feature_title(n, 40)}  {i}" for n, i in zip(names, numbers, strict=True)]
    axes.set_yticks(range(len(names)), titles, size=size)
    step = 1 if len(names) <= 20 else 2  # two digits fill a narrow column
    axes.set_xticks(range(0, len(names), step), numbers[::step], size=size)


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
