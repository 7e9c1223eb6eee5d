"""The nine shape features of a lesion in a plane, as pyradiomics' class shape2D measures them."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from radiomics.shape2D import RadiomicsShape2D


def plane_shape_features(
    inside: NDArray[np.bool_], spacing_mm: tuple[float, float]
) -> dict[str, float]:
    """Return the shape2D features, names as pyradiomics'.

    Parameters
    ----------
    inside
        (h, w) bool, the mask cropped to its box.
    spacing_mm
        (row, column) millimetres per pixel.

    References
    ----------
    van Griethuysen JJM et al. Cancer Res 2017;77:e104. doi:10.1158/0008-5472.CAN-17-0339

    Examples
    --------
    >>> plane_shape_features(np.ones((2, 4), bool), (0.5, 0.25))["PixelSurface"]
    1.0
    """
    plane = sitk.GetImageFromArray(inside.astype(np.uint8))
    plane.SetSpacing((spacing_mm[1], spacing_mm[0]))
    found = RadiomicsShape2D(plane, plane, label=1).execute()
    return {str(name): float(value) for name, value in found.items()}
