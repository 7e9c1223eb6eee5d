"""Local binary patterns around every pixel of a slice, equal to pyradiomics' LBP3D and LBP2D.

LBP3D is on a sphere. Of its 42 points 34 leave the slice, where the image is taken as 0. So the
pattern of a pixel is nine bits: whether each of the eight points in the slice is as bright as the
pixel, and whether 0 is. The two spherical harmonic levels are looked up by pattern in a table that
is computed with pyradiomics' formulas; the kurtosis needs the eight values alone.

Where the image is flat, a comparison is decided by the rounding of the spline. Each value is
therefore interpolated from the coefficients and at the coordinates of the whole image.

LBP2D is on a circle. pyradiomics takes it from scikit-image (radius 1, eight points, method
``uniform``) and leaves the family out, with a line in its log, where that package is missing. The
few lines that are needed of it are written here, down to its roundings: points to five decimals,
bilinear weights, 0 outside the image, and no comparison between the last point and the first.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, special, stats

from her2.radiomics.parameters import BIN_WIDTH
from her2.radiomics.roi import BoolArray, FloatArray, SliceLesion

_ORDER = 3  # of the spline
_REACH = 3  # coefficients on either side of a pixel that its points need
_DOUBT = 1e-9  # of the largest grey level: what rounding may change
_LEVELS = 2
_AT_ONCE = 2**16  # pixels whose 42 samples are held in memory
_NO_SPREAD = -3.0  # excess kurtosis of equal samples, as in SciPy when pyradiomics 3.0.1 came out
_N_CIRCLE = 8  # points of LBP2D
_SPREAD = 0.05  # standard deviation of the kurtosis below which it may be noise


@dataclass(frozen=True)
class _Sphere:
    """Points of the unit sphere; bit b of a pattern is point b in the slice, bit 8 the others."""

    in_slice: BoolArray  # (42,)
    offsets: FloatArray  # (8, 2), (y, x) of those in the slice
    levels: FloatArray  # (512, 2), m1 and m2 of every pattern


def local_patterns(lesion: SliceLesion) -> Iterator[tuple[str, FloatArray]]:
    """Yield (``lbp-3D-m1``, ``-m2``, ``-k``; values of the lesion's pixels in raster order)."""
    sphere, spline = _sphere(), _spline(lesion)
    samples = _samples(lesion, spline, sphere.offsets)
    levels = sphere.levels[_patterns(samples, lesion.values)]
    yield "lbp-3D-m1", levels[:, 0].copy()
    yield "lbp-3D-m2", levels[:, 1].copy()
    kurtosis = _kurtosis(samples, len(sphere.in_slice))
    yield "lbp-3D-k", kurtosis if _is_clear(kurtosis) else _exact_kurtosis(lesion, spline)


@lru_cache(maxsize=1)
def _sphere() -> _Sphere:
    # here and not at the top: check_packages names it where it is missing
    from trimesh.creation import icosphere

    vertices = np.array(icosphere(1, 1).vertices)
    in_slice = vertices[:, 0] == 0
    bits = np.arange(512)[:, np.newaxis] >> np.arange(9) & 1
    signs = np.empty((512, len(vertices)), dtype=np.int64)
    signs[:, in_slice] = bits[:, :8]
    signs[:, ~in_slice] = bits[:, 8:]
    return _Sphere(in_slice, vertices[in_slice, 1:], _norms(signs, _harmonics(vertices)))


def _harmonics(vertices: FloatArray) -> NDArray[np.complex128]:
    """Return the spherical harmonics of degree 0 and 1 at the points, (n_points, 4)."""
    # sph_harm takes the azimuth first; pyradiomics hands it the polar angle, and so it stays
    theta = np.arccos(vertices[:, 2])
    phi = np.arctan2(vertices[:, 1], vertices[:, 0])
    orders = [(m, n) for n in range(_LEVELS) for m in range(-n, n + 1)]
    return np.column_stack([special.sph_harm(m, n, theta, phi) for m, n in orders])


def _norms(signs: NDArray[np.int64], harmonics: NDArray[np.complex128]) -> FloatArray:
    """Return pyradiomics' norm of each degree for sign patterns (n, n_points), shape (n, 2)."""
    degree = np.array([n for n in range(_LEVELS) for _ in range(2 * n + 1)])
    coefficients = (signs[:, :, np.newaxis] * harmonics).sum(axis=1)
    sums = [
        (coefficients[:, np.newaxis, degree == n] * harmonics[:, degree == n]).sum(axis=2)
        for n in range(_LEVELS)
    ]
    norms: FloatArray = np.real(np.sqrt((np.stack(sums, axis=2) ** 2).sum(axis=1)))
    return norms


def _samples(lesion: SliceLesion, spline: FloatArray, offsets: FloatArray) -> FloatArray:
    """Return the image at the points around every pixel of the lesion, (n_pixels, n_points).

    A value that is clearly above or below the pixel's own may carry a rounding error; the others
    are exact.
    """
    samples = _convolved(_window(spline, lesion), offsets, lesion.inside)
    tolerance = _DOUBT * np.abs(lesion.image).max()
    doubtful = ~(np.abs(samples - lesion.values[:, np.newaxis]) > tolerance)  # NaN too
    samples[doubtful] = _exact_samples(lesion, spline, offsets, doubtful)
    return samples


def _exact_samples(
    lesion: SliceLesion, spline: FloatArray, offsets: FloatArray, wanted: BoolArray
) -> FloatArray:
    """Return samples (n_wanted,) by the function and the coordinates that pyradiomics uses."""
    pixel, point = np.nonzero(wanted)
    rows, columns = lesion.places
    points = np.stack(
        [0.0 * pixel, rows[pixel] + offsets[point, 0], columns[pixel] + offsets[point, 1]]
    )
    exact: FloatArray = ndimage.map_coordinates(
        spline[np.newaxis], points, order=_ORDER, prefilter=False
    )
    return exact


def _spline(lesion: SliceLesion) -> FloatArray:
    """Return the spline coefficients (H, W) of the image, right in the rows the lesion needs."""
    spline: FloatArray = ndimage.spline_filter1d(lesion.image, _ORDER, axis=0)
    rows = lesion.around(_REACH)[0][0]
    spline[rows] = ndimage.spline_filter1d(spline[rows], _ORDER, axis=1)
    return spline


def _window(spline: FloatArray, lesion: SliceLesion) -> FloatArray:
    """Return the coefficients of the box and `_REACH` pixels around it, NaN outside the image."""
    grown, _ = lesion.around(_REACH)
    missing = [
        (around.start - (box.start - _REACH), box.stop + _REACH - around.stop)
        for around, box in zip(grown, lesion.box, strict=True)
    ]
    return np.pad(spline[grown], missing, constant_values=np.nan)


def _convolved(window: FloatArray, offsets: FloatArray, inside: BoolArray) -> FloatArray:
    """Return the spline at every offset from every pixel, NaN where it reaches outside."""
    samples = np.empty((int(inside.sum()), len(offsets)))
    by_row = {row: _shifted(window, row) for row in np.unique(offsets[:, 0])}
    for point, (row, column) in enumerate(offsets):
        samples[:, point] = _shifted(by_row[row].T, column).T[inside]
    return samples


def _shifted(window: FloatArray, offset: float) -> FloatArray:
    """Return the cubic B-spline at an offset along axis 0, without the margin of that axis."""
    start, t = _REACH + int(np.floor(offset)) - 1, offset % 1
    weights = ((1 - t) ** 3, 3 * t**3 - 6 * t**2 + 4, -3 * t**3 + 3 * t**2 + 3 * t + 1, t**3)
    length = len(window) - 2 * _REACH
    taps = (w / 6 * window[start + k : start + k + length] for k, w in enumerate(weights))
    return sum(taps, np.zeros((1, 1)))


def _patterns(samples: FloatArray, centres: FloatArray) -> NDArray[np.int64]:
    weights = 1 << np.arange(9)
    outside: NDArray[np.int64] = (centres <= 0) * weights[8]
    patterns: NDArray[np.int64] = (samples >= centres[:, np.newaxis]) @ weights[:8] + outside
    return patterns


def _kurtosis(samples: FloatArray, n_points: int) -> FloatArray:
    """Return the excess kurtosis of the samples and the zeros around them, but for rounding."""
    n_zeros = n_points - samples.shape[1]
    mean = samples.sum(axis=1) / n_points
    squares = (samples - mean[:, np.newaxis]) ** 2
    m2 = (squares.sum(axis=1) + n_zeros * mean**2) / n_points
    m4 = ((squares**2).sum(axis=1) + n_zeros * mean**4) / n_points
    return np.asarray(m4 / m2**2 - 3)


def _is_clear(kurtosis: FloatArray) -> bool:
    """Whether no feature of these values hangs on their rounding.

    Where a pattern repeats, or in a flat region, values differ by rounding alone; it then decides
    which of them lie between two percentiles, and even the skewness.
    """
    if not np.isfinite(kurtosis).all() or kurtosis.std() < _SPREAD:
        return False
    from_percentile = np.abs(kurtosis - np.percentile(kurtosis, [[10], [90]]))
    # a percentile may be one of the values, and is then the same one after any rounding
    n_at_percentile = (from_percentile < _DOUBT).sum(axis=1)
    from_edge = np.abs(kurtosis - BIN_WIDTH * np.round(kurtosis / BIN_WIDTH))
    return bool(n_at_percentile.max() <= 1 and from_edge.min() > _DOUBT)


def _exact_kurtosis(lesion: SliceLesion, spline: FloatArray) -> FloatArray:
    """Return the excess kurtosis to the last bit.

    Where the image is 0 far around (an anechoic cyst) the samples, or their fourth powers,
    vanish, and SciPy answers NaN or infinity. pyradiomics measures such an image unless an
    infinity is there or NaN comes first; all of them then are `_NO_SPREAD`.
    """
    sphere = _sphere()
    n_pixels, n_offsets = len(lesion.values), len(sphere.offsets)
    kurtosis = np.empty(n_pixels)
    for start in range(0, n_pixels, _AT_ONCE):
        chosen = slice(start, min(start + _AT_ONCE, n_pixels))
        wanted = np.zeros((n_pixels, n_offsets), dtype=bool)
        wanted[chosen] = True
        samples = np.zeros((chosen.stop - chosen.start, len(sphere.in_slice)))
        exact = _exact_samples(lesion, spline, sphere.offsets, wanted)
        samples[:, sphere.in_slice] = exact.reshape(-1, n_offsets)
        kurtosis[chosen] = stats.kurtosis(samples, axis=1)
    if np.isinf(kurtosis).any() or np.isnan(kurtosis[0]):
        kurtosis[~np.isfinite(kurtosis)] = _NO_SPREAD
    return kurtosis


def uniform_patterns(lesion: SliceLesion) -> FloatArray:
    """Return the pattern at every pixel of the lesion in raster order, (n_pixels,).

    A pattern is the number of points on the circle (0 to 8) that are at least as bright as the
    pixel, or 9 where bright and dark change more than twice.

    References
    ----------
    Ojala T, Pietikainen M, Maenpaa T. IEEE Trans Pattern Anal Mach Intell 2002;24:971.
    doi:10.1109/TPAMI.2002.1017623
    """
    angles = 2 * np.pi * np.arange(_N_CIRCLE) / _N_CIRCLE
    points = np.round([-np.sin(angles), np.cos(angles)], 5).T
    values = lesion.values
    bright = np.stack([_bilinear(lesion, *point) - values >= 0 for point in points], axis=1)
    n_changes = (bright[:, 1:] != bright[:, :-1]).sum(axis=1)
    patterns = np.where(n_changes <= 2, bright.sum(axis=1), _N_CIRCLE + 1)
    return np.asarray(patterns, dtype=np.float64)


def _bilinear(lesion: SliceLesion, row_offset: float, column_offset: float) -> FloatArray:
    """Return the image at an offset from every pixel of the lesion, (n_pixels,)."""
    r, c = lesion.places[0] + row_offset, lesion.places[1] + column_offset
    framed = np.pad(lesion.image[lesion.around(2)[0]], 2)
    row_0, column_0 = (extent.start - 2 for extent in lesion.around(2)[0])

    def pixel(r: FloatArray, c: FloatArray) -> FloatArray:
        levels: FloatArray = framed[r.astype(np.intp) - row_0, c.astype(np.intp) - column_0]
        return levels

    above, below, left, right = np.floor(r), np.ceil(r), np.floor(c), np.ceil(c)
    down, along = r - above, c - left
    top = (1 - along) * pixel(above, left) + along * pixel(above, right)
    bottom = (1 - along) * pixel(below, left) + along * pixel(below, right)
    values: FloatArray = (1 - down) * top + down * bottom
    return values
