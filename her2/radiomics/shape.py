"""Shape features of a slice as a volume and as a plane, equal to pyradiomics'.

pyradiomics measures the mesh of a volume with a compiled function that compares all pairs of mesh
vertices, so its time grows with the square of the area (benchmarks/pyradiomics_times.py). Two
facts about a slice make it linear, and keep the compiled function as the source of every number:

* surface and volume are sums over the sixteen 2 x 2 patterns of the mask, so what one pattern
  contributes is learned from the compiled function on small masks;
* the largest distances are between vertices of pixels that are first or last in their row or
  column, so all others may be left out.
"""

from __future__ import annotations

from functools import lru_cache
from math import pi

import numpy as np
import SimpleITK as sitk
from radiomics import cShape
from radiomics.shape2D import RadiomicsShape2D

from her2.radiomics.roi import BoolArray, FloatArray

_N_EXAMPLES = 200
_EXAMPLE_SIDE = 6
_ROUNDING = 1e-10  # pyradiomics takes a negative eigenvalue above -1e-10 for zero


def shape_features(inside: BoolArray, *, spacing_mm: tuple[float, float]) -> dict[str, float]:
    """Return the 14 features of a slice of 1 mm, names as pyradiomics'.

    The mask is `inside` (h, w), cropped to its box of two rows and two columns at least.

    References
    ----------
    van Griethuysen JJM et al. Cancer Res 2017;77:e104. doi:10.1158/0008-5472.CAN-17-0339
    Zwanenburg A et al. Radiology 2020;295:328 (IBSI). doi:10.1148/radiol.2020191145
    """
    padded = np.pad(inside, 1)
    surface, volume = (_pattern_counts(padded) @ _pattern_weights(spacing_mm)).tolist()
    extremes = _extremes(padded) | _extremes(padded.T).T
    in_slice, in_column, in_row, largest = _compiled(extremes, spacing_mm)[2].tolist()
    least, minor, major = _axis_lengths(padded, spacing_mm).tolist()
    return {
        "Elongation": minor / major,
        "Flatness": least / major,
        "LeastAxisLength": least,
        "MajorAxisLength": major,
        "Maximum2DDiameterColumn": in_column,
        "Maximum2DDiameterRow": in_row,
        "Maximum2DDiameterSlice": in_slice,
        "Maximum3DDiameter": largest,
        "MeshVolume": volume,
        "MinorAxisLength": minor,
        "Sphericity": (36 * pi * volume**2) ** (1 / 3) / surface,
        "SurfaceArea": surface,
        "SurfaceVolumeRatio": surface / volume,
        "VoxelVolume": float(padded.sum()) * spacing_mm[0] * spacing_mm[1],
    }


def plane_shape_features(inside: BoolArray, spacing_mm: tuple[float, float]) -> dict[str, float]:
    """Return the nine features of pyradiomics' class shape2D of a cropped mask (h, w).

    Examples
    --------
    >>> plane_shape_features(np.ones((2, 4), bool), (0.5, 0.25))["PixelSurface"]
    1.0
    """
    plane = sitk.GetImageFromArray(inside.astype(np.uint8))
    plane.SetSpacing((spacing_mm[1], spacing_mm[0]))
    measured = RadiomicsShape2D(plane, plane, label=1).execute()
    return {str(name): float(value) for name, value in measured.items()}


def _compiled(
    padded: BoolArray, spacing_mm: tuple[float, float]
) -> tuple[float, float, FloatArray]:
    """Return pyradiomics' surface, volume and largest distances in slice, column, row, and all."""
    volume = np.pad(padded[np.newaxis], ((1, 1), (0, 0), (0, 0)))
    surface, mesh_volume, diameters = cShape.calculate_coefficients(
        volume, np.array([1.0, *spacing_mm])
    )
    return float(surface), float(mesh_volume), np.asarray(diameters, dtype=np.float64)


def _pattern_counts(padded: BoolArray) -> FloatArray:
    """Return how often each of the sixteen 2 x 2 patterns occurs, shape (16,)."""
    p = padded.astype(np.int64)
    code = p[:-1, :-1] + 2 * p[:-1, 1:] + 4 * p[1:, :-1] + 8 * p[1:, 1:]
    return np.bincount(code.ravel(), minlength=16).astype(np.float64)


@lru_cache(maxsize=64)
def _pattern_weights(spacing_mm: tuple[float, float]) -> FloatArray:
    """Return what a pattern adds to surface and volume, shape (16, 2), learned from examples."""
    generator = np.random.default_rng(0)
    sides = (_N_EXAMPLES, _EXAMPLE_SIDE, _EXAMPLE_SIDE)
    examples = [np.pad(e, 1) for e in generator.random(sides) < 0.5]
    counts = np.array([_pattern_counts(example) for example in examples])
    measured = np.array([_compiled(example, spacing_mm)[:2] for example in examples])
    # outside patterns (count of code 0) add nothing
    weights = np.zeros((16, 2))
    weights[1:] = np.linalg.lstsq(counts[:, 1:], measured, rcond=None)[0]
    return weights


def _extremes(mask: BoolArray) -> BoolArray:
    """Return the first and the last pixel inside of every row."""
    found = np.zeros_like(mask)
    rows = np.flatnonzero(mask.any(axis=1))
    found[rows, mask[rows].argmax(axis=1)] = True
    found[rows, mask.shape[1] - 1 - mask[rows, ::-1].argmax(axis=1)] = True
    return found


def _axis_lengths(padded: BoolArray, spacing_mm: tuple[float, float]) -> FloatArray:
    """Return four standard deviations along the least, minor and major axis, mm, shape (3,).

    The slice is taken as a volume, and eigenvalues as those of a general matrix: pixels in a line
    have a minor axis of rounding noise, and this way it is pyradiomics' noise.
    """
    coordinates = np.argwhere(padded[np.newaxis]) * np.array([1.0, *spacing_mm])
    coordinates -= coordinates.mean(axis=0)
    coordinates /= np.sqrt(len(coordinates))
    eigenvalues = np.linalg.eigvals(np.dot(coordinates.T.copy(), coordinates))
    eigenvalues[(eigenvalues < 0) & (eigenvalues > -_ROUNDING)] = 0.0
    lengths: FloatArray = 4 * np.sqrt(np.sort(eigenvalues))
    return lengths
