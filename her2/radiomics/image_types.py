"""The filtered images of a slice, at the lesion's pixels only, equal to pyradiomics' filters.

pyradiomics filters the whole image and crops afterwards. What a filter needs of the rest of the
image is little: its largest grey level (point filters), the neighbouring pixels (gradient), or
half a filter length (wavelet); `wavelet_bands` and `her2.radiomics.local_patterns` say how the
last two families stay equal to the last bit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pywt
import SimpleITK as sitk
from numpy.typing import NDArray

from her2.core.errors import InputProblem
from her2.radiomics.local_patterns import local_patterns, uniform_patterns
from her2.radiomics.parameters import LOG_SIGMAS_MM
from her2.radiomics.roi import FloatArray, SliceLesion

# float32 for the gradient, as SimpleITK computes it; float64 for all others
Values = NDArray[np.floating]

_WAVELET = "coif1"
_ROOM = 10  # pixels; the filter has six taps
_BANDS = ("LLH", "LHL", "LHH", "HLL", "HLH", "HHL", "HHH", "LLL")  # letters: x, y, z
_PLANE_BANDS = ("LH", "HL", "HH", "LL")  # x, y
_LETTERS = str.maketrans("ad", "LH")


def volume_filters(lesion: SliceLesion) -> Iterator[tuple[str, Values]]:
    """Yield (image type, values of the lesion's pixels) of a slice as a volume one slice thick.

    Image types are `her2.radiomics.parameters.IMAGE_TYPES`, in that order; pixels in raster order.
    """
    yield "original", lesion.values
    yield from wavelet_bands(lesion)
    yield from point_filters(lesion)
    yield "gradient", gradient_magnitude(lesion)
    yield from local_patterns(lesion)


def plane_filters(lesion: SliceLesion) -> Iterator[tuple[str, Values]]:
    """Yield (image type, values of the lesion's pixels) of a slice as a plane.

    Image types are `her2.radiomics.parameters.PLANE_IMAGE_TYPES`, in that order.
    """
    yield "original", lesion.values
    yield from plane_wavelet_bands(lesion)
    yield from laplacians_of_gaussian(lesion)
    yield from point_filters(lesion)
    yield "gradient", gradient_magnitude(lesion)
    yield "lbp-2D", uniform_patterns(lesion)


def point_filters(lesion: SliceLesion) -> Iterator[tuple[str, FloatArray]]:
    """Yield (image type, values of the lesion's pixels) of the filters that look at one pixel."""
    largest = np.array([max(abs(lesion.image.max()), abs(lesion.image.min()))])
    for image_type, point_filter in POINT_FILTERS.items():
        yield image_type, point_filter(lesion.values, largest)


# of the grey levels x and the largest magnitude m, (1,), in the whole image, not in the lesion
POINT_FILTERS: dict[str, Callable[[FloatArray, FloatArray], FloatArray]] = {
    "square": lambda x, m: (1 / np.sqrt(m) * x) ** 2,
    "squareroot": lambda x, m: np.sign(x) * np.sqrt(np.abs(x) * m),
    "logarithm": lambda x, m: np.sign(x) * np.log(np.abs(x) + 1) * (m / np.log(m + 1)),
    "exponential": lambda x, m: np.exp(np.log(m) / m * x),
}


def gradient_magnitude(lesion: SliceLesion) -> NDArray[np.float32]:
    """Return the gradient's magnitude per millimetre at the lesion's pixels, (n_pixels,)."""
    grown, within = lesion.around(1)
    surrounding = sitk.GetImageFromArray(lesion.image[grown][np.newaxis])
    row_mm, column_mm = lesion.spacing_mm
    surrounding.SetSpacing((column_mm, row_mm, 1.0))
    magnitude = sitk.GetArrayFromImage(sitk.GradientMagnitude(surrounding))[0]
    values: NDArray[np.float32] = magnitude[within][lesion.inside]
    return values


def laplacians_of_gaussian(lesion: SliceLesion) -> Iterator[tuple[str, Values]]:
    """Yield (``log-sigma-<sigma>-mm-3D``, values) of every width; pyradiomics names them 3D."""
    row_mm, column_mm = lesion.spacing_mm
    needed = [max(4, np.ceil(LOG_SIGMAS_MM[-1] / mm) + 1) for mm in lesion.spacing_mm]
    if any(length < least for length, least in zip(lesion.image.shape, needed, strict=True)):
        raise InputProblem(
            "M15",
            f"an image of {lesion.image.shape} pixels is too small for the Laplacian of Gaussian "
            f"of {LOG_SIGMAS_MM[-1]:g} mm",
            "give the whole image, not a crop of the lesion",
        )
    whole = sitk.GetImageFromArray(lesion.image)
    whole.SetSpacing((column_mm, row_mm))
    for sigma in LOG_SIGMAS_MM:
        response = sitk.LaplacianRecursiveGaussian(whole, sigma=sigma, normalizeAcrossScale=True)
        name = f"log-sigma-{str(sigma).replace('.', '-')}-mm-3D"
        yield name, sitk.GetArrayFromImage(response)[lesion.box][lesion.inside]


def wavelet_bands(lesion: SliceLesion) -> Iterator[tuple[str, FloatArray]]:
    """Yield (``wavelet-<band>``, values of the lesion's pixels) of the slice as a volume.

    pyradiomics transforms the whole image with undecimated coif1, which it first pads to even
    lengths by repetition. In a volume the one slice becomes two equal ones: four of eight bands,
    high-pass along z, are rounding noise, and their texture is the sign of that noise. Hence every
    sum must be formed in the same order. It is, where the filter does not reach across an edge,
    for any crop of even length that leaves room for the filter; a lesion nearer to an edge keeps
    that whole axis.
    """
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
