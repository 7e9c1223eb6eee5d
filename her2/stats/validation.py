"""The border of `her2.stats`: what an array must be before anything is computed from it.

An argument that does not fit (shape, range) is a `BadArgument`; data that do not determine the
statistic (one class, a missing score, a constant score) are `NotEstimable`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import norm

from her2.core.errors import BadArgument, NotEstimable

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]


def vector(values: ArrayLike, name: str) -> FloatArray:
    """Values as a float array of shape (n,), or a `BadArgument`."""
    try:
        array = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise BadArgument(f"{name} must be numbers, found {error}; convert it first") from error
    if array.ndim != 1:
        raise BadArgument(
            f"{name} must be one-dimensional, found shape {array.shape}; pass one value a case"
        )
    return array


def outcome(y_true: ArrayLike, *, both_classes: bool = True) -> BoolArray:
    """Outcome as booleans of shape (n,), True = positive.

    `BadArgument` for a value other than 0 and 1; `NotEstimable` without a case, or if a class is
    absent and both are needed.
    """
    y = vector(y_true, "y_true")
    if not np.isin(y, (0.0, 1.0)).all():
        odd = y[~np.isin(y, (0.0, 1.0))][0]
        raise BadArgument(f"y_true must be 0 or 1, found {odd:g}; encode the outcome as 0/1")
    if y.size == 0:
        raise NotEstimable("at least one case is needed, found none; pass a non-empty sample")
    positive: BoolArray = y == 1.0
    if both_classes and positive.all() | (~positive).all():
        raise NotEstimable(
            f"both outcome classes are needed, found only {y[0]:g} in {y.size} cases; "
            "use a sample that holds positive and negative cases"
        )
    return positive


def score(y_score: ArrayLike, n: int, *, name: str, constant_ok: bool = False) -> FloatArray:
    """Finite scores of shape (n,).

    `BadArgument` unless there is one for each of the n outcomes; `NotEstimable` if one is missing
    or infinite, or if all are equal and that is not allowed.
    """
    scores = vector(y_score, name)
    if scores.size != n:
        raise BadArgument(
            f"{name} must have one value for each of the {n} outcomes, found {scores.size}; "
            "align the two by case"
        )
    n_bad = int((~np.isfinite(scores)).sum())
    if n_bad:
        raise NotEstimable(
            f"{name} must be finite, found {n_bad} of {n} missing or infinite; "
            "leave those cases out knowingly or find out why they have no score"
        )
    if not constant_ok and scores.min() == scores.max():
        raise NotEstimable(
            f"{name} must distinguish cases, found the same value {scores[0]:g} for all {n}; "
            "a constant score ranks nobody"
        )
    return scores


def probability(y_prob: ArrayLike, n: int, *, constant_ok: bool = True) -> FloatArray:
    """Probabilities of shape (n,), each in [0, 1], checked as in `score`."""
    p = score(y_prob, n, name="y_prob", constant_ok=constant_ok)
    outside = p[(p < 0.0) | (p > 1.0)]
    if outside.size:
        raise BadArgument(
            f"y_prob must lie in [0, 1], found {outside[0]:g}; pass probabilities, not logits"
        )
    return p


def check_level(level: float) -> None:
    """Raise `BadArgument` unless a confidence level lies strictly between 0 and 1."""
    if not 0.0 < level < 1.0:
        raise BadArgument(f"level must lie in (0, 1), found {level}; for 95 % pass 0.95")


def check_folds(n_folds: int | None) -> None:
    """Raise `BadArgument` unless a number of folds is at least 2, or None: no cross-validation."""
    if n_folds is not None and n_folds < 2:
        raise BadArgument(
            f"the number of folds must be at least 2, found {n_folds}; None is for held-out cases"
        )


def outcome_and_score(
    y_true: ArrayLike, y_score: ArrayLike, *, name: str = "y_score", constant_ok: bool = False
) -> tuple[BoolArray, FloatArray]:
    """Outcomes of both classes and their scores, (n,) each."""
    positive = outcome(y_true)
    return positive, score(y_score, positive.size, name=name, constant_ok=constant_ok)


def outcome_and_probability(
    y_true: ArrayLike, y_prob: ArrayLike, *, constant_ok: bool = True
) -> tuple[BoolArray, FloatArray]:
    """Outcomes of both classes and their probabilities, (n,) each."""
    positive = outcome(y_true)
    return positive, probability(y_prob, positive.size, constant_ok=constant_ok)


def normal_quantile(level: float) -> float:
    """How many standard errors the limits of a two-sided interval lie from the estimate."""
    check_level(level)
    return float(norm.isf((1.0 - level) / 2.0))
