"""The filtered images of a slice, at the lesion's pixels only, equal to pyradiomics' filters.

pyradiomics filters the whole image and crops afterwards. What a filter needs of the rest of the
image is little: its largest grey level (point filters), the neighbouring pixels (gradient), or
half a filter length (wavelet); `her2.radiomics.wavelet` and `her2.radiomics.local_patterns` say
how the last two families stay equal to the last bit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from her2.core.errors import InputProblem
from her2.radiomics.local_patterns import local_patterns, uniform_patterns
from her2.radiomics.parameters import LOG_SIGMAS_MM
from her2.radiomics.roi import FloatArray, SliceLesion
from her2.radiomics.wavelet import plane_wavelet_bands, wavelet_bands

# float32 for the gradient, as SimpleITK computes it; float64 for all others
Values = NDArray[np.floating]


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
    largest = _largest_magnitude(lesion.image)
    for image_type, point_filter in POINT_FILTERS.items():
        yield image_type, point_filter(lesion.values, largest)


def _largest_magnitude(image: FloatArray) -> FloatArray:
    """Return the largest absolute grey level of the whole image, shape (1,)."""
    return np.array([max(abs(image.max()), abs(image.min()))])


def _square(values: FloatArray, largest: FloatArray) -> FloatArray:
    squared: FloatArray = (1 / np.sqrt(largest) * values) ** 2
    return squared


def _square_root(values: FloatArray, largest: FloatArray) -> FloatArray:
    roots: FloatArray = np.sign(values) * np.sqrt(np.abs(values) * largest)
    return roots


def _logarithm(values: FloatArray, largest: FloatArray) -> FloatArray:
    logarithms: FloatArray = np.sign(values) * np.log(np.abs(values) + 1)
    scale: FloatArray = largest / np.log(largest + 1)
    return logarithms * scale


def _exponential(values: FloatArray, largest: FloatArray) -> FloatArray:
    exponentials: FloatArray = np.exp(np.log(largest) / largest * values)
    return exponentials


# of the grey levels and the largest magnitude in the whole image, not in the lesion
POINT_FILTERS: dict[str, Callable[[FloatArray, FloatArray], FloatArray]] = {
    "square": _square,
    "squareroot": _square_root,
    "logarithm": _logarithm,
    "exponential": _exponential,
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
    """Yield (``log-sigma-<sigma>-mm-3D``, values) of every width; pyradiomics names them 3D.

    Raises
    ------
    InputProblem
        The image has fewer than four pixels on an axis, or is narrower than a filter.
    """
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
