"""How well two readers' masks of a lesion agree, and which lesions a third reader should see."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from her2.core.errors import BadArgument, NotEstimable
from her2.stats.agreement.mask_checks import both_boxes, mask_pair
from her2.stats.agreement.mean_squares import absolute_agreement, mean_squares

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
    a, b = mask_pair(first, second)
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
        Boolean arrays of one shape, True = inside.

    Returns
    -------
    float
        At most 1 = identical; negative where masks overlap less than by chance.

    Raises
    ------
    NotEstimable
        If both masks are empty.
    BadArgument
        If the shapes differ or a mask is not boolean.

    References
    ----------
    McGraw & Wong (1996), Psychol. Methods 1:30, doi:10.1037/1082-989X.1.1.30.

    Examples
    --------
    >>> round(mask_icc([[True, True, False]], [[True, False, False]]), 3)
    0.645
    """
    a, b = mask_pair(first, second)
    if not (a.any() or b.any()):
        raise NotEstimable("an ICC of masks needs a non-empty mask, found two empty ones")
    ratings = np.stack([box.ravel() for box in both_boxes(a, b)], axis=1)
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
    _check_limits(dice_limit, icc_limit, hausdorff_limit_mm)
    needed = ADJUDICATION_COLUMNS[:-1]
    lacking = [name for name in needed if name not in table]
    if lacking:
        raise BadArgument(
            f"the table must have the columns {', '.join(needed)}, lacks {', '.join(lacking)}"
        )
    reasons = _below("Dice", table["dice"], dice_limit)
    if "icc" in table:
        reasons = _joined(reasons, _below("ICC", table["icc"], icc_limit))
    if hausdorff_limit_mm is not None:
        reasons = _joined(reasons, _above(table["hausdorff_mm"], hausdorff_limit_mm))
    listed: pd.DataFrame = table[needed].assign(reason=reasons)[np.array(reasons) != ""]
    order = ["dice", "patient_id", "lesion_id"]
    return listed.sort_values(order, na_position="first", ignore_index=True)


def _check_limits(dice_limit: float, icc_limit: float, hausdorff_limit_mm: float | None) -> None:
    for name, limit in (("dice_limit", dice_limit), ("icc_limit", icc_limit)):
        if not 0.0 <= limit <= 1.0:
            raise BadArgument(f"{name} must lie in [0, 1], found {limit}; 0.75 is usual")
    if hausdorff_limit_mm is not None and not hausdorff_limit_mm > 0.0:
        raise BadArgument(
            f"hausdorff_limit_mm must be positive, found {hausdorff_limit_mm}; "
            "pass None to leave the distance out"
        )


def _below(name: str, values: pd.Series, limit: float) -> list[str]:
    """Why each value counts as disagreement, empty where it does not."""
    return [
        f"{name} was not measured"
        if np.isnan(value)
        else f"{name} {value:.3f} is below {limit:g}" * bool(value < limit)
        for value in values.astype(np.float64)
    ]


def _above(distances: pd.Series, limit: float) -> list[str]:
    return [
        f"Hausdorff distance {value:.1f} mm is above {limit:g} mm" * bool(value > limit)
        for value in distances.astype(np.float64)
    ]


def _joined(first: list[str], second: list[str]) -> list[str]:
    return ["; ".join(filter(None, pair)) for pair in zip(first, second, strict=True)]
