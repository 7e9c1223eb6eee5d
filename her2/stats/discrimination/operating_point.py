"""What a model does at one threshold, with intervals of its proportions."""

from __future__ import annotations

from dataclasses import dataclass
from math import isnan, sqrt
from typing import Literal

from numpy.typing import ArrayLike
from scipy.stats import norm

from her2.core.errors import BadArgument, NotEstimable
from her2.stats import validation

Proportion = Literal["sensitivity", "specificity", "ppv", "npv", "accuracy"]


@dataclass(frozen=True)
class OperatingPoint:
    """Counts and proportions with positive = probability >= threshold.

    Attributes
    ----------
    threshold
        As given.
    n
        Cases.
    tp, fp, tn, fn
        Cases by call and outcome.
    sensitivity, specificity, ppv, npv, accuracy, f1
        In [0, 1]; None where the denominator is 0: it was not observed.
    """

    threshold: float
    n: int
    tp: int
    fp: int
    tn: int
    fn: int
    sensitivity: float | None
    specificity: float | None
    ppv: float | None
    npv: float | None
    accuracy: float
    f1: float | None

    def counts(self, name: Proportion) -> tuple[int, int]:
        """Numerator and denominator of one of the proportions."""
        return {
            "sensitivity": (self.tp, self.tp + self.fn),
            "specificity": (self.tn, self.tn + self.fp),
            "ppv": (self.tp, self.tp + self.fp),
            "npv": (self.tn, self.tn + self.fn),
            "accuracy": (self.tp + self.tn, self.n),
        }[name]

    def interval(self, name: Proportion, *, level: float = 0.95) -> tuple[float, float] | None:
        """Wilson interval of one of the proportions; None where the proportion is None."""
        successes, trials = self.counts(name)
        return wilson_interval(successes, trials, level=level) if trials else None

    def f1_interval(self, *, level: float = 0.95) -> tuple[float, float] | None:
        """Interval of F1; None where F1 is None.

        F1 = 2 j / (1 + j) grows with the proportion j = TP / (TP + FP + FN), whose Wilson limits
        it therefore carries over.

        References
        ----------
        Lam, Gopal & Qian (2023), doi:10.48550/arXiv.2309.14621 (the Wilson indirect interval).
        """
        trials = self.tp + self.fp + self.fn
        if not trials:
            return None
        low, high = wilson_interval(self.tp, trials, level=level)
        return 2.0 * low / (1.0 + low), 2.0 * high / (1.0 + high)


def operating_point(y_true: ArrayLike, y_prob: ArrayLike, threshold: float) -> OperatingPoint:
    """Classification at a threshold, with positive = probability >= threshold.

    Parameters
    ----------
    y_true
        Shape (n,), 0 or 1. One class is enough: what then has no denominator is None.
    y_prob
        Shape (n,), finite.
    threshold
        From other cases than these, or the proportions are too good.

    Returns
    -------
    OperatingPoint
        Whole counts; proportions in [0, 1] or None.

    Raises
    ------
    NotEstimable
        If there is no case, or a score is missing.
    BadArgument
        If the shapes differ or the threshold is NaN.

    References
    ----------
    Altman & Bland (1994), BMJ 308:1552, doi:10.1136/bmj.308.6943.1552; BMJ 309:102,
    doi:10.1136/bmj.309.6947.102.

    Examples
    --------
    >>> point = operating_point([0, 0, 1, 1], [0.1, 0.6, 0.5, 0.9], 0.5)
    >>> point.tp, point.fp, point.tn, point.fn, point.sensitivity, point.specificity
    (2, 1, 1, 0, 1.0, 0.5)
    """
    if isnan(threshold):
        raise BadArgument("threshold must be a number, found NaN; choose one on training cases")
    actual = validation.outcome(y_true, both_classes=False)
    scores = validation.score(y_prob, actual.size, name="y_prob", constant_ok=True)
    called = scores >= threshold
    tp, fp = int((called & actual).sum()), int((called & ~actual).sum())
    tn, fn = int((~called & ~actual).sum()), int((~called & actual).sum())
    return OperatingPoint(
        threshold=float(threshold),
        n=actual.size,
        tp=tp,
        fp=fp,
        tn=tn,
        fn=fn,
        sensitivity=_ratio(tp, tp + fn),
        specificity=_ratio(tn, tn + fp),
        ppv=_ratio(tp, tp + fp),
        npv=_ratio(tn, tn + fn),
        accuracy=(tp + tn) / actual.size,
        f1=_ratio(2 * tp, 2 * tp + fp + fn),
    )


def wilson_interval(successes: int, n: int, *, level: float = 0.95) -> tuple[float, float]:
    """Wilson score interval of a proportion, without continuity correction.

    Parameters
    ----------
    successes, n
        Whole numbers, 0 <= successes <= n.
    level
        Confidence level in (0, 1).

    Returns
    -------
    tuple of float
        (low, high) in [0, 1]; exactly 0 for no success and exactly 1 for no failure.

    Raises
    ------
    NotEstimable
        If n is 0.
    BadArgument
        If successes is not within 0 to n or the level is not in (0, 1).

    References
    ----------
    Wilson (1927), J. Am. Stat. Assoc. 22:209, doi:10.1080/01621459.1927.10502953.

    Examples
    --------
    >>> low, high = wilson_interval(8, 10)
    >>> round(low, 4), round(high, 4)
    (0.4902, 0.9433)
    """
    _check_counts(successes, n, level)
    z2 = float(norm.isf((1.0 - level) / 2.0)) ** 2
    centre = (successes + z2 / 2.0) / (n + z2)
    half_width = sqrt(z2 * (successes * (n - successes) / n + z2 / 4.0)) / (n + z2)
    low = 0.0 if successes == 0 else centre - half_width
    high = 1.0 if successes == n else centre + half_width
    return low, high


def _check_counts(successes: int, n: int, level: float) -> None:
    validation.check_level(level)
    if n == 0:
        raise NotEstimable("a proportion needs at least one case, found 0; report it as missing")
    if not 0 <= successes <= n:
        raise BadArgument(f"successes must lie in 0 to {n}, found {successes}; check the counts")


def _ratio(numerator: int, denominator: int) -> float | None:
    return numerator / denominator if denominator else None
