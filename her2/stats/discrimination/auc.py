"""Area under the ROC curve, with its DeLong variance, interval and Hanley-McNeil error."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt
from typing import Literal

from numpy.typing import ArrayLike
from scipy.special import expit, logit
from scipy.stats import norm

from her2.core.errors import BadArgument, NotEstimable
from her2.stats import validation
from her2.stats.discrimination.placements import Placements, placements

IntervalMethod = Literal["wald", "logit"]


@dataclass(frozen=True)
class AucInterval:
    """AUC with DeLong variance and limits in [0, 1]."""

    auc: float
    variance: float
    low: float
    high: float


def auc(y_true: ArrayLike, y_score: ArrayLike) -> float:
    """Area under the ROC curve, ties counting one half; never flipped when below 0.5.

    Parameters
    ----------
    y_true
        Shape (n,), 0 or 1, both present.
    y_score
        Shape (n,), finite, higher = more likely positive.

    Returns
    -------
    float
        In [0, 1].

    Raises
    ------
    NotEstimable
        If a class is absent, or a score is missing, or all scores are equal.
    BadArgument
        If the shapes differ.

    References
    ----------
    Hanley & McNeil (1982), Radiology 143:29, doi:10.1148/radiology.143.1.7063747.

    Examples
    --------
    >>> auc([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8])
    0.75
    """
    return _placed(y_true, y_score).auc


def auc_interval(
    y_true: ArrayLike,
    y_score: ArrayLike,
    *,
    level: float = 0.95,
    method: IntervalMethod = "wald",
) -> AucInterval:
    """AUC with its DeLong variance and interval, by default as pROC's `ci.auc`.

    Parameters
    ----------
    y_true
        Shape (n,), 0 or 1, at least two of each.
    y_score
        Shape (n,), finite, higher = more likely positive. An AUC below 0.5 is not flipped.
    level
        Confidence level in (0, 1).
    method
        "wald": symmetric about the AUC, as pROC. "logit": symmetric on the logit scale, which
        never leaves [0, 1] and covers better in small samples with an AUC near 1.

    Returns
    -------
    AucInterval
        Wald limits are clipped to [0, 1]. Perfect separation has variance 0 and the Wald
        interval [1, 1].

    Raises
    ------
    NotEstimable
        If a class has fewer than two cases, or a score is missing, or all scores are equal, or
        the logit interval of an AUC of 0 or 1 is asked for.
    BadArgument
        If the shapes differ, the level is not in (0, 1) or the method is unknown.

    References
    ----------
    DeLong, DeLong & Clarke-Pearson (1988), Biometrics 44:837, doi:10.2307/2531595.
    Sun & Xu (2014), IEEE Signal Process. Lett. 21:1389, doi:10.1109/LSP.2014.2337313.
    Qin & Hotilovac (2008), Stat. Methods Med. Res. 17:207, doi:10.1177/0962280207087173 (logit).

    Examples
    --------
    >>> result = auc_interval([0, 0, 0, 1, 1, 1], [0.1, 0.4, 0.5, 0.35, 0.8, 0.9])
    >>> round(result.auc, 3), round(result.low, 3), result.high
    (0.778, 0.291, 1.0)
    """
    validation.check_level(level)
    placed = _placed(y_true, y_score)
    variance = placed.variance
    half_width = float(norm.isf((1.0 - level) / 2.0)) * sqrt(variance)
    low, high = _limits(placed.auc, half_width, method)
    return AucInterval(placed.auc, variance, low, high)


def hanley_mcneil_standard_error(y_true: ArrayLike, y_score: ArrayLike) -> float:
    """Hanley-McNeil standard error of the AUC, from its value and the class sizes alone.

    For comparison with studies that report it, and for planning; DeLong's needs no model.

    Parameters
    ----------
    y_true
        Shape (n,), 0 or 1, both present.
    y_score
        Shape (n,), finite, higher = more likely positive.

    Returns
    -------
    float
        Not negative; 0 for an AUC of 0 or 1.

    Raises
    ------
    NotEstimable
        If a class is absent, or a score is missing, or all scores are equal.
    BadArgument
        If the shapes differ.

    References
    ----------
    Hanley & McNeil (1982), Radiology 143:29, doi:10.1148/radiology.143.1.7063747, eq. 1-2.

    Examples
    --------
    >>> round(hanley_mcneil_standard_error([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8]), 4)
    0.2763
    """
    placed = _placed(y_true, y_score)
    area, m, n = placed.auc, placed.of_positives.size, placed.of_negatives.size
    q1, q2 = area / (2.0 - area), 2.0 * area**2 / (1.0 + area)  # the paper's Q1 and Q2
    spread = area * (1.0 - area) + (m - 1) * (q1 - area**2) + (n - 1) * (q2 - area**2)
    return sqrt(max(0.0, spread) / (m * n))


def _placed(y_true: ArrayLike, y_score: ArrayLike) -> Placements:
    positive = validation.outcome(y_true)
    return placements(positive, validation.score(y_score, positive.size, name="y_score"))


def _limits(area: float, half_width: float, method: IntervalMethod) -> tuple[float, float]:
    if method == "wald":
        return max(0.0, area - half_width), min(1.0, area + half_width)
    if method != "logit":
        raise BadArgument(f"method must be 'wald' or 'logit', found {method!r}; choose one")
    if not 0.0 < area < 1.0:
        raise NotEstimable(
            f"the logit interval needs an AUC between 0 and 1, found {area:g}; "
            "report the AUC and the class sizes"
        )
    on_logit = half_width / (area * (1.0 - area))  # delta method
    return float(expit(logit(area) - on_logit)), float(expit(logit(area) + on_logit))
