"""Grad-CAM beside the image: what the network saw and said, where it looked, what was true."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from numpy.typing import NDArray

from her2.core.errors import BadConfig
from her2.plots.style import MUTED, PAGE_WIDTH, styled

COLOURS = "viridis"  # even steps of lightness, also for colour-blind readers
STRONGEST = 0.7  # opacity at the largest value: the image must stay visible
OUTLINE = "#FFFFFF"
OUTLINE_SHADE = "#000000"
# drawings hold the pixels themselves: half the bytes of pixels that were made finer
AS_IT_IS: dict[str, Any] = {"aspect": "auto", "interpolation": "none"}
TALLEST = 1.25  # height over width of a drawn image
# inches
EDGE = 0.12
GAP = 0.1
TITLE = 0.34
GROUP_TITLE = 0.24
CAPTION = 0.36
BAR = 0.75
LEAST_HEIGHT = 2.9  # for the words beside the colour bar


@dataclass(frozen=True)
class CamExample:
    """One lesion of the figure.

    image: (S, S) grey levels 0 to 255; mask: (S, S) bool; saliency: (S, S), 0 to 1; caption: two
    lines at most, without any name; proportion: height over width as the image is to be shown.
    """

    image: NDArray[Any]
    mask: NDArray[Any]
    saliency: NDArray[Any]
    caption: str
    proportion: float = 1.0


@styled
def grad_cam_figure(groups: Mapping[str, Sequence[CamExample]], *, title: str = "") -> Figure:
    """Lesions by group, a row each: image with the lesion's outline, then the map upon it.

    Parameters
    ----------
    groups
        Lesions by title of their group, such as ``True positive (19)``.
    title
        Above the figure.

    Raises
    ------
    BadConfig
        Mask or map have another shape than the image.

    Examples
    --------
    >>> square = np.zeros((8, 8), dtype=bool)
    >>> square[2:6, 2:6] = True
    >>> example = CamExample(np.full((8, 8), 90), square, square.astype(float), "p = .71")
    >>> figure = grad_cam_figure({"True positive (1)": [example], "False negative (0)": []})
    >>> len(figure.axes)  # two images, and the colour bar
    3
    """
    n_columns = 2 * max(2, *(len(examples) for examples in groups.values()))
    width = (PAGE_WIDTH - BAR - 2 * EDGE - (n_columns - 1) * GAP) / n_columns
    heights = [_height(examples, width) for examples in groups.values()]
    figure = Figure(figsize=(PAGE_WIDTH, max(TITLE + sum(heights) + EDGE, LEAST_HEIGHT)))
    sheet = _Sheet(figure)
    sheet.write(EDGE, 0.22, title, size=10, weight="bold")
    top = TITLE
    for (name, examples), height in zip(groups.items(), heights, strict=True):
        sheet.write(EDGE, top + 0.17, name, size=9, weight="bold")
        if not examples:
            sheet.write(EDGE, top + 0.4, "No such lesion.", size=8.5, color=MUTED)
        for i, example in enumerate(examples):
            left = EDGE + 2 * i * (width + GAP)
            _draw(sheet, example, left, top + GROUP_TITLE, width)
        top += height
    _colour_bar(sheet)
    return figure


@dataclass(frozen=True)
class _Sheet:
    """A figure in inches from its upper left corner."""

    figure: Figure

    def axes(self, left: float, top: float, width: float, height: float) -> Axes:
        page_width, page_height = self.figure.get_size_inches()
        bottom = page_height - top - height
        return self.figure.add_axes(
            (left / page_width, bottom / page_height, width / page_width, height / page_height)
        )

    def write(self, left: float, baseline: float, text: str, **look: Any) -> None:
        page_width, page_height = self.figure.get_size_inches()
        self.figure.text(left / page_width, 1 - baseline / page_height, text, **look)


def _height(examples: Sequence[CamExample], width: float) -> float:
    """Return the height of a group's row in inches."""
    if not examples:
        return GROUP_TITLE + CAPTION
    return GROUP_TITLE + CAPTION + width * max(_proportion(e) for e in examples) + GAP


def _proportion(example: CamExample) -> float:
    return min(example.proportion, TALLEST)


def _draw(sheet: _Sheet, example: CamExample, left: float, top: float, width: float) -> None:
    image, mask = np.asarray(example.image), np.asarray(example.mask, dtype=bool)
    saliency = np.clip(np.asarray(example.saliency, dtype=np.float64), 0, 1)
    if image.ndim != 2 or mask.shape != image.shape or saliency.shape != image.shape:
        raise BadConfig(
            f"expected an image (S, S), its mask and its map of one shape, found {image.shape}, "
            f"{mask.shape} and {saliency.shape}; bring them to the size of the crop"
        )
    sheet.write(left, top + CAPTION - 0.07, example.caption, size=8.5, va="bottom")
    for place in (left, left + width + GAP):
        axes = sheet.axes(place, top + CAPTION, width, width * _proportion(example))
        axes.set_axis_off()
        axes.imshow(image, cmap="gray", vmin=0, vmax=255, **AS_IT_IS)
        if place != left:
            axes.imshow(_see_through(saliency), **AS_IT_IS)
        _outline(axes, mask)


def _see_through(saliency: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Return colours and opacity (S, S, 4): an `alpha` per pixel would be lost in drawings."""
    colours = np.asarray(colormaps[COLOURS](saliency), dtype=np.float64)
    colours[..., 3] = STRONGEST * np.sqrt(saliency)
    return (255 * colours).astype(np.uint8)  # here, because a figure may be drawn elsewhere


def _outline(axes: Axes, mask: NDArray[np.bool_]) -> None:
    if not mask.any() or mask.all():
        return
    for colour, width in ((OUTLINE_SHADE, 2.2), (OUTLINE, 1.1)):
        axes.contour(mask.astype(float), levels=[0.5], colors=colour, linewidths=width)


def _colour_bar(sheet: _Sheet) -> None:
    page_width, page_height = sheet.figure.get_size_inches()
    height = min(2.5, page_height - TITLE - EDGE)
    axes = sheet.axes(page_width - BAR + 0.1, TITLE, 0.14, height - EDGE)
    bar = sheet.figure.colorbar(ScalarMappable(Normalize(0, 1), COLOURS), cax=axes)
    bar.set_ticks([0.0, 0.5, 1.0])
    bar.outline.set_visible(False)
    bar.set_label("Grad-CAM of the called outcome", size=8.5)
