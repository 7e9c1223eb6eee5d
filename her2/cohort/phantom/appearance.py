"""What a simulated lesion looks like, drawn from its outcome, and how two readers trace it.

A hidden severity differs between HER2-negative and HER2-positive lesions by `SEPARATION`
standard deviations, so no reader of the image, however good, can do better than an AUC of
``norm.cdf(SEPARATION / sqrt(2))``. Every visible trait follows the severity loosely and has
spread of its own. The directions are assumptions that make the study's task possible, not
findings about HER2.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_fill_holes, find_objects

SEPARATION = 1.75
SHAPE_LOADING = 0.8  # correlation of a trait with the severity, within an outcome
TEXTURE_LOADING = 0.7  # lower: brightness statistics read texture better than they read shape
N_ANGLES = 720
ANGLES = np.linspace(-np.pi, np.pi, N_ANGLES + 1)  # closed: first and last are one direction
NARROWEST = 0.35  # of the ellipse: keeps every contour one piece
PolarGrid = tuple[NDArray[np.float64], NDArray[np.float64]]


@dataclass(frozen=True)
class Appearance:
    """Traits of one lesion and the tissue around it.

    Attributes
    ----------
    centre, width
        (row, column) and width as shares of the image's height and width.
    aspect, tilt
        Depth over width, and the angle of the ellipse in radians.
    lobulation, spiculation
        Spread of the radius as a share of the ellipse.
    contrast_db
        Echo level of the lesion against gland.
    heterogeneity_db, heterogeneity_mm
        Strength and scale of the pattern inside.
    posterior_db_per_mm
        Shadow behind the lesion if positive, enhancement if negative.
    edge_mm, halo_db
        Softness of the margin, and the echogenic rim.
    n_calcifications
        Bright points inside.
    """

    centre: tuple[float, float]
    width: float
    aspect: float
    tilt: float
    lobulation: float
    spiculation: float
    contrast_db: float
    heterogeneity_db: float
    heterogeneity_mm: float
    posterior_db_per_mm: float
    edge_mm: float
    halo_db: float
    n_calcifications: int


def draw_appearance(
    outcome: int, *, has_calcification: bool, rng: np.random.Generator
) -> Appearance:
    """Draw the traits of a HER2-positive (outcome 1) or HER2-negative (0) lesion.

    Ultrasound misses some calcifications of the clinical table, and shows a few that are none.
    """
    severity = rng.normal() + SEPARATION * (outcome - 0.5)

    def trait(loading: float) -> float:
        """Draw a standard normal (within an outcome) that follows the severity."""
        return float(loading * severity + np.sqrt(1 - loading**2) * rng.normal())

    return Appearance(
        centre=(float(rng.uniform(0.38, 0.54)), float(rng.uniform(0.32, 0.68))),
        width=float(rng.uniform(0.13, 0.25)),
        aspect=float(np.clip(rng.normal(0.75, 0.13), 0.5, 1.1)),
        tilt=float(rng.normal(0, 0.2)),
        lobulation=float(np.clip(0.085 * np.exp(0.32 * trait(SHAPE_LOADING)), 0.03, 0.20)),
        spiculation=float(np.clip(0.065 * np.exp(0.45 * trait(SHAPE_LOADING)), 0.012, 0.18)),
        contrast_db=float(np.clip(rng.normal(-14, 2.5), -20, -9)),
        heterogeneity_db=float(np.clip(2.9 * np.exp(0.33 * trait(TEXTURE_LOADING)), 1.0, 7.0)),
        heterogeneity_mm=float(np.clip(0.62 * np.exp(-0.25 * trait(TEXTURE_LOADING)), 0.3, 1.3)),
        posterior_db_per_mm=float(
            np.clip(0.15 - 0.4 * trait(TEXTURE_LOADING) + 0.35 * rng.normal(), -1.2, 1.6)
        ),
        edge_mm=float(np.clip(0.16 * np.exp(0.3 * trait(SHAPE_LOADING)), 0.06, 0.4)),
        halo_db=float(np.clip(rng.normal(2.0, 2.0), 0, 6)),
        n_calcifications=_draw_calcifications(has_calcification, severity, rng),
    )


def _draw_calcifications(
    has_calcification: bool, severity: float, rng: np.random.Generator
) -> int:
    visible = rng.random() < (0.8 if has_calcification else 0.08)
    return int(1 + rng.poisson(5 * np.exp(0.2 * severity))) if visible else 0


def polar_grid(appearance: Appearance, image_shape: tuple[int, int]) -> PolarGrid:
    """Return radius (1 on the lesion's ellipse) and angle (rad) of every pixel, (H, W) each."""
    height, width = image_shape
    centre_row, centre_column = appearance.centre
    y, x = np.mgrid[:height, :width]
    y, x = y - centre_row * height, x - centre_column * width
    cosine, sine = np.cos(appearance.tilt), np.sin(appearance.tilt)
    semi_lateral = appearance.width * width / 2
    along = (x * cosine + y * sine) / semi_lateral
    across = (y * cosine - x * sine) / (semi_lateral * appearance.aspect)
    return np.hypot(along, across), np.arctan2(across, along)


def filled(contour: NDArray[np.float64], grid: PolarGrid) -> NDArray[np.bool_]:
    """Return the inside (H, W) of a contour (N_ANGLES + 1,)."""
    radius, angle = grid
    inside = np.asarray(radius < np.interp(angle, ANGLES, contour))
    box = find_objects(inside.view(np.uint8))[0]
    inside[box] = binary_fill_holes(inside[box])  # pixels pinched off between two spicules
    return inside


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
    """Return the contour (N_ANGLES + 1,) as a reader draws it.

    The reader adds an `error` to the radius (standard deviation, share of the ellipse), and the
    hand averages over `smoothing` of the 720 angles.
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
