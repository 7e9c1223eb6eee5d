"""The undecimated coif1 bands of a slice, at the lesion's pixels, equal to the last bit.

pyradiomics transforms the whole image, which it first pads to even lengths by repetition. In a
volume the one slice becomes two equal ones: four of eight bands, high-pass along z, are rounding
noise, and their texture is the sign of that noise. Hence every sum must be formed in the same
order. It is, where the filter does not reach across an edge, for any crop of even length that
leaves room for the filter; a lesion nearer to an edge keeps that whole axis.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pywt
from numpy.typing import NDArray

from her2.radiomics.roi import FloatArray, SliceLesion

_WAVELET = "coif1"
_ROOM = 10  # pixels; the filter has six taps
_BANDS = ("LLH", "LHL", "LHH", "HLL", "HLH", "HHL", "HHH", "LLL")  # letters: x, y, z
_PLANE_BANDS = ("LH", "HL", "HH", "LL")  # x, y
_LETTERS = str.maketrans("ad", "LH")


def wavelet_bands(lesion: SliceLesion) -> Iterator[tuple[str, FloatArray]]:
    """Yield (``wavelet-<band>``, values of the lesion's pixels) of the slice as a volume."""
    bands: dict[str, FloatArray] = {}
    for name, values in _in_plane(lesion).items():
        low, high = _through_plane(values)
        bands |= {f"{name}L": low, f"{name}H": high}
    for name in _BANDS:
        yield f"wavelet-{name}", bands[name]


def plane_wavelet_bands(lesion: SliceLesion) -> Iterator[tuple[str, FloatArray]]:
    """Yield (``wavelet-<band>``, values of the lesion's pixels) of the slice as a plane."""
    bands = _in_plane(lesion)
    for name in _PLANE_BANDS:
        yield f"wavelet-{name}", bands[name]


def _in_plane(lesion: SliceLesion) -> dict[str, FloatArray]:
    """Return the four bands at the lesion's pixels by name, each (n_pixels,)."""
    rows, columns = map(_span, lesion.box, lesion.image.shape)
    inside = lesion.mask[np.ix_(rows, columns)]
    inside[len(rows) - _n_repeated(rows) :] = False
    inside[:, len(columns) - _n_repeated(columns) :] = False
    crop = lesion.image[np.ix_(rows, columns)]
    bands = pywt.swtn(crop, _WAVELET, level=1, axes=(1, 0))[0]
    return {name.translate(_LETTERS): band[inside] for name, band in bands.items()}


def _span(extent: slice, length: int) -> NDArray[np.intp]:
    """Return the indices of an even number of pixels that give a box the right coefficients."""
    start, stop = extent.start - _ROOM, extent.stop + _ROOM
    start -= start % 2
    stop += stop % 2
    if start < 0 or stop > length:
        whole = np.arange(length)
        return np.append(whole, 0) if length % 2 else whole
    return np.arange(start, stop)


def _n_repeated(indices: NDArray[np.intp]) -> int:
    """Return 1 if the first pixel was repeated at the end, else 0."""
    return int(indices[-1] == 0)


def _through_plane(values: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the low and high pass of values along two equal slices, each (n_pixels,)."""
    pairs = np.repeat(values[:, np.newaxis], 2, axis=1)
    low, high = pywt.swt(pairs, _WAVELET, level=1, axis=1)[0]
    return low[:, 0], high[:, 0]
