"""Images of lesions: examples with their outline, Grad-CAM maps, super-resolution."""

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

from her2.core.errors import BadArgument, BadConfig
from her2.plots import style

EXAMPLE_COLUMNS = 4
EXAMPLE_OUTLINE = "#FFD400"
TALLEST_ROW = 1.2  # height over width of a panel of super-resolution

COLOURS = "viridis"  # even steps of lightness, also for colour-blind readers
STRONGEST = 0.7  # opacity at the largest value: the image must stay visible
OUTLINE, OUTLINE_SHADE = "#FFFFFF", "#000000"
# drawings hold the pixels themselves: half the bytes of pixels that were made finer
AS_IT_IS: dict[str, Any] = {"aspect": "auto", "interpolation": "none"}
TALLEST = 1.25  # height over width of an image beside its map
EDGE, GAP, TITLE, GROUP_TITLE, CAPTION, BAR = 0.12, 0.1, 0.34, 0.24, 0.36, 0.75  # inches
LEAST_HEIGHT = 2.9  # inches, for the words beside the colour bar

Example = tuple[NDArray[Any], NDArray[Any], str]


@style.styled
def example_figure(images: Sequence[Example]) -> Figure:
    """Grey images, each with its mask's outline: (pixels (H, W), mask (H, W), title) each."""
    n_columns = max(1, min(EXAMPLE_COLUMNS, len(images)))
    panel = style.PAGE_WIDTH / max(n_columns, 2)
    tallest = max((image.shape[0] / image.shape[-1] for image, _, _ in images), default=1.0)
    figure, all_axes = style.panel_grid(
        len(images), n_columns, width=panel * n_columns, height=panel * min(tallest, 1.5) + 0.3
    )
    for axes, (pixels, mask, title) in zip(all_axes, images, strict=True):
        if pixels.ndim != 2 or mask.shape != pixels.shape:
            raise BadConfig(
                f"expected an image (H, W) and a mask of the same shape, found {pixels.shape} and "
                f"{mask.shape}; give the slice and the mask that was drawn on it"
            )
        axes.set_axis_off()
        axes.imshow(pixels, cmap="gray", aspect="equal")
        _outline(axes, np.asarray(mask, dtype=bool), (EXAMPLE_OUTLINE, 1.3))
        axes.set_title(title, size=8.5, weight="normal")
    return figure


def _outline(axes: Axes, mask: NDArray[np.bool_], *strokes: tuple[str, float]) -> None:
    """Draw the edge of a mask, if it has one, in strokes of a colour and a width."""
    if not mask.any() or mask.all():
        return
    for colour, width in strokes:
        axes.contour(mask.astype(float), levels=[0.5], colors=colour, linewidths=width)


@style.styled
def super_resolution_figure(rows: Sequence[Mapping[str, NDArray[Any]]]) -> Figure:
    """Lesions in rows, the same cut in every panel of a row, on one grey scale.

    Images are (H, W), by title, with the same titles in every row.
    """
    if not rows or any(list(row) != list(rows[0]) for row in rows):
        raise BadArgument(
            f"expected rows of images with the same titles, found {len(rows)} rows; give each "
            "lesion in the same versions"
        )
    n_columns = len(rows[0])
    panel = style.PAGE_WIDTH / n_columns
    shapes = [next(iter(row.values())).shape for row in rows]
    heights = [panel * min(float(height / width), TALLEST_ROW) for height, width in shapes]
    figure = style.new_figure(style.PAGE_WIDTH, sum(heights) + 0.35)
    all_axes = figure.subplots(len(rows), n_columns, squeeze=False, height_ratios=heights)
    for row, of_row in zip(rows, all_axes, strict=True):
        native = np.asarray(list(row.values())[-1], dtype=np.float64)
        low, high = float(native.min()), float(native.max())
        for (title, image), axes in zip(row.items(), of_row, strict=True):
            axes.set_axis_off()
            axes.imshow(image, cmap="gray", aspect="equal", vmin=low, vmax=high)
            if row is rows[0]:
                axes.set_title(title, size=9)
    return figure


@dataclass(frozen=True)
class CamExample:
    """One lesion of the figure of maps.

    Attributes
    ----------
    image, mask, saliency
        Grey levels 0 to 255, the lesion of bool, the map 0 to 1; each (S, S).
    caption
        At most two lines, without any name.
    proportion
        Height over width as the image is to be shown.
    """

    image: NDArray[Any]
    mask: NDArray[Any]
    saliency: NDArray[Any]
    caption: str
    proportion: float = 1.0


@style.styled
def grad_cam_figure(groups: Mapping[str, Sequence[CamExample]], *, title: str = "") -> Figure:
    """Lesions by group, a row each: image with the lesion's outline, then the map upon it."""
    n_columns = 2 * max(2, *(len(examples) for examples in groups.values()))
    width = (style.PAGE_WIDTH - BAR - 2 * EDGE - (n_columns - 1) * GAP) / n_columns
    heights = [_row_height(examples, width) for examples in groups.values()]
    figure = Figure(figsize=(style.PAGE_WIDTH, max(TITLE + sum(heights) + EDGE, LEAST_HEIGHT)))
    _write(figure, EDGE, 0.22, title, size=10, weight="bold")
    top = TITLE
    for (name, examples), height in zip(groups.items(), heights, strict=True):
        _write(figure, EDGE, top + 0.17, name, size=9, weight="bold")
        if not examples:
            _write(figure, EDGE, top + 0.4, "No such lesion.", size=8.5, color=style.MUTED)
        for i, example in enumerate(examples):
            left = EDGE + 2 * i * (width + GAP)
            _draw_pair(figure, example, left, top + GROUP_TITLE, width)
        top += height
    _colour_bar(figure)
    return figure


def _add_axes(figure: Figure, left: float, top: float, width: float, height: float) -> Axes:
    """Axes at a place in inches from the upper left corner."""
    page_width, page_height = figure.get_size_inches()
    bottom = page_height - top - height
    return figure.add_axes(
        (left / page_width, bottom / page_height, width / page_width, height / page_height)
    )


def _write(figure: Figure, left: float, baseline: float, text: str, **look: Any) -> None:
    page_width, page_height = figure.get_size_inches()
    figure.text(left / page_width, 1 - baseline / page_height, text, **look)


def _row_height(examples: Sequence[CamExample], width: float) -> float:
    """Height of a group's row in inches."""
    if not examples:
        return GROUP_TITLE + CAPTION
    tallest = max(min(example.proportion, TALLEST) for example in examples)
    return GROUP_TITLE + CAPTION + width * tallest + GAP


def _draw_pair(figure: Figure, example: CamExample, left: float, top: float, width: float) -> None:
    """Draw the image, and beside it the image under its map."""
    image, mask = np.asarray(example.image), np.asarray(example.mask, dtype=bool)
    saliency = np.clip(np.asarray(example.saliency, dtype=np.float64), 0, 1)
    if image.ndim != 2 or mask.shape != image.shape or saliency.shape != image.shape:
        raise BadConfig(
            f"expected an image (S, S), its mask and its map of one shape, found {image.shape}, "
            f"{mask.shape} and {saliency.shape}; bring them to the size of the crop"
        )
    _write(figure, left, top + CAPTION - 0.07, example.caption, size=8.5, va="bottom")
    height = width * min(example.proportion, TALLEST)
    for place in (left, left + width + GAP):
        axes = _add_axes(figure, place, top + CAPTION, width, height)
        axes.set_axis_off()
        axes.imshow(image, cmap="gray", vmin=0, vmax=255, **AS_IT_IS)
        if place != left:
            # opacity in the picture: an `alpha` per pixel would be lost in drawings; and as bytes
            # here, because a figure may be drawn elsewhere
            colours = np.asarray(colormaps[COLOURS](saliency), dtype=np.float64)
            colours[..., 3] = STRONGEST * np.sqrt(saliency)
            axes.imshow((255 * colours).astype(np.uint8), **AS_IT_IS)
        _outline(axes, mask, (OUTLINE_SHADE, 2.2), (OUTLINE, 1.1))


def _colour_bar(figure: Figure) -> None:
    page_width, page_height = figure.get_size_inches()
    height = min(2.5, page_height - TITLE - EDGE)
    axes = _add_axes(figure, page_width - BAR + 0.1, TITLE, 0.14, height - EDGE)
    bar = figure.colorbar(ScalarMappable(Normalize(0, 1), COLOURS), cax=axes)
    bar.set_ticks([0.0, 0.5, 1.0])
    bar.outline.set_visible(False)
    bar.set_label("Grad-CAM of the called outcome", size=8.5)
