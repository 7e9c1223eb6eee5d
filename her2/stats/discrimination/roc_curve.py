"""The ROC curve, and where on it to put a threshold: decided on training cases only."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike

from her2.core.errors import BadArgument
from her2.stats import validation
from her2.stats.clusters import repeated_scores
from her2.stats.validation import BoolArray, FloatArray


@dataclass(frozen=True)
class RocCurve:
    """ROC curve by ascending threshold, so that both rates run from 1 down to 0.

    Attributes
    ----------
    thresholds
        Shape (m,), first -inf, last inf, midway between neighbouring scores otherwise; missing in
        the mean curve of several repeats.
    false_positive_rate, sensitivity
        Shape (m,), in [0, 1], with positive = score >= threshold.
    """

    thresholds: FloatArray
    false_positive_rate: FloatArray
    sensitivity: FloatArray


def roc_curve(y_true: ArrayLike, y_score: ArrayLike) -> RocCurve:
    """ROC curve at every threshold that classifies differently, as pROC's `coords(roc, "all")`.

    Parameters
    ----------
    y_true
        Shape (n,), 0 or 1, both present.
    y_score
        Shape (n,), finite, higher = more likely positive; or (n_repeats, n), whose mean curve has
        at every false positive rate the mean sensitivity, and so the mean AUC as its area.

    Returns
    -------
    RocCurve
        Of one repeat, one point more than there are distinct scores.

    Raises
    ------
    NotEstimable, BadArgument
        As `auc`.

    References
    ----------
    Robin et al. (2011), BMC Bioinformatics 12:77, doi:10.1186/1471-2105-12-77.

    Examples
    --------
    >>> curve = roc_curve([0, 0, 1, 1], [1, 3, 2, 4])
    >>> curve.thresholds.tolist()
    [-inf, 1.5, 2.5, 3.5, inf]
    >>> curve.sensitivity.tolist()
    [1.0, 1.0, 0.5, 0.5, 0.0]
    """
    positive = validation.outcome(y_true)
    repeats = repeated_scores(y_score, positive.size)
    for row in repeats:
        validation.score(row, positive.size, name="y_score")
    if len(repeats) > 1:
        return _mean_curve(positive, repeats)
    thresholds, n_true, n_false = _counts_at_thresholds(positive, repeats[0])
    return RocCurve(thresholds, n_false / n_false[0], n_true / n_true[0])


def _mean_curve(positive: BoolArray, repeats: FloatArray) -> RocCurve:
    """Vertical mean of curves: at each false positive rate the ends of their rise."""
    n_negative = positive.size - int(positive.sum())
    rises = np.zeros((2, n_negative + 1))  # lower and upper end at each number of false positives
    for row in repeats:
        _, n_true, n_false = _counts_at_thresholds(positive, row)
        at, first = np.unique(n_false[::-1], return_index=True)
        last = np.append(first[1:], n_false.size) - 1
        lower, upper = n_true[::-1][first], n_true[::-1][last]
        for j, (start, end) in enumerate(pairwise(at.astype(int))):
            between = np.arange(start + 1, end)  # tied scores: a straight line
            rises[:, between] += np.interp(between, (start, end), (upper[j], lower[j + 1]))
        rises[:, at.astype(int)] += lower, upper
    sensitivity = rises[::-1, ::-1].T.ravel() / (len(repeats) * int(positive.sum()))
    rate = np.repeat(np.arange(n_negative, -1, -1) / n_negative, 2)
    return RocCurve(np.full(rate.size, np.nan), rate, sensitivity)


def _counts_at_thresholds(
    positive: BoolArray, scores: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Thresholds (m,), and the true and false positives at each, (m,) whole numbers."""
    distinct = np.unique(scores)
    low, high = distinct[:-1], distinct[1:]
    middle = low / 2.0 + high / 2.0  # a sum of halves cannot overflow
    # between neighbouring floats the middle rounds to one of them, and must not be the lower one
    thresholds = np.concatenate([[-np.inf], np.where(middle > low, middle, high), [np.inf]])
    n_true = n_at_or_above(scores[positive], thresholds)
    n_false = n_at_or_above(scores[~positive], thresholds)
    return thresholds, n_true, n_false


def n_at_or_above(values: FloatArray, thresholds: FloatArray) -> FloatArray:
    """Values (n,) that reach each threshold (m,), as whole numbers of shape (m,)."""
    below = np.searchsorted(np.sort(values), thresholds, side="left")
    return np.asarray(values.size - below, dtype=np.float64)


def youden_threshold(y_true: ArrayLike, y_prob: ArrayLike) -> float:
    """Threshold with the largest Youden index J = sensitivity + specificity - 1.

    Thresholds lie midway between neighbouring scores. Among thresholds with the same J the
    lowest wins, that is, the one with the higher sensitivity: a missed positive costs more.
    Ties are recognised exactly (in whole numbers), and the threshold is always finite.

    Parameters
    ----------
    y_true
        Shape (n,), 0 or 1, both present.
    y_prob
        Shape (n,), finite, higher = more likely positive.

    Returns
    -------
    float
        A value between the smallest and the largest score.

    Raises
    ------
    NotEstimable, BadArgument
        As `auc`.

    References
    ----------
    Youden (1950), Cancer 3:32, doi:10.1002/1097-0142(1950)3:1<32::AID-CNCR2820030106>3.0.CO;2-3.

    Examples
    --------
    >>> youden_threshold([0, 0, 1, 1], [0.1, 0.2, 0.6, 0.9])
    0.4
    """
    thresholds, n_true, n_false = _counts(y_true, y_prob)
    n_positive, n_negative = n_true[0], n_false[0]
    j_times_pairs = n_true * n_negative - n_false * n_positive  # whole numbers: exact ties
    return float(thresholds[1:-1][np.argmax(j_times_pairs[1:-1])])


def fixed_sensitivity_threshold(
    y_true: ArrayLike, y_prob: ArrayLike, sensitivity: float = 0.9
) -> float:
    """Highest threshold whose sensitivity reaches a target: the best specificity at that price.

    Parameters
    ----------
    y_true, y_prob
        As in `youden_threshold`.
    sensitivity
        Target in (0, 1].

    Returns
    -------
    float
        Midway between neighbouring scores; the smallest score if the target is reached only when
        every case is called positive.

    Raises
    ------
    NotEstimable, BadArgument
        As `youden_threshold`, and if the target is not in (0, 1].

    References
    ----------
    Perkins & Schisterman (2006), Am. J. Epidemiol. 163:670, doi:10.1093/aje/kwj063.
    Pepe (2003), The Statistical Evaluation of Medical Tests, ISBN 978-0-19-850984-1, chapter 4.

    Examples
    --------
    >>> fixed_sensitivity_threshold([0, 0, 1, 1, 1], [0.1, 0.5, 0.4, 0.6, 0.9], 0.6)
    0.55
    """
    _check_target(sensitivity, "sensitivity")
    thresholds, n_true, _ = _counts(y_true, y_prob)
    reached = n_true / n_true[0] >= sensitivity  # a quotient of whole numbers equals its decimal
    return float(thresholds[np.flatnonzero(reached)[-1]])


def fixed_specificity_threshold(
    y_true: ArrayLike, y_prob: ArrayLike, specificity: float = 0.9
) -> float:
    """Lowest threshold whose specificity reaches a target: the best sensitivity at that price.

    Parameters
    ----------
    y_true, y_prob
        As in `youden_threshold`.
    specificity
        Target in (0, 1].

    Returns
    -------
    float
        Midway between neighbouring scores; just above the largest score if the target is reached
        only when every case is called negative.

    Raises
    ------
    NotEstimable, BadArgument
        As `youden_threshold`, and if the target is not in (0, 1].

    References
    ----------
    Perkins & Schisterman (2006), Am. J. Epidemiol. 163:670, doi:10.1093/aje/kwj063.
    Pepe (2003), The Statistical Evaluation of Medical Tests, ISBN 978-0-19-850984-1, chapter 4.

    Examples
    --------
    >>> fixed_specificity_threshold([0, 0, 1, 1, 1], [0.1, 0.5, 0.4, 0.6, 0.9], 0.9)
    0.55
    """
    _check_target(specificity, "specificity")
    thresholds, _, n_false = _counts(y_true, y_prob)
    reached = (n_false[0] - n_false) / n_false[0] >= specificity
    return float(thresholds[np.flatnonzero(reached)[0]])


def _counts(y_true: ArrayLike, y_prob: ArrayLike) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Finite thresholds (m,), and the true and false positives at each."""
    positive, scores = validation.outcome_and_score(y_true, y_prob, name="y_prob")
    thresholds, n_true, n_false = _counts_at_thresholds(positive, scores)
    thresholds[0], thresholds[-1] = scores.min(), np.nextafter(scores.max(), np.inf)
    return thresholds, n_true, n_false


def _check_target(target: float, name: str) -> None:
    if not 0.0 < target <= 1.0:
        raise BadArgument(f"{name} must lie in (0, 1], found {target}; for 90 % pass 0.9")
