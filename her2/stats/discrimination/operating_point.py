"""What a model does at one threshold, with intervals of its shares."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from her2.core.errors import BadArgument
from her2.stats import validation
from her2.stats.clusters import repeated_scores
from her2.stats.discrimination.shares import Share, share
from her2.stats.validation import BoolArray, FloatArray

Proportion = Literal["sensitivity", "specificity", "ppv", "npv", "accuracy", "f1"]


@dataclass(frozen=True)
class OperatingPoint:
    """Counts and shares with positive = probability >= threshold.

    Attributes
    ----------
    threshold
        As given; None if it was not the same for all.
    n
        Cases.
    prevalence
        Share of positive cases. It is the one at which ppv, npv, accuracy and f1 hold.
    tp, fp, tn, fn
        Cases by call and outcome: whole numbers, or with several repeats means over them.
    sensitivity, specificity, ppv, npv, accuracy, f1
        In [0, 1]; None where the denominator is 0: it was not observed.
    shares
        The same six with their limits and effective number of cases.
    """

    threshold: float | None
    n: int
    prevalence: float
    tp: float
    fp: float
    tn: float
    fn: float
    sensitivity: float | None
    specificity: float | None
    ppv: float | None
    npv: float | None
    accuracy: float | None
    f1: float | None
    shares: Mapping[Proportion, Share | None]

    def interval(self, name: Proportion) -> tuple[float, float] | None:
        """Limits of one of the shares; None where the share is None."""
        found = self.shares[name]
        return None if found is None else (found.low, found.high)


def operating_point(
    y_true: ArrayLike,
    y_prob: ArrayLike,
    threshold: ArrayLike,
    groups: ArrayLike | None = None,
    *,
    n_folds: int | None = None,
    level: float = 0.95,
) -> OperatingPoint:
    """Classification at a threshold, with positive = probability >= threshold.

    Parameters
    ----------
    y_true
        Shape (n,), 0 or 1. One class is enough: what then has no denominator is None.
    y_prob
        Shape (n,), or (n_repeats, n) of repeated cross-validation; finite.
    threshold
        From other cases than these, or the shares are too good. A number, or an array that
        broadcasts to the shape of `y_prob`: each case may have the one of its own fold.
    groups
        Shape (n,), the patient of each case; None if each case is a patient.
    n_folds
        Of a repeated cross-validation: one fewer times the variance between repeats is added to
        that of the patients, as in `auc_estimate`. None for held-out cases.
    level
        Confidence level of the intervals, in (0, 1).

    Returns
    -------
    OperatingPoint
        Shares of means over repeats. F1 = 2 j / (1 + j) grows with j = TP / (TP + FP + FN), whose
        limits it carries over.

    Raises
    ------
    NotEstimable
        If there is no case, or a score is missing.
    BadArgument
        If the shapes differ, a threshold is NaN or the level is not in (0, 1).

    References
    ----------
    Altman & Bland (1994), BMJ 308:1552, doi:10.1136/bmj.308.6943.1552; BMJ 309:102,
    doi:10.1136/bmj.309.6947.102.
    Lam, Gopal & Qian (2023), doi:10.48550/arXiv.2309.14621 (F1 by Wilson's limits of j).

    Examples
    --------
    >>> point = operating_point([0, 0, 1, 1], [0.1, 0.6, 0.5, 0.9], 0.5)
    >>> point.tp, point.fp, point.tn, point.fn, point.sensitivity, point.specificity
    (2, 1, 1, 0, 1.0, 0.5)
    >>> twice = operating_point([0, 0, 1, 1], [[0.1, 0.6, 0.5, 0.9], [0.1, 0.4, 0.5, 0.9]], 0.5)
    >>> twice.fp, twice.specificity
    (0.5, 0.75)
    """
    validation.check_level(level)
    validation.check_folds(n_folds)
    actual = validation.outcome(y_true, both_classes=False)
    scores = repeated_scores(y_prob, actual.size, name="y_prob")
    called = scores >= _by_case(threshold, np.shape(y_prob))
    shares = _shares(actual, called, groups, n_folds, level)
    return OperatingPoint(
        threshold=float(np.asarray(threshold)) if np.ndim(threshold) == 0 else None,
        n=actual.size,
        prevalence=float(actual.mean()),
        tp=_count(called & actual),
        fp=_count(called & ~actual),
        tn=_count(~called & ~actual),
        fn=_count(~called & actual),
        shares=shares,
        **{name: None if found is None else found.value for name, found in shares.items()},
    )


def _shares(
    actual: BoolArray,
    called: BoolArray,
    groups: ArrayLike | None,
    n_folds: int | None,
    level: float,
) -> dict[Proportion, Share | None]:
    """Every share from which cases each repeat called positive, (n_repeats, n)."""
    tp, fn = actual & called, actual & ~called
    fp, tn = ~actual & called, ~actual & ~called
    everybody = np.ones_like(called)
    parts: dict[Proportion, tuple[BoolArray, BoolArray]] = {
        "sensitivity": (tp, tp | fn),
        "specificity": (tn, tn | fp),
        "ppv": (tp, tp | fp),
        "npv": (tn, tn | fn),
        "accuracy": (tp | tn, everybody),
        "f1": (tp, tp | fp | fn),
    }
    shares = {}
    for name, (above, below) in parts.items():
        means = above.mean(axis=0), below.mean(axis=0)
        learning = 0.0 if n_folds is None else (n_folds - 1) * _between(above, below)
        known = below.any()
        shares[name] = share(*means, groups, learning=learning, level=level) if known else None
    return shares | {"f1": shares["f1"] and _f1(shares["f1"])}


def _between(above: BoolArray, below: BoolArray) -> float:
    """Variance of a share between repeats; 0 where fewer than two have one."""
    totals = below.sum(axis=1)
    values = above.sum(axis=1)[totals > 0] / totals[totals > 0]
    return float(np.var(values, ddof=1)) if values.size > 1 else 0.0


def _f1(j: Share) -> Share:
    value, low, high = (2.0 * x / (1.0 + x) for x in (j.value, j.low, j.high))
    return Share(value, low, high, j.n_effective)


def _count(which: BoolArray) -> float:
    """Cases of a repeat (n_repeats, n), on average; a whole number of one repeat."""
    return int(which.sum()) if len(which) == 1 else float(which.sum() / len(which))


def _by_case(threshold: ArrayLike, shape: tuple[int, ...]) -> FloatArray:
    thresholds = np.asarray(threshold, dtype=np.float64)
    if np.isnan(thresholds).any():
        raise BadArgument("threshold must be a number, found NaN; choose one on training cases")
    try:
        return np.broadcast_to(thresholds, shape)
    except ValueError as error:
        raise BadArgument(
            f"threshold must be a number or broadcast to shape {shape}, found "
            f"{thresholds.shape}; pass one, or one a case"
        ) from error
