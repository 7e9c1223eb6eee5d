"""Features before and after the scanner's effect was taken out of them.

References
----------
.. [1] Johnson WE, Li C, Rabinovic A. Adjusting batch effects in microarray expression data using
   empirical Bayes methods. Biostatistics 2007;8:118-127. doi:10.1093/biostatistics/kxj037
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray

from her2.core.errors import BadArgument
from her2.plots.style import (
    MUTED,
    NEGATIVE,
    OTHER_COLOURS,
    POSITIVE,
    legend_below,
    new_figure,
    styled,
)
from her2.plots.text import count

WIDTH = 7.6  # inches
UNKNOWN = "not adjusted"
_COLOURS = (NEGATIVE, POSITIVE, OTHER_COLOURS[2], OTHER_COLOURS[0], *OTHER_COLOURS[3:])
_MARKERS = ("o", "^", "s", "D", "v", "P", "X")


@styled
def harmonisation_figure(
    before: ArrayLike, after: ArrayLike, groups: Sequence[str | None]
) -> Figure:
    """Lesions on the same two axes before and after, one colour and marker a vendor.

    Parameters
    ----------
    before, after
        Shape (n, 2), two summaries of each lesion's features, on the same axes.
    groups
        The n names of the vendors; None for a lesion that was not adjusted.

    Raises
    ------
    BadArgument
        The shapes differ, or there is not one group for each lesion.

    Examples
    --------
    >>> figure = harmonisation_figure([[0, 0], [3, 3]], [[1, 1], [2, 2]], ["A", "B"])
    >>> figure.axes[1].get_title(loc="left")
    'After ComBat'
    """
    first, second = (np.asarray(points, dtype=np.float64) for points in (before, after))
    if first.shape != second.shape or first.shape != (len(groups), 2) or not len(groups):
        raise BadArgument(
            f"expected two points of shape (n, 2) and a group for each lesion, found "
            f"{first.shape}, {second.shape} and {len(groups)} groups"
        )
    names = [UNKNOWN if group is None else group for group in groups]
    figure = new_figure(WIDTH, 3.9)
    left, right = figure.subplots(1, 2, sharex=True, sharey=True)
    _draw(left, first, names, "Before")
    _draw(right, second, names, "After ComBat")
    left.set_ylabel("Second principal component")
    handles, labels = right.get_legend_handles_labels()
    legend_below(left, dict(zip(labels, handles, strict=True)), n_columns=2)
    return figure


def _draw(axes: Axes, points: NDArray[np.float64], names: Sequence[str], title: str) -> None:
    axes.set_title(title)
    axes.set_xlabel("First principal component")
    known = sorted(set(names) - {UNKNOWN})
    for i, name in enumerate([*known, *({UNKNOWN} & set(names))]):
        rows = np.array([other == name for other in names])
        axes.scatter(
            points[rows, 0],
            points[rows, 1],
            s=16,
            color=MUTED if name == UNKNOWN else _COLOURS[i % len(_COLOURS)],
            marker=_MARKERS[i % len(_MARKERS)],
            linewidths=0,
            alpha=0.75,
            label=f"{name} ({count(int(rows.sum()))})",
        )
