"""How well two readers' masks of a lesion agree, and which lesions a third reader should see."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.ndimage import binary_erosion
from scipy.spatial import KDTree

from her2.core.errors import BadArgument, NotEstimable
from her2.core.rounding import digits_beside
from her2.stats.agreement.icc import absolute_agreement, mean_squares
from her2.stats.validation import BoolArray

ADJUDICATION_COLUMNS = ["patient_id", "lesion_id", "dice", "hausdorff_mm", "reason"]


def dice(first: ArrayLike, second: ArrayLike) -> float:
    """Dice overlap of two masks.

    Parameters
    ----------
    first, second
        Boolean arrays of one shape, True = inside.

    Returns
    -------
    float
        In [0, 1]; 1 = identical.

    Raises
    ------
    NotEstimable
        If both masks are empty.
    BadArgument
        If the shapes differ or a mask is not boolean.

    References
    ----------
    Dice (1945), Ecology 26:297, doi:10.2307/1932409.

    Examples
    --------
    >>> dice([True, True, False], [True, False, False])
    0.6666666666666666
    """
    a, b = _mask_pair(first, second)
    total = int(a.sum()) + int(b.sum())
    if total == 0:
        raise NotEstimable("the Dice overlap needs a non-empty mask, found two empty ones")
    return 2 * int((a & b).sum()) / total


def mask_icc(first: ArrayLike, second: ArrayLike) -> float:
    """Intraclass correlation of two readers' masks of one lesion: "ICC per case".

    A convention of this package: studies that report an ICC of a delineation rarely say of what.
    Here the subjects are the pixels of the smallest box that holds both masks, grown by one
    pixel on each side so that there always is background; the ratings are 1 inside and 0 outside
    a reader's mask; the form is ICC(2,1), absolute agreement. Background that both readers leave
    out far from the lesion would raise the value without limit, hence the box. Neighbouring
    pixels are not independent, so no interval is given.

    Parameters
    ----------
    first, second
        As in `dice`.

    Returns
    -------
    float
        At most 1 = identical; negative where masks overlap less than by chance.

    Raises
    ------
    NotEstimable, BadArgument
        As `dice`.

    References
    ----------
    McGraw & Wong (1996), Psychol. Methods 1:30, doi:10.1037/1082-989X.1.1.30.

    Examples
    --------
    >>> round(mask_icc([[True, True, False]], [[True, False, False]]), 3)
    0.645
    """
    a, b = _mask_pair(first, second)
    if not (a.any() or b.any()):
        raise NotEstimable("an ICC of masks needs a non-empty mask, found two empty ones")
    ratings = np.stack([box.ravel() for box in _both_boxes(a, b)], axis=1)
    return float(absolute_agreement(mean_squares(ratings[np.newaxis].astype(np.float64)))[0])


def adjudication_list(
    table: pd.DataFrame,
    *,
    dice_limit: float = 0.75,
    icc_limit: float = 0.75,
    hausdorff_limit_mm: float | None = None,
) -> pd.DataFrame:
    """Lesions on which two readers disagree so much that a third should decide, worst first.

    Parameters
    ----------
    table
        One row a lesion: patient_id, lesion_id, dice, hausdorff_mm, and optionally icc (of
        `mask_icc`). A missing dice or icc is itself a reason; a missing distance is none, as the
        spacing may be unknown.
    dice_limit, icc_limit
        Lesions below one of them are listed.
    hausdorff_limit_mm
        Lesions above it are listed; None leaves the distance out.

    Returns
    -------
    DataFrame
        patient_id, lesion_id, dice, hausdorff_mm, reason; by ascending Dice.

    Raises
    ------
    BadArgument
        If a column is missing or a limit is not in its range.

    References
    ----------
    Zijdenbos et al. (1994), IEEE Trans. Med. Imaging 13:716, doi:10.1109/42.363096 (Dice of .7
    as good overlap); the limits are the user's to choose.

    Examples
    --------
    >>> rows = [["P1", "1", 0.9, 1.0], ["P2", "1", 0.6, 4.0]]
    >>> table = pd.DataFrame(rows, columns=["patient_id", "lesion_id", "dice", "hausdorff_mm"])
    >>> adjudication_list(table)[["patient_id", "reason"]].values.tolist()
    [['P2', 'Dice 0.600 is below 0.75']]
    """
    for name, limit in (("dice_limit", dice_limit), ("icc_limit", icc_limit)):
        if not 0.0 <= limit <= 1.0:
            raise BadArgument(f"{name} must lie in [0, 1], found {limit}; 0.75 is usual")
    if hausdorff_limit_mm is not None and not hausdorff_limit_mm > 0.0:
        raise BadArgument(
            f"hausdorff_limit_mm must be positive, found {hausdorff_limit_mm}; "
            "pass None to leave the distance out"
        )
    needed = ADJUDICATION_COLUMNS[:-1]
    lacking = [name for name in needed if name not in table]
    if lacking:
        raise BadArgument(
            f"the table must have the columns {', '.join(needed)}, lacks {', '.join(lacking)}"
        )
    found = [_below("Dice", table["dice"], dice_limit)]
    if "icc" in table:
        found.append(_below("ICC", table["icc"], icc_limit))
    if hausdorff_limit_mm is not None:
        found.append(_above(table["hausdorff_mm"], hausdorff_limit_mm))
    reasons = ["; ".join(filter(None, texts)) for texts in zip(*found, strict=True)]
    listed: pd.DataFrame = table[needed].assign(reason=reasons)[np.array(reasons) != ""]
    order = ["dice", "patient_id", "lesion_id"]
    return listed.sort_values(order, na_position="first", ignore_index=True)


def _below(name: str, values: pd.Series, limit: float) -> list[str]:
    """Why each value counts as disagreement, empty where it does not."""
    return [
        f"{name} was not measured"
        if np.isnan(value)
        else f"{name} {value:.{digits_beside(value, limit)}f} is below {limit:g}"
        * bool(value < limit)
        for value in values.astype(np.float64)
    ]


def _above(distances: pd.Series, limit: float) -> list[str]:
    return [
        f"Hausdorff distance {value:.{digits_beside(value, limit, 1)}f} mm is above {limit:g} mm"
        * bool(value > limit)
        for value in distances.astype(np.float64)
    ]


@dataclass(frozen=True)
class HausdorffDistance:
    """Distances between two contours in millimetres, each at least 0; 0 = the same contour.

    Attributes
    ----------
    maximum_mm
        The farthest that a contour pixel lies from the other contour.
    percentile_95_mm
        The larger of the two directions' 95th percentiles.
    mean_surface_mm
        Mean over the contour pixels of both masks.
    """

    maximum_mm: float
    percentile_95_mm: float
    mean_surface_mm: float


def hausdorff_distance(
    first: ArrayLike, second: ArrayLike, *, spacing_mm: Sequence[float]
) -> HausdorffDistance:
    """Symmetric distances between the contours of two masks of one lesion.

    A contour is the pixels of a mask that share an edge with a pixel outside it (or outside the
    image); distances are between pixel centres.

    Parameters
    ----------
    first, second
        Boolean arrays of one shape (y, x) or (z, y, x), True = inside.
    spacing_mm
        Millimetres from one pixel to the next along each axis, positive.

    Returns
    -------
    HausdorffDistance
        The same when the masks change places.

    Raises
    ------
    NotEstimable
        If a mask is empty.
    BadArgument
        If the shapes differ, a mask is not boolean, or the spacing does not fit it.

    References
    ----------
    Huttenlocher, Klanderman & Rucklidge (1993), IEEE Trans. Pattern Anal. Mach. Intell. 15:850,
    doi:10.1109/34.232073. Taha & Hanbury (2015), BMC Med. Imaging 15:29,
    doi:10.1186/s12880-015-0068-x.

    Examples
    --------
    >>> first, second = np.zeros((2, 9, 9), dtype=bool)
    >>> first[2:5, 2:5] = second[2:5, 4:7] = True
    >>> hausdorff_distance(first, second, spacing_mm=(0.5, 0.25)).maximum_mm
    0.5
    """
    a, b = _mask_pair(first, second)
    spacing = np.asarray(spacing_mm, dtype=np.float64)
    if spacing.shape != (a.ndim,) or not (np.isfinite(spacing) & (spacing > 0.0)).all():
        raise BadArgument(
            f"spacing_mm must be {a.ndim} positive lengths, one an axis of the masks, found "
            f"{spacing.tolist()}; give the millimetres from pixel to pixel"
        )
    if not (a.any() and b.any()):
        raise NotEstimable(
            "a distance between contours needs two masks, found an empty one; draw it or leave "
            "the lesion out"
        )
    contours = (box & ~binary_erosion(box) for box in _both_boxes(a, b))
    one, two = (np.argwhere(contour).astype(np.float64) * spacing for contour in contours)
    there, back = KDTree(two).query(one)[0], KDTree(one).query(two)[0]
    return HausdorffDistance(
        maximum_mm=float(max(there.max(), back.max())),
        percentile_95_mm=float(max(np.percentile(there, 95), np.percentile(back, 95))),
        mean_surface_mm=float((there.sum() + back.sum()) / (there.size + back.size)),
    )


def _mask_pair(first: ArrayLike, second: ArrayLike) -> tuple[BoolArray, BoolArray]:
    """Two boolean masks of one shape."""
    a, b = np.asarray(first), np.asarray(second)
    for mask in (a, b):
        if mask.dtype != np.bool_:
            raise BadArgument(
                f"a mask must be boolean, found {mask.dtype}; compare it with its label"
            )
    if a.shape != b.shape:
        raise BadArgument(
            f"masks must have one shape, found {a.shape} and {b.shape}; resample one"
        )
    return a, b


def _both_boxes(first: BoolArray, second: BoolArray) -> tuple[BoolArray, BoolArray]:
    """Both masks in the smallest box that holds them, grown by one pixel of background.

    At least one mask has a pixel. The box may reach over the image's border.
    """
    box = tuple(_extent(first | second, axis) for axis in range(first.ndim))
    return np.pad(first[box], 1), np.pad(second[box], 1)


def _extent(mask: BoolArray, axis: int) -> slice:
    others = tuple(other for other in range(mask.ndim) if other != axis)
    found = np.flatnonzero(mask.any(axis=others))
    return slice(int(found[0]), int(found[-1]) + 1)
