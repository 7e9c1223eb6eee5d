"""One simulated lesion: its image, its true mask and the masks of two readers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from her2.cohort.phantom.appearance import (
    draw_appearance,
    polar_grid,
    read_contour,
    true_contour,
)
from her2.cohort.phantom.bmode import (
    SCANNERS,
    backscatter_db,
    calcifications,
    compress,
    receive,
)
from her2.cohort.phantom.patient_table import VENDORS, stream
from her2.core.errors import BadConfig

SMALLEST_SIDE = 128


@dataclass(frozen=True)
class SimulatedLesion:
    """A simulated B-mode image and its masks.

    Attributes
    ----------
    pixels
        (H, W) uint8.
    true_mask, reader1, reader2
        (H, W) bool: the lesion, and how two readers draw it.
    spacing_mm
        (row, column) millimetres per pixel.
    """

    pixels: NDArray[np.uint8]
    true_mask: NDArray[np.bool_]
    reader1: NDArray[np.bool_]
    reader2: NDArray[np.bool_]
    spacing_mm: tuple[float, float]


def simulate_lesion(
    patient_id: str,
    *,
    outcome: int,
    has_calcification: bool,
    vendor: str,
    seed: int = 0,
    image_shape: tuple[int, int] = (400, 500),
) -> SimulatedLesion:
    """Return a HER2-positive (outcome 1) or HER2-negative (0) lesion; same arguments, same bytes.

    Parameters
    ----------
    patient_id, seed
        Names of the random streams.
    outcome, has_calcification, vendor
        As the clinical table says; `vendor` is one of
        `her2.cohort.phantom.patient_table.VENDORS`.
    image_shape
        Rows and columns, each at least 128. The lesion takes 13 to 25 % of the columns.

    Raises
    ------
    BadConfig
        If the image is too small to hold a breast, or the vendor is not a simulated one.
    """
    check_image_shape(image_shape)
    if vendor not in SCANNERS:
        raise BadConfig(f"vendor must be one of {', '.join(VENDORS)}, found {vendor!r}: name one")
    scanner = SCANNERS[vendor]
    spacing = round(float(stream(seed, patient_id, "spacing").uniform(*scanner.spacing_mm)), 4)
    appearance = draw_appearance(
        outcome, has_calcification=has_calcification, rng=stream(seed, patient_id, "traits")
    )
    grid = polar_grid(appearance, image_shape)
    contour = true_contour(appearance, stream(seed, patient_id, "contour"))
    true_mask = grid.fill(contour)
    tissue = stream(seed, patient_id, "tissue")
    echo_db = backscatter_db(appearance, true_mask, spacing_mm=spacing, rng=tissue)
    points = calcifications(appearance, true_mask, tissue)
    speckle = stream(seed, patient_id, "speckle")
    envelope = receive(echo_db, points, scanner, spacing_mm=spacing, rng=speckle)
    reader1 = read_contour(contour, error=0.02, smoothing=9, rng=stream(seed, patient_id, "r1"))
    reader2 = read_contour(contour, error=0.07, smoothing=25, rng=stream(seed, patient_id, "r2"))
    return SimulatedLesion(
        pixels=compress(envelope, scanner, stream(seed, patient_id, "settings")),
        true_mask=true_mask,
        reader1=grid.fill(reader1),
        reader2=grid.fill(reader2),
        spacing_mm=(spacing, spacing),
    )


def check_image_shape(image_shape: tuple[int, int]) -> None:
    """Raise BadConfig unless both sides are long enough to hold layers and a lesion."""
    if len(image_shape) != 2 or min(image_shape) < SMALLEST_SIDE:
        raise BadConfig(
            f"a simulated image needs at least {SMALLEST_SIDE} rows and columns, "
            f"found {tuple(image_shape)}: enlarge image_shape"
        )
