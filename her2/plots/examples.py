"""Example images with the outline of their masks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from her2.core.errors import BadConfig
from her2.plots.style import PAGE_WIDTH, new_figure, styled

PANEL_COLUMNS = 4
OUTLINE = "#FFD400"
Example = tuple[NDArray[Any], NDArray[Any], str]


@styled
def example_figure(images: Sequence[Example]) -> Figure:
    """Grey images, each with its mask's outline.

    Parameters
    ----------
    images
        (pixels (H, W), mask (H, W) of bool or 0/1, title) each.

    Raises
    ------
    BadConfig
        A mask whose shape is not its image's.
    """
    n_columns = max(1, min(PANEL_COLUMNS, len(images)))
    n_rows = max(1, math.ceil(len(images) / n_columns))
    panel = PAGE_WIDTH / max(n_columns, 2)
    tallest = max((image.shape[0] / image.shape[-1] for image, _, _ in images), default=1.0)
    figure = new_figure(panel * n_columns, (panel * min(tallest, 1.5) + 0.3) * n_rows)
    all_axes = figure.subplots(n_rows, n_columns, squeeze=False).ravel()
    for axes in all_axes:
        axes.set_axis_off()
    for axes, example in zip(all_axes, images, strict=False):
        _draw_example(axes, *example)
    return figure


def _draw_example(axes: Axes, pixels: NDArray[Any], mask: NDArray[Any], title: str) -> None:
    if pixels.ndim != 2 or mask.shape != pixels.shape:
        msg = (
            f"expected an image (H, W) and a mask of the same shape, found {pixels.shape} and "
            f"{mask.shape}; give the slice and the mask that was drawn on it"
        )
        raise BadConfig(msg)
    axes.imshow(pixels, cmap="gray", aspect="equal")
    is_inside = np.asarray(mask, dtype=bool)
    if is_inside.any() and not is_inside.all():
        axes.contour(is_inside.astype(float), levels=[0.5], colors=OUTLINE, linewidths=1.3)
    axes.set_title(title, size=8.5, weight="normal")
