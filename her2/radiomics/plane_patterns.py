"""Uniform local binary patterns on a circle around every pixel, equal to scikit-image's.

pyradiomics takes its LBP2D from scikit-image (radius 1, eight points, method ``uniform``) and
leaves the family out, with a line in its log, where that package is missing. The few lines that
are needed of it are written here, down to its roundings: points to five decimals, bilinear
weights, 0 outside the image, and no comparison between the last point and the first.
"""

from __future__ import annotations

import numpy as np

from her2.radiomics.roi import FloatArray, SliceLesion

_N_POINTS = 8
_RADIUS = 1.0


def uniform_patterns(lesion: SliceLesion) -> FloatArray:
    """Return the pattern at every pixel of the lesion in raster order, (n_pixels,).

    A pattern is the number of points on the circle (0 to 8) that are at least as bright as the
    pixel, or 9 where bright and dark change more than twice.

    References
    ----------
    Ojala T, Pietikainen M, Maenpaa T. IEEE Trans Pattern Anal Mach Intell 2002;24:971.
    doi:10.1109/TPAMI.2002.1017623
    """
    angles = 2 * np.pi * np.arange(_N_POINTS) / _N_POINTS
    points = np.round([-_RADIUS * np.sin(angles), _RADIUS * np.cos(angles)], 5).T
    values = lesion.values
    bright = np.stack([_bilinear(lesion, *point) - values >= 0 for point in points], axis=1)
    n_changes = (bright[:, 1:] != bright[:, :-1]).sum(axis=1)
    patterns = np.where(n_changes <= 2, bright.sum(axis=1), _N_POINTS + 1)
    return np.asarray(patterns, dtype=np.float64)


def _bilinear(lesion: SliceLesion, row_offset: float, column_offset: float) -> FloatArray:
    """Return the image at an offset from every pixel of the lesion, (n_pixels,)."""
    rows, columns = (
        indices + extent.start
        for indices, extent in zip(np.nonzero(lesion.inside), lesion.box, strict=True)
    )
    r, c = rows + row_offset, columns + column_offset
    framed = np.pad(lesion.image[lesion.around(2)[0]], 2)
    row_0, column_0 = (extent.start - 2 for extent in lesion.around(2)[0])

    def pixel(r: FloatArray, c: FloatArray) -> FloatArray:
        found: FloatArray = framed[r.astype(np.intp) - row_0, c.astype(np.intp) - column_0]
        return found

    above, below, left, right = np.floor(r), np.ceil(r), np.floor(c), np.ceil(c)
    down, along = r - above, c - left
    top = (1 - along) * pixel(above, left) + along * pixel(above, right)
    bottom = (1 - along) * pixel(below, left) + along * pixel(below, right)
    values: FloatArray = (1 - down) * top + down * bottom
    return values
