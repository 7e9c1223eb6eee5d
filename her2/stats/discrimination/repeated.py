"""AUC over repeats of cross-validation, and comparisons that respect what the repeats share.

Repeats reuse the same patients, so they are no independent samples: averaging them removes the
noise of the random folds and adds no information about the population. The intervals here are
therefore as wide as those of one sample of that many patients.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import norm

from her2.core.errors import BadArgument
from her2.stats import validation
from her2.stats.discrimination.auc import Placements, placements
from her2.stats.discrimination.delong import DelongTest, paired_test
from her2.stats.validation import BoolArray


@dataclass(frozen=True)
class RepeatedAuc:
    """Mean AUC over repeats of cross-validation.

    Attributes
    ----------
    auc, low, high
        Mean AUC and its limits, in [0, 1].
    variance
        DeLong's, of the mean AUC.
    sd_between_repeats
        How much the random folds matter, no standard error; None for one repeat.
    lowest, highest
        Of `per_repeat`.
    per_repeat
        AUC of each repeat.
    """

    auc: float
    low: float
    high: float
    variance: float
    sd_between_repeats: float | None
    lowest: float
    highest: float
    per_repeat: tuple[float, ...]


def repeated_auc(y_true: ArrayLike, y_prob: ArrayLike, *, level: float = 0.95) -> RepeatedAuc:
    """Mean AUC of repeated out-of-fold predictions, with an interval over patients.

    The mean over repeats of the AUC is the mean of each patient's placement averaged over
    repeats, so its DeLong variance is that of the averaged placements. With one repeat, or
    repeats that rank alike, it is DeLong's. It covers the sampling of the patients who are
    predicted, not that of the patients the models were fitted on, for which cross-validation has
    no unbiased estimate (Bengio & Grandvalet 2004).

    Parameters
    ----------
    y_true
        Shape (n,), 0 or 1, at least two of each.
    y_prob
        Shape (n_repeats, n), finite: in each row one out-of-fold prediction a case.
    level
        Confidence level in (0, 1).

    Raises
    ------
    NotEstimable
        If a class has fewer than two cases, or a repeat has a missing or only equal predictions.
    BadArgument
        If the shapes differ or the level is not in (0, 1).

    References
    ----------
    DeLong, DeLong & Clarke-Pearson (1988), Biometrics 44:837, doi:10.2307/2531595.
    Bengio & Grandvalet (2004), J. Mach. Learn. Res. 5:1089,
    https://www.jmlr.org/papers/v5/grandvalet04a.html.

    Examples
    --------
    >>> y = [0, 0, 0, 1, 1, 1]
    >>> result = repeated_auc(y, [[1, 4, 5, 3, 8, 9], [1, 4, 2, 3, 8, 9]])
    >>> round(result.auc, 3), round(result.low, 3), result.high
    (0.833, 0.456, 1.0)
    >>> [round(value, 3) for value in result.per_repeat]
    [0.778, 0.889]
    """
    validation.check_level(level)
    positive = validation.outcome(y_true)
    each = _each_repeat(positive, y_prob, "y_prob")
    mean = _mean(each)
    per_repeat = tuple(placed.auc for placed in each)
    half_width = float(norm.isf((1.0 - level) / 2.0)) * sqrt(mean.variance)
    return RepeatedAuc(
        auc=mean.auc,
        low=max(0.0, mean.auc - half_width),
        high=min(1.0, mean.auc + half_width),
        variance=mean.variance,
        sd_between_repeats=float(np.std(per_repeat, ddof=1)) if len(each) > 1 else None,
        lowest=min(per_repeat),
        highest=max(per_repeat),
        per_repeat=per_repeat,
    )


def repeated_delong_test(
    y_true: ArrayLike, first: ArrayLike, second: ArrayLike, *, level: float = 0.95
) -> DelongTest:
    """DeLong's paired test of the mean AUCs of two sets of repeated predictions.

    Parameters
    ----------
    y_true
        Shape (n,), 0 or 1, at least two of each.
    first, second
        Shape (n_repeats, n) each, finite, with cases in the order of `y_true`; the numbers of
        repeats may differ.
    level
        Confidence level of the limits of the difference, in (0, 1).

    Returns
    -------
    DelongTest
        From the placements averaged over repeats, as in `repeated_auc`; z = 0 and p = 1 if these
        agree.

    Raises
    ------
    NotEstimable
        If a class has fewer than two cases, a repeat has a missing or only equal predictions, or
        the mean AUCs differ while the variance of the difference is 0.
    BadArgument
        If the shapes differ or the level is not in (0, 1).

    References
    ----------
    DeLong, DeLong & Clarke-Pearson (1988), Biometrics 44:837, doi:10.2307/2531595.

    Examples
    --------
    >>> y = [0, 0, 0, 1, 1, 1]
    >>> test = repeated_delong_test(y, [[1, 4, 2, 3, 8, 9]] * 2, [[6, 4, 2, 3, 8, 5]] * 3)
    >>> round(test.difference, 3), round(test.z, 3), round(test.p_value, 3)
    (0.222, 0.894, 0.371)
    """
    validation.check_level(level)
    positive = validation.outcome(y_true)
    one = _mean(_each_repeat(positive, first, "first score"))
    two = _mean(_each_repeat(positive, second, "second score"))
    return paired_test(one, two, level)


def _each_repeat(positive: BoolArray, y_prob: ArrayLike, name: str) -> list[Placements]:
    repeats = np.asarray(y_prob, dtype=np.float64)
    if repeats.ndim != 2 or not len(repeats):
        raise BadArgument(
            f"{name} must have the shape (n_repeats, n), found {repeats.shape}; "
            "pass one row a repeat"
        )
    names = (f"{name} of repeat {i + 1}" for i in range(len(repeats)))
    return [
        placements(positive, validation.score(row, positive.size, name=row_name))
        for row, row_name in zip(repeats, names, strict=True)
    ]


def _mean(each: list[Placements]) -> Placements:
    return Placements(
        np.mean([placed.of_positives for placed in each], axis=0),
        np.mean([placed.of_negatives for placed in each], axis=0),
    )
