"""Where to put the threshold of a score, decided on training cases only."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from her2.core.errors import BadArgument
from her2.stats import validation
from her2.stats.discrimination.roc_curve import counts_at_thresholds
from her2.stats.validation import FloatArray


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
    NotEstimable
        If a class is absent, or a score is missing, or all scores are equal.
    BadArgument
        If the shapes differ.

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
    y_true
        Shape (n,), 0 or 1, both present.
    y_prob
        Shape (n,), finite, higher = more likely positive.
    sensitivity
        Target in (0, 1].

    Returns
    -------
    float
        Midway between neighbouring scores; the smallest score if the target is reached only when
        every case is called positive.

    Raises
    ------
    NotEstimable
        If a class is absent, or a score is missing, or all scores are equal.
    BadArgument
        If the shapes differ or the target is not in (0, 1].

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
    y_true
        Shape (n,), 0 or 1, both present.
    y_prob
        Shape (n,), finite, higher = more likely positive.
    specificity
        Target in (0, 1].

    Returns
    -------
    float
        Midway between neighbouring scores; just above the largest score if the target is reached
        only when every case is called negative.

    Raises
    ------
    NotEstimable
        If a class is absent, or a score is missing, or all scores are equal.
    BadArgument
        If the shapes differ or the target is not in (0, 1].

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
    positive = validation.outcome(y_true)
    scores = validation.score(y_prob, positive.size, name="y_prob")
    thresholds, n_true, n_false = counts_at_thresholds(positive, scores)
    thresholds[0], thresholds[-1] = scores.min(), np.nextafter(scores.max(), np.inf)
    return thresholds, n_true, n_false


def _check_target(target: float, name: str) -> None:
    if not 0.0 < target <= 1.0:
        raise BadArgument(f"{name} must lie in (0, 1], found {target}; for 90 % pass 0.9")
