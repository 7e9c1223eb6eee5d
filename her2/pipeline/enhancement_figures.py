"""Previews of super-resolution: a lesion reduced and enlarged again, beside the original."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from her2 import plots
from her2.cohort import load_lesion
from her2.core.store import write_atomic
from her2.core.types import Lesion
from her2.plots.export import png_bytes

if TYPE_CHECKING:
    from her2.pipeline.enhance import Enhancement
    from lightning_modules.super_resolution.generator_plan import FittingPlan

FACTOR = 4
MARGIN = 4  # the cut is the lesion's box, wider by a quarter on each side
MOST_PREVIEWS = 12  # of a fit
N_PREVIEW_LESIONS = 3
PREVIEW_DPI = 150
Preview: TypeAlias = dict[str, NDArray[np.generic]]
Enlarge = Callable[[NDArray[np.generic]], NDArray[np.generic]]


def quarter(pixels: NDArray[np.generic]) -> NDArray[np.generic]:
    """Return an image of a quarter of the sides: means of 4 x 4 pixels, in the image's type.

    Sides that are no multiple of 4 are filled up with their last row and column.

    Examples
    --------
    >>> quarter(np.full((5, 8), 7, np.uint8)).tolist()
    [[7, 7], [7, 7]]
    """
    means = block_means(pixels)
    whole = np.issubdtype(pixels.dtype, np.integer)
    return (np.rint(means) if whole else means).astype(pixels.dtype)


def block_means(pixels: NDArray[np.generic]) -> NDArray[np.float64]:
    """Return the means of 4 x 4 pixels; missing rows and columns are those at the edge."""
    padded = np.pad(pixels, [(0, -length % FACTOR) for length in pixels.shape], mode="edge")
    rows, columns = (length // FACTOR for length in padded.shape)
    blocks = padded.reshape(rows, FACTOR, columns, FACTOR).astype(np.float64)
    return np.asarray(blocks.mean(axis=(1, 3)))


def restored(pixels: NDArray[np.generic], enlarge: Enlarge) -> NDArray[np.generic]:
    """Return an image made of its own quarter, of the same shape."""
    height, width = pixels.shape
    return enlarge(quarter(pixels))[:height, :width]


def lesion_preview(lesion: Lesion, enlarge: Enlarge) -> Preview:
    """Return cuts around a lesion by title: its quarter, bicubic, enlarged, and as it is.

    The cut leaves out the banner of an image, which often names a patient.
    """
    from lightning_modules.super_resolution.enlarging import bicubic_enlarger

    image = load_lesion(replace(lesion, enhanced=None))
    cut = around(image.mask)
    blocks = quarter(image.pixels).repeat(FACTOR, axis=0).repeat(FACTOR, axis=1)
    return {
        "Native / 4": blocks[cut],
        "Bicubic": restored(image.pixels, bicubic_enlarger())[cut],
        "Super-resolution": restored(image.pixels, enlarge)[cut],
        "Native": image.pixels[cut],
    }


def around(mask: NDArray[np.bool_]) -> tuple[slice, slice]:
    """Return the lesion's bounding box, wider by a quarter on each side."""
    box = []
    for axis in (1, 0):
        inside = np.flatnonzero(mask.any(axis=axis))
        first, last = int(inside[0]), int(inside[-1])
        margin = (last - first + 1) // MARGIN
        box.append(slice(max(first - margin, 0), last + margin + 1))
    return box[0], box[1]


class FitPreviews:
    """Draws lesions as a generator enlarges them, a few times in its fit.

    Parameters
    ----------
    folder
        Where ``super_resolution_preview_<step>.png`` are written.
    lesions
        The first `N_PREVIEW_LESIONS` are drawn.
    plan
        Of the fit.
    show
        Called with the path of every drawing; None calls nothing.
    """

    def __init__(
        self,
        folder: Path,
        lesions: Sequence[Lesion],
        plan: FittingPlan,
        *,
        show: Callable[[Path], None] | None = None,
    ) -> None:
        self.folder = folder
        self.show = show
        self.lesions = lesions[:N_PREVIEW_LESIONS]
        n_epochs = -(-plan.schedule.n_steps // plan.steps_per_epoch)
        self.every = plan.steps_per_epoch * -(-n_epochs // MOST_PREVIEWS)
        self.n_steps = plan.schedule.n_steps

    def __call__(self, step: int, network: Any) -> None:
        """Draw, if it is time."""
        from lightning_modules.super_resolution.enlarging import generator_enlarger

        if step % self.every and step != self.n_steps:
            return
        device = next(network.parameters()).device
        enlarger = generator_enlarger(
            network, reach=network.reach, key=str(step), tile_size=256, device=str(device)
        )
        drawn = [lesion_preview(lesion, enlarger) for lesion in self.lesions]
        figure = plots.super_resolution_figure(drawn)
        path = self.folder / f"super_resolution_preview_{step:06d}.png"
        write_atomic(path, png_bytes(figure, dpi=PREVIEW_DPI))
        if self.show is not None:
            self.show(path)


def enhancement_figures(made: Enhancement) -> dict[str, Figure]:
    """Return the figures of an enhancement by name: previews, and how the fit went."""
    drawn: dict[str, Figure] = {}
    if made.previews:
        drawn["super_resolution"] = plots.super_resolution_figure(made.previews)
    if not made.history.empty:
        drawn["super_resolution_history"] = plots.super_resolution_history_figure(made.history)
    return drawn
