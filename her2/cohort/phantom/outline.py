"""Contours of the simulated lesion, and of the two readers who trace it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_fill_holes, find_objects

from her2.cohort.phantom.appearance import Appearance

N_ANGLES = 720
ANGLES = np.linspace(-np.pi, np.pi, N_ANGLES + 1)  # closed: first and last are one direction
NARROWEST = 0.35  # of the ellipse: keeps every contour one piece


@dataclass(frozen=True)
class PolarGrid:
    """Where every pixel lies in the lesion's own polar coordinates.

    radius: (H, W), 1 on the ellipse; angle: (H, W), radians.
    """

    radius: NDArray[np.float64]
    angle: NDArray[np.float64]

    def fill(self, contour: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Return the inside of a contour, shape (H, W); the contour has shape (N_ANGLES + 1,)."""
        inside = np.asarray(self.radius < np.interp(self.angle, ANGLES, contour))
        box = find_objects(inside.view(np.uint8))[0]
        inside[box] = binary_fill_holes(inside[box])  # pixels pinched off between two spicules
        return inside


def polar_grid(appearance: Appearance, image_shape: tuple[int, int]) -> PolarGrid:
    """Return every pixel's polar coordinates around the lesion."""
    height, width = image_shape
    centre_row, centre_column = appearance.centre
    y, x = np.mgrid[:height, :width]
    y, x = y - centre_row * height, x - centre_column * width
    cosine, sine = np.cos(appearance.tilt), np.sin(appearance.tilt)
    semi_lateral = appearance.width * width / 2
    along = (x * cosine + y * sine) / semi_lateral
    across = (y * cosine - x * sine) / (semi_lateral * appearance.aspect)
    return PolarGrid(np.hypot(along, across), np.arctan2(across, along))


def true_contour(appearance: Appearance, rng: np.random.Generator) -> NDArray[np.float64]:
    """Return the lesion's radius by angle, shape (N_ANGLES + 1,), 1 on the ellipse.

    Low harmonics are lobes; high ones, stronger on one side, are spicules.
    """
    lobes = _harmonics(rng, range(2, 6), appearance.lobulation)
    spicules = _harmonics(rng, range(8, 17), appearance.spiculation)
    spicules = np.hypot(spicules, appearance.spiculation / 2) - appearance.spiculation / 2
    side = 0.6 + 0.4 * np.cos(ANGLES - rng.uniform(-np.pi, np.pi))
    return np.clip(1 + lobes + side * spicules, NARROWEST, 1.6)


def read_contour(
    contour: NDArray[np.float64], *, error: float, smoothing: int, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Return the contour as a reader draws it, shape (N_ANGLES + 1,).

    Parameters
    ----------
    contour
        The true radius by angle.
    error
        Standard deviation of the radius that the reader adds, as a share of the ellipse.
    smoothing
        Width in angles (of 720) over which the hand averages.
    rng
        The reader's own stream.
    """
    kernel = np.hanning(smoothing + 2)[1:-1]
    closed = np.concatenate([contour[-smoothing - 1 : -1], contour, contour[1 : smoothing + 1]])
    drawn = np.convolve(closed, kernel / kernel.sum(), mode="same")[smoothing:-smoothing]
    bias = rng.normal(0, error / 2)
    return np.clip(drawn + bias + _harmonics(rng, range(1, 9), error), NARROWEST, 1.8)


def _harmonics(rng: np.random.Generator, orders: range, sd: float) -> NDArray[np.float64]:
    """Draw a periodic curve of these orders with standard deviation `sd` over draws."""
    order = np.array(orders)
    weight = 1 / np.sqrt(order)
    weight *= sd / np.sqrt((weight**2).sum())
    cosines, sines = rng.normal(size=(2, order.size)) * weight
    phase = np.multiply.outer(ANGLES, order)
    return np.asarray((np.cos(phase) * cosines + np.sin(phase) * sines).sum(axis=1))
