"""Correlation of the features before and after the redundant ones were removed."""

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
from her2.plots.style import INK, PAGE_WIDTH, blank, new_figure, say_in, styled
from her2.plots.text import count, feature_title, signed

MAX_NAMES = 30
MAX_PRINTED = 10  # features: beyond, a correlation does not fit into its cell
ROUNDING = 1e-6
SCALE = Normalize(-1.0, 1.0)
# steps of a tenth: what the eye can tell apart, in a file of a third of the size
COLOURS = colormaps["PuOr_r"].resampled(21).with_extremes(bad="#d9d9d9")


@styled
def correlation_figure(
    before: ArrayLike,
    after: ArrayLike,
    *,
    limit: float = 0.8,
    names: Sequence[str] | None = None,
) -> Figure:
    r"""Heat maps of the correlations before and after the filter, with one colour bar.

    Parameters
    ----------
    before
        Pearson correlations, shape (p, p), each -1 to 1 or NaN (drawn grey).
    after
        Those of the features that are left, shape (q, q); q may be 0.
    limit
        Largest correlation that the filter leaves; marked on the colour bar.
    names
        Names of the q features that are left, shown where there are at most 30.

    Raises
    ------
    BadArgument
        A matrix is not square, is outside -1 to 1, `before` is empty, or the number of names is
        not q.

    Examples
    --------
    >>> figure = correlation_figure([[1.0, 0.9], [0.9, 1.0]], [[1.0]])
    >>> figure.axes[0].get_title(loc="left")
    'Before: 2 features\n1 pair with |r| > .8'
    """
    first, second = _checked(before, "before"), _checked(after, "after")
    _check_sizes(first, second, names)
    shows_names = names is not None and 0 < len(names) <= MAX_NAMES
    figure = new_figure(PAGE_WIDTH, 3.7 if shows_names else 4.3)
    left, right = figure.subplots(1, 2)
    image = _draw_map(left, first, f"Before: {_features(first)}\n{_pairs(first, limit)}")
    _draw_map(right, second, f"After: {_features(second)}\n{_pairs(second, limit)}")
    if names is not None and shows_names:
        _name_features(right, names)
    if 0 < len(second) <= MAX_PRINTED:
        _print_cells(right, second)
    _draw_colour_bar(figure, image, (left, right), limit)
    return figure


def _checked(matrix: ArrayLike, name: str) -> NDArray[np.float64]:
    values = np.asarray(matrix, dtype=np.float64)
    values = values.reshape(0, 0) if values.size == 0 else values
    if values.ndim != 2 or values.shape[0] != values.shape[1]:
        msg = f"expected {name} of shape (p, p), found {values.shape}; give the square matrix"
        raise BadArgument(msg)
    largest = float(np.nanmax(np.abs(values), initial=0.0))
    if largest > 1 + ROUNDING:
        msg = f"expected correlations from -1 to 1 in {name}, found {largest:g}; give Pearson's r"
        raise BadArgument(msg)
    return values


def _check_sizes(
    before: NDArray[np.float64], after: NDArray[np.float64], names: Sequence[str] | None
) -> None:
    if before.size == 0:
        msg = "expected at least one feature before the filter, found none; leave the figure out"
        raise BadArgument(msg)
    if names is not None and len(names) != len(after):
        msg = (
            f"expected a name for each of the {len(after)} features after the filter, "
            f"found {len(names)}; give the names in the order of the matrix"
        )
        raise BadArgument(msg)


def _features(matrix: NDArray[np.float64]) -> str:
    return f"{count(len(matrix))} feature{'s' * (len(matrix) != 1)}"


def _pairs(matrix: NDArray[np.float64], limit: float) -> str:
    above = np.abs(matrix[np.triu_indices(len(matrix), 1)]) > limit
    n = int(above.sum())
    return f"{count(n)} pair{'s' * (n != 1)} with |r| > {limit:g}".replace(" 0.", " .")


def _draw_map(axes: Axes, matrix: NDArray[np.float64], title: str) -> AxesImage:
    blank(axes)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.set_title(title, size=9.5)
    shown = matrix if matrix.size else np.full((1, 1), np.nan)
    image = axes.imshow(  # "none": a pixel a cell in the SVG, which the viewer enlarges
        np.ma.masked_invalid(shown), cmap=COLOURS, norm=SCALE, interpolation="none"
    )
    if not matrix.size:
        say_in(axes, "no feature is left")
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
        colour = "white" if abs(r) > 0.7 else INK
        axes.text(column, row, text, ha="center", va="center", size=6.5, color=colour)


def _draw_colour_bar(
    figure: Figure, image: AxesImage, panels: tuple[Axes, Axes], limit: float
) -> None:
    bar = figure.colorbar(image, ax=panels, shrink=0.75, aspect=24, pad=0.02)
    bar.outline.set_visible(False)
    bar.set_ticks([-1.0, -limit, 0.0, limit, 1.0])
    bar.set_ticklabels(["−1", f"−{limit:g}", "0", f"{limit:g}", "1"])
    bar.ax.hlines([-limit, limit], -1, 2, color=INK, linewidth=1.0)
    bar.set_label("Pearson's r")
