"""How alike two images are: peak signal-to-noise ratio and structural similarity."""

from __future__ import annotations

from math import inf, log10

import numpy as np
from numpy.typing import ArrayLike
from scipy import ndimage

from her2.core.errors import BadArgument
from her2.stats.validation import FloatArray

SSIM_SD = 1.5  # of the Gaussian window, which ends after 5 pixels: 11 x 11
SSIM_RADIUS = 5
K1, K2 = 0.01, 0.03


def psnr(reference: ArrayLike, image: ArrayLike, *, data_range: float = 255.0) -> float:
    """Peak signal-to-noise ratio in decibels, infinite for equal images.

    Parameters
    ----------
    reference, image
        Grey levels of one shape.
    data_range
        From the lowest to the highest grey level that there can be.

    Raises
    ------
    BadArgument
        The shapes differ, an image is empty, or a value is not finite or the range not positive.

    References
    ----------
    Huynh-Thu & Ghanbari (2008), Electron. Lett. 44:800, doi:10.1049/el:20080522 (what it can and
    cannot say).

    Examples
    --------
    >>> round(psnr([[0, 10]], [[0, 0]], data_range=100), 4)  # 10 lg(100^2 / 50)
    23.0103
    """
    first, second = _checked(reference, image, data_range)
    error = float(np.mean((first - second) ** 2))
    return inf if error == 0 else 10.0 * log10(data_range**2 / error)


def ssim(reference: ArrayLike, image: ArrayLike, *, data_range: float = 255.0) -> float:
    """Mean structural similarity, at most 1, over all windows that lie inside the image.

    Parameters
    ----------
    reference, image
        Grey levels of one shape (H, W), at least 11 x 11.
    data_range
        From the lowest to the highest grey level that there can be.

    Raises
    ------
    BadArgument
        As `psnr`, or the images are smaller than the window.

    References
    ----------
    Wang Z. et al. Image quality assessment: from error visibility to structural similarity. IEEE
    Trans Image Process 2004;13:600. doi:10.1109/TIP.2003.819861 (Gaussian window of sd 1.5).

    Examples
    --------
    >>> image = np.add.outer(np.arange(12.0), np.arange(12.0))
    >>> ssim(image, image), round(ssim(image, 22 - image), 3) < 0.999
    (1.0, True)
    """
    first, second = _checked(reference, image, data_range)
    if first.ndim != 2 or min(first.shape) < 2 * SSIM_RADIUS + 1:
        raise BadArgument(
            f"expected images (H, W) of at least 11 x 11 pixels, found {first.shape}; give the "
            "whole image"
        )
    mean_1, mean_2 = _local_mean(first), _local_mean(second)
    variance = _local_mean(first**2) - mean_1**2 + _local_mean(second**2) - mean_2**2
    covariance = _local_mean(first * second) - mean_1 * mean_2
    c1, c2 = (K1 * data_range) ** 2, (K2 * data_range) ** 2
    brightness = (2 * mean_1 * mean_2 + c1) / (mean_1**2 + mean_2**2 + c1)
    structure = (2 * covariance + c2) / (variance + c2)
    return float(np.mean(brightness * structure))


def _local_mean(values: FloatArray) -> FloatArray:
    r = SSIM_RADIUS
    smooth = ndimage.gaussian_filter(values, SSIM_SD, radius=r)
    return np.asarray(smooth[r:-r, r:-r])


def _checked(
    reference: ArrayLike, image: ArrayLike, data_range: float
) -> tuple[FloatArray, FloatArray]:
    first = np.asarray(reference, dtype=np.float64)
    second = np.asarray(image, dtype=np.float64)
    if first.shape != second.shape or not first.size or not data_range > 0:
        raise BadArgument(
            "expected two images of one shape and a positive data_range, found "
            f"{first.shape}, {second.shape} and {data_range:g}; crop them alike"
        )
    if not (np.isfinite(first).all() and np.isfinite(second).all()):
        raise BadArgument("expected finite grey levels, found others; export the image again")
    return first, second
