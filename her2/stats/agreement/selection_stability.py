"""How much the same features are selected when the patients are drawn again."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

import numpy as np
from numpy.typing import ArrayLike

from her2.core.errors import BadArgument, NotEstimable
from her2.stats import validation
from her2.stats.validation import BoolArray, FloatArray


@dataclass(frozen=True)
class Stability:
    """Agreement of selections: 1 = always the same features, 0 = as random ones agree.

    Attributes
    ----------
    value
        At most 1.
    low, high
        Confidence limits, at most 1.
    mean_selected
        Mean number of selected features.
    """

    value: float
    low: float
    high: float
    mean_selected: float


def selection_frequency(supports: ArrayLike) -> FloatArray:
    """Share of the resamples that selected each feature.

    Parameters
    ----------
    supports
        Shape (n_resamples, n_features), True = selected; at least one resample.

    Returns
    -------
    ndarray
        Shape (n_features,), in [0, 1].

    Raises
    ------
    NotEstimable
        If there is no resample.
    BadArgument
        If the supports are not boolean or not two-dimensional.

    References
    ----------
    Meinshausen & Buehlmann (2010), J. R. Stat. Soc. B 72:417,
    doi:10.1111/j.1467-9868.2010.00740.x.

    Examples
    --------
    >>> selection_frequency([[True, False], [True, True]]).tolist()
    [1.0, 0.5]
    """
    chosen = _supports(supports, at_least=1)
    return np.asarray(chosen.mean(axis=0), dtype=np.float64)


def nogueira_stability(supports: ArrayLike, *, level: float = 0.95) -> Stability:
    """Stability of a feature selection over resamples of the patients, with its interval.

    It is corrected for chance: selections drawn at random have expectation 0 whatever number of
    features they hold. The interval treats resamples as independent draws; resamples of one
    cohort overlap, so it says how precisely these resamples determine the value, not how
    another cohort would do.

    Parameters
    ----------
    supports
        Shape (n_resamples, n_features), True = selected; at least 2 resamples.
    level
        Confidence level in (0, 1).

    Returns
    -------
    Stability
        The value lies between -1 / (n_resamples - 1) and 1; `high` is clipped to 1.

    Raises
    ------
    NotEstimable
        If there are fewer than two resamples, or all select every feature or none.
    BadArgument
        As `selection_frequency`, and if the level is not in (0, 1).

    References
    ----------
    Nogueira, Sechidis & Brown (2018), J. Mach. Learn. Res. 18(174):1,
    https://jmlr.org/papers/v18/17-514.html: the estimator, its asymptotic variance and interval.

    Examples
    --------
    >>> same = nogueira_stability([[True, False, False], [True, False, False]])
    >>> same.value, same.low, same.mean_selected
    (1.0, 1.0, 1.0)
    >>> round(nogueira_stability([[True, True, False], [True, False, False]]).value, 3)
    0.333
    """
    z = validation.normal_quantile(level)
    chosen = _supports(supports, at_least=2).astype(np.float64)
    n_features = chosen.shape[1]
    mean_selected = float(chosen.sum(axis=1).mean())
    if mean_selected in (0.0, float(n_features)):
        raise NotEstimable(
            f"the stability of a selection needs features that are selected and others that are "
            f"not, found {mean_selected:g} of {n_features} in every resample; it chose nothing"
        )
    value = _stability(chosen)
    half_width = z * sqrt(_variance(chosen, value))
    return Stability(value, value - half_width, min(1.0, value + half_width), mean_selected)


def _supports(supports: ArrayLike, *, at_least: int) -> BoolArray:
    chosen = np.asarray(supports)
    if chosen.ndim != 2 or chosen.dtype != np.bool_:
        raise BadArgument(
            "supports must be boolean of shape (n_resamples, n_features), found "
            f"{chosen.dtype} {chosen.shape}; stack the supports of the resamples"
        )
    if len(chosen) < at_least or not chosen.shape[1]:
        raise NotEstimable(
            f"a selection over resamples needs {at_least} of them and a feature, found shape "
            f"{chosen.shape}; draw more resamples"
        )
    return chosen


def _stability(Z: FloatArray) -> float:
    """Return one minus the features' variance over that of random selections of equal size."""
    M, d = Z.shape
    p = Z.mean(axis=0)
    share = p.sum() / d
    return float(1.0 - (M / (M - 1)) * np.mean(p * (1.0 - p)) / (share * (1.0 - share)))


def _variance(Z: FloatArray, value: float) -> float:
    """Asymptotic variance of the value; k: features of each resample, (M,), k_bar their mean."""
    M, d = Z.shape
    p, k = Z.mean(axis=0), Z.sum(axis=1)
    k_bar = k.mean()
    chance = (k_bar / d) * (1.0 - k_bar / d)
    correction = 2.0 * k_bar * k / d**2 - k / d - k_bar / d + 1.0
    phi = (Z @ p / d - k * k_bar / d**2 + 0.5 * value * correction) / chance
    return float(4.0 / M**2 * ((phi - phi.mean()) ** 2).sum())
