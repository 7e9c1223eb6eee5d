"""How many patients an external validation needs, so that what it estimates is precise."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.special import expit, logit

from her2.core.errors import BadArgument, NotEstimable
from her2.stats.association.sample_size import binormal_linear_predictor
from her2.stats.validation import FloatArray

_Z = 1.96  # as in the papers


@dataclass(frozen=True)
class PrecisionTargets:
    """Widths of the 95 % intervals that a validation is to reach, by default those of the paper.

    Attributes
    ----------
    observed_over_expected, calibration_slope, c_statistic, net_benefit
        Upper minus lower limit; the net benefit is standardised by the prevalence.
    """

    observed_over_expected: float = 0.2
    calibration_slope: float = 0.2
    c_statistic: float = 0.1
    net_benefit: float = 0.2


def sample_size_for_validation(
    prevalence: float,
    c_statistic: float,
    *,
    targets: PrecisionTargets | None = None,
    linear_predictor: ArrayLike | None = None,
    calibration: tuple[float, float] = (0.0, 1.0),
    threshold: float | None = None,
) -> pd.DataFrame:
    """Patients that an external validation needs, by the criteria of Riley et al.

    Parameters
    ----------
    prevalence, c_statistic
        Expected in the patients of the validation.
    targets
        Widths of the intervals.
    linear_predictor
        Shape (n,): log odds that the model predicts, for example those of a pilot study; without
        it they are normal in both classes, as the c-statistic says.
    calibration
        Expected intercept and slope of the calibration line.
    threshold
        Probability from which on patients are treated; without it net benefit is left out.

    Returns
    -------
    DataFrame
        criterion, meaning, n_required. The study needs the largest n_required.

    Raises
    ------
    BadArgument
        If an argument is out of range.
    NotEstimable
        If all predictions are the same, or one class has no patients.

    References
    ----------
    Riley et al. (2021), Stat. Med. 40:4230, doi:10.1002/sim.9025.

    Examples
    --------
    >>> needed = sample_size_for_validation(0.1, 0.7)
    >>> dict(zip(needed["criterion"], needed["n_required"]))
    {'O/E': 3469, 'calibration slope': 8715, 'C-statistic': 1154}
    """
    aims = targets or PrecisionTargets()
    if linear_predictor is None:
        log_odds, weights = binormal_linear_predictor(c_statistic, prevalence)
    else:
        log_odds = np.asarray(linear_predictor, dtype=np.float64)
        weights = np.full(log_odds.size, 1.0 / max(log_odds.size, 1))
    rows = [
        ("O/E", aims.observed_over_expected,
         size_for_observed_over_expected(prevalence, aims.observed_over_expected)),
        ("calibration slope", aims.calibration_slope,
         size_for_calibration_slope(
             log_odds, aims.calibration_slope, weights=weights, calibration=calibration)),
        ("C-statistic", aims.c_statistic,
         size_for_c_statistic(c_statistic, prevalence, aims.c_statistic)),
    ]  # fmt: skip
    if threshold is not None:
        rates = _rates(log_odds, weights, calibration, threshold)
        n = size_for_net_benefit(*rates, prevalence, threshold, aims.net_benefit)
        rows.append(("net benefit", aims.net_benefit, n))
    return pd.DataFrame(
        [(name, f"95 % interval of the {name} at most {width:g} wide", n)
         for name, width, n in rows],
        columns=["criterion", "meaning", "n_required"],
    )  # fmt: skip


def size_for_observed_over_expected(prevalence: float, width: float = 0.2) -> int:
    """Patients for a precise ratio of observed to expected positives, which is 1.

    The interval is symmetric on the log scale; its standard error is solved for, not rounded.

    Raises
    ------
    BadArgument
        If an argument is out of range.

    References
    ----------
    Riley et al. (2021), Stat. Med. 40:4230, doi:10.1002/sim.9025, section 3.1.

    Examples
    --------
    >>> size_for_observed_over_expected(0.018, 1.0)  # 905 in the paper, which rounds on the way
    906
    """
    _check_share(prevalence, "prevalence")
    _check_width(width)
    standard_error = math.asinh(width / 2.0) / _Z
    return math.ceil((1.0 - prevalence) / (prevalence * standard_error**2))


def size_for_calibration_slope(
    linear_predictor: ArrayLike,
    width: float = 0.2,
    *,
    weights: ArrayLike | None = None,
    calibration: tuple[float, float] = (0.0, 1.0),
) -> int:
    """Patients for a precise calibration slope, from the information of one patient.

    Parameters
    ----------
    linear_predictor, weights
        Shape (n,): log odds that the model predicts, and their shares, equal by default.
    width
        Of the interval.
    calibration
        Intercept and slope of the true log odds on the linear predictor.

    Raises
    ------
    BadArgument
        If an argument is out of range.
    NotEstimable
        If all predictions are the same.

    References
    ----------
    Riley et al. (2021), Stat. Med. 40:4230, doi:10.1002/sim.9025, section 3.2.

    Examples
    --------
    >>> size_for_calibration_slope([-2.0, -1.0, 0.0, 1.0])
    2038
    """
    _check_width(width)
    log_odds = np.asarray(linear_predictor, dtype=np.float64)
    if log_odds.size == 0 or not np.isfinite(log_odds).all():
        raise BadArgument("a linear predictor of finite log odds is needed, found none")
    shares = np.full(log_odds.size, 1 / log_odds.size) if weights is None else np.asarray(weights)
    risk = expit(calibration[0] + calibration[1] * log_odds)
    information = risk * (1.0 - risk) * shares
    total = information.sum()
    mean = information @ log_odds / total
    spread = float(information @ (log_odds - mean) ** 2)
    if spread < 1e-12:
        raise NotEstimable("all predictions are the same, so a calibration slope does not exist")
    return math.ceil((2.0 * _Z / width) ** 2 / spread)


def c_statistic_standard_error(c_statistic: float, prevalence: float, n: float) -> float:
    """Return the standard error of a C-statistic that n patients estimate, by Newcombe.

    References
    ----------
    Newcombe (2006), Stat. Med. 25:559, doi:10.1002/sim.2324, method 4.
    Riley et al. (2021), Stat. Med. 40:4230, doi:10.1002/sim.9025, section 3.3.

    Examples
    --------
    >>> round(c_statistic_standard_error(0.7, 0.1, 1154), 4)
    0.0255
    """
    c = c_statistic
    in_pairs = (n / 2.0 - 1.0) * ((1.0 - c) / (2.0 - c) + c / (1.0 + c))
    return math.sqrt(c * (1.0 - c) * (1.0 + in_pairs) / (n**2 * prevalence * (1.0 - prevalence)))


def size_for_c_statistic(c_statistic: float, prevalence: float, width: float = 0.1) -> int:
    """Patients for a precise C-statistic: the smallest n of `c_statistic_standard_error`.

    Raises
    ------
    BadArgument
        If an argument is out of range.

    References
    ----------
    Riley et al. (2021), Stat. Med. 40:4230, doi:10.1002/sim.9025, section 3.3.

    Examples
    --------
    >>> size_for_c_statistic(0.8, 0.5)
    302
    """
    _check_share(c_statistic, "c_statistic")
    _check_share(prevalence, "prevalence")
    _check_width(width)
    c = c_statistic
    scale = c * (1.0 - c) / (prevalence * (1.0 - prevalence) * (width / (2.0 * _Z)) ** 2)
    pair = (1.0 - c) / (2.0 - c) + c / (1.0 + c)
    # n² = scale (1 + (n/2 - 1) pair)
    linear = scale * pair / 2.0
    return math.ceil((linear + math.sqrt(linear**2 + 4.0 * scale * (1.0 - pair))) / 2.0)


def size_for_net_benefit(
    sensitivity: float,
    specificity: float,
    prevalence: float,
    threshold: float,
    width: float = 0.2,
) -> int:
    """Patients for a precise standardised net benefit at a threshold.

    Raises
    ------
    BadArgument
        If an argument is out of range.
    NotEstimable
        If nobody is treated, or exactly the positive patients are.

    References
    ----------
    Riley et al. (2021), Stat. Med. 40:4230, doi:10.1002/sim.9025, section 3.4.

    Examples
    --------
    >>> size_for_net_benefit(0.6, 0.88, 0.72, 0.8)
    546
    """
    _check_share(prevalence, "prevalence")
    _check_share(threshold, "threshold")
    _check_width(width)
    odds = (1.0 - prevalence) / prevalence * threshold / (1.0 - threshold)
    false = 1.0 - specificity
    variance = (
        sensitivity * (1.0 - sensitivity) / prevalence
        + odds**2 * specificity * false / (1.0 - prevalence)
        + odds**2 * false**2 / (prevalence * (1.0 - prevalence))
    )
    if variance <= 0.0:
        raise NotEstimable(
            f"at the threshold {threshold:g} nobody is treated, or exactly the positive patients; "
            "choose a threshold between the predictions"
        )
    return math.ceil(variance * (2.0 * _Z / width) ** 2)


def _rates(
    log_odds: FloatArray, weights: FloatArray, calibration: tuple[float, float], threshold: float
) -> tuple[float, float]:
    """Sensitivity and specificity of treating from the threshold on."""
    _check_share(threshold, "threshold")
    risk = expit(calibration[0] + calibration[1] * log_odds) * weights
    is_treated = log_odds >= logit(threshold)
    untreated = (weights - risk)[~is_treated].sum()
    return (
        float(risk[is_treated].sum() / risk.sum()),
        float(untreated / (weights - risk).sum()),
    )


def _check_share(value: float, name: str) -> None:
    if not 0.0 < value < 1.0:
        raise BadArgument(f"{name} must lie in (0, 1), found {value:g}")


def _check_width(width: float) -> None:
    if not width > 0.0:
        raise BadArgument(f"the width of an interval must be positive, found {width:g}")
