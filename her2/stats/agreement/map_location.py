"""What a saliency map says of a lesion: where it lies, and whether the model uses what it marks.

A saliency map gives each pixel a number: the larger, the more the pixel speaks for the outcome.
Numbers about the place take the map's positive part, as Grad-CAM does; the order in which pixels
are removed, and the likeness of two maps, take the map as it is.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import rankdata

from her2.core.errors import BadArgument, NotEstimable
from her2.stats.validation import BoolArray, FloatArray


def upsampled(saliency: ArrayLike, shape: tuple[int, int]) -> FloatArray:
    """Coarse map as an image of `shape`, bilinearly between the centres of its cells.

    The rule of image libraries for pixels with area (`align_corners=False` in PyTorch): beyond
    the outer centres the map is constant.

    Parameters
    ----------
    saliency
        Map (h, w).
    shape
        (H, W) of the result.

    Raises
    ------
    BadArgument
        If the map is no matrix, or the shape is not positive.

    References
    ----------
    Selvaraju et al. (2020), Int. J. Comput. Vis. 128:336, doi:10.1007/s11263-019-01228-7,
    section 3.

    Examples
    --------
    >>> upsampled([[0.0, 1.0]], (1, 4)).tolist()
    [[0.0, 0.25, 0.75, 1.0]]
    """
    coarse = _matrix(saliency, "saliency")
    if min(shape) < 1:
        raise BadArgument(f"shape must be positive, found {shape}; give (height, width)")
    rows = _between_centres(coarse.shape[0], shape[0])
    columns = _between_centres(coarse.shape[1], shape[1])
    image: FloatArray = rows @ coarse @ columns.T
    return image


def share_inside(saliency: ArrayLike, mask: ArrayLike) -> float:
    """Share of a map's positive part that lies inside a mask, 0 to 1.

    Parameters
    ----------
    saliency
        Map (H, W).
    mask
        (H, W) bool, True inside the lesion.

    Raises
    ------
    BadArgument
        If the shapes differ, the mask is not boolean or a value is not finite.
    NotEstimable
        If nothing in the map is positive.

    References
    ----------
    Selvaraju et al. (2020), Int. J. Comput. Vis. 128:336, doi:10.1007/s11263-019-01228-7.

    Examples
    --------
    >>> share_inside([[3.0, 1.0], [0.0, -2.0]], np.array([[True, False], [True, True]]))
    0.75
    """
    positive, inside = _placed(saliency, mask)
    return float(positive[inside].sum() / positive.sum())


def enrichment(saliency: ArrayLike, mask: ArrayLike) -> float:
    """Share of a map inside a mask, over the mask's share of the image: 1 is no preference.

    Parameters
    ----------
    saliency, mask
        As in `share_inside`.

    Raises
    ------
    BadArgument, NotEstimable
        As in `share_inside`, and if the mask is empty.

    References
    ----------
    Selvaraju et al. (2020), Int. J. Comput. Vis. 128:336, doi:10.1007/s11263-019-01228-7.

    Examples
    --------
    >>> enrichment([[3.0, 1.0], [0.0, 0.0]], np.array([[True, False], [False, False]]))
    3.0
    """
    positive, inside = _placed(saliency, mask)
    if not inside.any():
        raise NotEstimable("an enrichment needs a lesion in the image, found an empty mask")
    return float(positive[inside].sum() / positive.sum() / inside.mean())


def points_inside(saliency: ArrayLike, mask: ArrayLike) -> bool:
    """Whether the largest value of a map lies inside a mask: a hit of the pointing game.

    Where several pixels share the largest value, all of them must lie inside.

    Parameters
    ----------
    saliency, mask
        As in `share_inside`.

    Raises
    ------
    BadArgument, NotEstimable
        As in `share_inside`, and if the map points nowhere: all values are equal.

    References
    ----------
    Zhang et al. (2018), Int. J. Comput. Vis. 126:1084, doi:10.1007/s11263-017-1059-x,
    section 4.2, without a tolerance around the mask.

    Examples
    --------
    >>> points_inside([[3.0, 1.0]], np.array([[True, False]]))
    True
    """
    positive, inside = _placed(saliency, mask)
    if positive.min() == positive.max():
        raise NotEstimable(f"a map that points needs values that differ, found {positive.max():g}")
    return bool(inside[positive == positive.max()].all())


def with_largest_replaced(
    image: ArrayLike, replacement: ArrayLike, saliency: ArrayLike, shares: ArrayLike
) -> FloatArray:
    """Image with the pixels of the largest saliency taken from another one: (k, H, W).

    With the image first and a blurred copy as the replacement it is the deletion game, the other
    way round the insertion game.

    Parameters
    ----------
    image, replacement
        (H, W) each.
    saliency
        Map (H, W); equal values leave in reading order.
    shares
        (k,) shares of the pixels that are replaced, 0 to 1.

    Raises
    ------
    BadArgument
        If the shapes differ, or a share is outside [0, 1].

    References
    ----------
    Petsiuk et al. (2018), BMVC, doi:10.48550/arXiv.1806.07421, section 4.

    Examples
    --------
    >>> with_largest_replaced([[1, 2]], [[9, 9]], [[0.1, 0.7]], [0.0, 0.5, 1.0]).tolist()
    [[[1.0, 2.0]], [[1.0, 9.0]], [[9.0, 9.0]]]
    """
    arrays = [_matrix(image, "image"), _matrix(replacement, "replacement")]
    order = _matrix(saliency, "saliency")
    if len({array.shape for array in (*arrays, order)}) > 1:
        raise BadArgument(
            f"image, replacement and saliency must have one shape, found {arrays[0].shape}, "
            f"{arrays[1].shape} and {order.shape}; bring them to one size"
        )
    part = np.asarray(shares, dtype=np.float64)
    if part.ndim != 1 or not ((part >= 0) & (part <= 1)).all():
        raise BadArgument(f"shares must be a list of numbers in [0, 1], found {part}")
    place = np.empty(order.size, dtype=np.intp)
    place[np.argsort(-order.ravel(), kind="stable")] = np.arange(order.size)
    leaves = place.reshape(order.shape) < np.rint(part * order.size)[:, None, None]
    return np.where(leaves, arrays[1], arrays[0])


def area_under_steps(scores: ArrayLike) -> float:
    """Area under scores at equal steps from none to all of the pixels: their weighted mean.

    Parameters
    ----------
    scores
        (k,) scores of the model, k of at least 2, with shares 0, 1 / (k - 1), ..., 1 replaced.

    Raises
    ------
    BadArgument
        If there are fewer than two scores.
    NotEstimable
        If a score is not finite.

    References
    ----------
    Petsiuk et al. (2018), BMVC, doi:10.48550/arXiv.1806.07421, section 4.

    Examples
    --------
    >>> area_under_steps([1.0, 0.5, 0.0])
    0.5
    """
    values = np.asarray(scores, dtype=np.float64)
    if values.ndim != 1 or values.size < 2:
        raise BadArgument(f"scores must be two or more in a row, found shape {values.shape}")
    if not np.isfinite(values).all():
        raise NotEstimable("the area under scores needs finite ones, found others")
    return float(np.trapezoid(values) / (values.size - 1))


def rank_correlation(first: ArrayLike, second: ArrayLike) -> float:
    """Spearman's correlation of two maps, cell by cell: 1 is the same order.

    Parameters
    ----------
    first, second
        Maps (h, w).

    Raises
    ------
    BadArgument
        If the shapes differ or a value is not finite.
    NotEstimable
        If a map is flat.

    References
    ----------
    Spearman (1904), Am. J. Psychol. 15:72, doi:10.2307/1412159.
    Adebayo et al. (2018), NeurIPS 31:9505, doi:10.48550/arXiv.1810.03292, section 3: of maps
    before and after weights are randomised.

    Examples
    --------
    >>> round(rank_correlation([[1.0, 2.0], [3.0, 4.0]], [[1.0, 2.0], [4.0, 3.0]]), 3)
    0.8
    """
    a, b = _matrix(first, "first"), _matrix(second, "second")
    if a.shape != b.shape:
        raise BadArgument(f"maps must have one shape, found {a.shape} and {b.shape}")
    if a.min() == a.max() or b.min() == b.max():
        raise NotEstimable("the correlation of maps needs values that differ, found a flat map")
    ranks = [rankdata(values.ravel()) for values in (a, b)]
    return float(np.corrcoef(*ranks)[0, 1])


def _placed(saliency: ArrayLike, mask: ArrayLike) -> tuple[FloatArray, BoolArray]:
    """Return the map's positive part and the mask, of one shape."""
    values, inside = _matrix(saliency, "saliency"), np.asarray(mask)
    if inside.dtype != np.bool_ or inside.shape != values.shape:
        raise BadArgument(
            f"the mask must be boolean and of the map's shape {values.shape}, found "
            f"{inside.dtype} and {inside.shape}; bring both to one size"
        )
    positive = np.maximum(values, 0.0)
    if not positive.any():
        raise NotEstimable("a place needs a map with a positive value, found none")
    return positive, inside


def _matrix(values: ArrayLike, name: str) -> FloatArray:
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 2 or array.size == 0 or not np.isfinite(array).all():
        raise BadArgument(
            f"{name} must be finite numbers of shape (H, W), found shape {array.shape}; give one "
            "map or image"
        )
    return array


def _between_centres(n: int, size: int) -> FloatArray:
    """Weights (size, n) of n cells at the centres of `size` pixels over the same length."""
    place = np.clip((np.arange(size) + 0.5) * n / size - 0.5, 0, n - 1)
    weights: FloatArray = np.maximum(1 - np.abs(place[:, None] - np.arange(n)), 0.0)
    return weights
