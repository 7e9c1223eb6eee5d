"""How many patients a prediction model needs, to be developed and to be validated."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
from scipy.special import expit, logit
from scipy.stats import norm

from her2.core.errors import BadArgument, NotEstimable
from her2.stats.validation import FloatArray

_N_NODES = 101  # of the Gauss-Hermite rule
_R2_MARGIN = 0.05  # of Nagelkerke's R² between apparent and adjusted, and of the overall risk
_MOST_FOR_ERROR = 30  # candidate coefficients for which the formula of the mean error was made


def sample_size_for_prediction(
    n_parameters: int,
    prevalence: float,
    *,
    r2_cox_snell: float | None = None,
    c_statistic: float | None = None,
    shrinkage: float = 0.9,
    n_supplied: int | None = None,
) -> pd.DataFrame:
    """Patients needed to develop a model of a binary outcome, by the criteria of Riley et al.

    Parameters
    ----------
    n_parameters
        Coefficients that are candidates (before any selection), the intercept not counted.
    prevalence
        Share of positive cases, in (0, 1).
    r2_cox_snell, c_statistic
        One of the two: what the model is expected to reach, adjusted for optimism. A c-statistic
        is turned into Cox-Snell's R² by `cox_snell_r2`.
    shrinkage
        Wanted uniform shrinkage factor, in (0, 1).
    n_supplied
        Patients of the study: adds what it supports.

    Returns
    -------
    DataFrame
        criterion (1, 2, 3), meaning, n_required; with `n_supplied` also n_supplied, supported
        and n_predictors. The study needs the largest n_required.

    Raises
    ------
    BadArgument
        If an argument is out of range, or not exactly one of the two performances is given.
    NotEstimable
        If R² is not below the shrinkage factor, or above what the prevalence allows.

    References
    ----------
    Riley et al. (2019), Stat. Med. 38:1276, doi:10.1002/sim.7992.
    Riley et al. (2020), BMJ 368:m441, doi:10.1136/bmj.m441.

    Examples
    --------
    >>> needed = sample_size_for_prediction(24, 0.174, r2_cox_snell=0.288)
    >>> needed["n_required"].tolist()  # as R's pmsampsize
    [623, 662, 221]
    """
    r2 = _performance(n_parameters, prevalence, r2_cox_snell, c_statistic, shrinkage)
    meanings = (
        f"shrinkage of the coefficients at most {100 * (1 - shrinkage):.0f} %",
        f"optimism of Nagelkerke's R² at most {_R2_MARGIN:g}",
        f"overall risk known to ± {_R2_MARGIN:g}",
    )
    wanted = (shrinkage, _shrinkage_for_r2(r2, prevalence))
    needed = [n_parameters / _per_parameter(r2, s) for s in wanted]
    needed.append((1.96 / _R2_MARGIN) ** 2 * prevalence * (1 - prevalence))
    n_required = [math.ceil(n) for n in needed]
    table = pd.DataFrame({"criterion": [1, 2, 3], "meaning": meanings, "n_required": n_required})
    if n_supplied is None:
        return table
    is_enough = table["n_required"] <= n_supplied
    return table.assign(n_supplied=n_supplied, supported=is_enough, n_predictors=n_parameters)


def sample_size_for_prediction_error(
    n_parameters: int, prevalence: float, *, error: float = 0.05
) -> int:
    """Patients that keep the mean absolute error of the predicted risks at most this large.

    Parameters
    ----------
    n_parameters
        Candidate coefficients, at most 30: the formula summarises simulations of few candidates.
    prevalence
        Share of positive cases, in (0, 1); above one half the other class counts.
    error
        Mean absolute difference of predicted and true probability, in (0, 1).

    Raises
    ------
    BadArgument
        If an argument is out of range.
    NotEstimable
        If there are more than 30 coefficients.

    References
    ----------
    van Smeden et al. (2019), Stat. Methods Med. Res. 28:2455, doi:10.1177/0962280218784726.
    Riley et al. (2020), BMJ 368:m441, doi:10.1136/bmj.m441, step 2.

    Examples
    --------
    >>> sample_size_for_prediction_error(30, 0.05)
    544
    """
    if n_parameters < 1:
        raise BadArgument(f"n_parameters must be at least 1, found {n_parameters}")
    _check_share(prevalence, "prevalence")
    _check_share(error, "error")
    if n_parameters > _MOST_FOR_ERROR:
        raise NotEstimable(
            f"the formula of the mean absolute error holds for at most {_MOST_FOR_ERROR} "
            f"candidate coefficients, found {n_parameters}; the other criteria hold for any number"
        )
    rarer = min(prevalence, 1.0 - prevalence)
    log_n = -0.508 + 0.259 * math.log(rarer) + 0.504 * math.log(n_parameters) - math.log(error)
    return math.ceil(math.exp(log_n / 0.544))


def largest_n_parameters(
    n: int,
    n_events: int,
    *,
    r2_cox_snell: float | None = None,
    c_statistic: float | None = None,
    shrinkage: float = 0.9,
) -> int:
    """Candidate coefficients that n patients support by criteria 1 and 2; 0 if not even one.

    Criterion 3 (the overall risk) does not depend on the number of coefficients.

    Parameters
    ----------
    n, n_events
        Patients, and the positive ones among them.
    r2_cox_snell, c_statistic, shrinkage
        As in `sample_size_for_prediction`.

    Raises
    ------
    BadArgument, NotEstimable
        As `sample_size_for_prediction`.

    References
    ----------
    Riley et al. (2020), BMJ 368:m441, doi:10.1136/bmj.m441.

    Examples
    --------
    >>> largest_n_parameters(140, 43, c_statistic=0.8)
    4
    """
    if not 0 < n_events < n:
        raise BadArgument(f"0 < n_events < n is needed, found {n_events} and {n}")
    prevalence = n_events / n
    r2 = _performance(1, prevalence, r2_cox_snell, c_statistic, shrinkage)
    wanted = (shrinkage, _shrinkage_for_r2(r2, prevalence))
    return min(math.floor(n * _per_parameter(r2, s)) for s in wanted)


def cox_snell_r2(c_statistic: float, prevalence: float) -> float:
    """Cox-Snell's R² of a calibrated model with this c-statistic.

    The linear predictor is taken as normal with equal variance in both classes, as in Riley et
    al. 2021; they simulate a million patients, here the expectation is integrated.

    Parameters
    ----------
    c_statistic
        In (0.5, 1).
    prevalence
        In (0, 1).

    Raises
    ------
    BadArgument
        If an argument is out of range.

    References
    ----------
    Riley, Van Calster & Collins (2021), Stat. Med. 40:859, doi:10.1002/sim.8806.

    Examples
    --------
    >>> round(cox_snell_r2(0.89, 0.174), 2)
    0.29
    """
    linear_predictor, weight, share = _binormal(c_statistic, prevalence)
    log_likelihood = share * np.log(expit(linear_predictor)) + (1 - share) * np.log(
        expit(-linear_predictor)
    )
    gained = float(weight @ log_likelihood) - _null_log_likelihood(prevalence)
    return 1.0 - math.exp(-2.0 * gained)


def binormal_linear_predictor(
    c_statistic: float, prevalence: float, *, n_values: int = 10_000
) -> tuple[FloatArray, FloatArray]:
    """Linear predictor of a calibrated model: normal with equal variance in both classes.

    Parameters
    ----------
    c_statistic, prevalence
        As in `cox_snell_r2`.
    n_values
        Quantiles of each class.

    Returns
    -------
    tuple of arrays
        Log odds, shape (2 n_values,), positive class first, and their weights, which sum to 1.

    Raises
    ------
    BadArgument
        If an argument is out of range.

    References
    ----------
    Riley et al. (2021), Stat. Med. 40:4230, doi:10.1002/sim.9025, section 4.6.3.

    Examples
    --------
    >>> log_odds, weights = binormal_linear_predictor(0.8, 0.25)
    >>> round(float(weights @ expit(log_odds)), 3)
    0.25
    """
    variance, centre = _binormal_moments(c_statistic, prevalence)
    spread = math.sqrt(variance) * norm.ppf((np.arange(n_values) + 0.5) / n_values)
    log_odds = np.concatenate([centre + variance + spread, centre + spread])
    shares = np.array([prevalence, 1.0 - prevalence]) / n_values
    return log_odds, np.repeat(shares, n_values)


def _performance(
    n_parameters: int,
    prevalence: float,
    r2_cox_snell: float | None,
    c_statistic: float | None,
    shrinkage: float,
) -> float:
    """Cox-Snell's R², checked."""
    if n_parameters < 1:
        raise BadArgument(f"n_parameters must be at least 1, found {n_parameters}")
    _check_share(prevalence, "prevalence")
    _check_share(shrinkage, "shrinkage")
    if (r2_cox_snell is None) == (c_statistic is None):
        raise BadArgument("give either r2_cox_snell or c_statistic, found both or none")
    if c_statistic is not None:
        r2 = cox_snell_r2(c_statistic, prevalence)
    else:
        r2 = float(r2_cox_snell or 0.0)
    _check_share(r2, "r2_cox_snell")
    largest = _largest_r2(prevalence)
    if r2 >= min(shrinkage, largest):
        raise NotEstimable(
            f"Cox-Snell's R² must be below the shrinkage factor {shrinkage:g} and the largest "
            f"possible {largest:.3f}, found {r2:.3f}; expect less of the model"
        )
    return r2


def _check_share(value: float, name: str) -> None:
    if not 0.0 < value < 1.0:
        raise BadArgument(f"{name} must lie in (0, 1), found {value:g}")


def _per_parameter(r2: float, shrinkage: float) -> float:
    """Coefficients that one patient supports."""
    return (shrinkage - 1.0) * math.log(1.0 - r2 / shrinkage)


def _shrinkage_for_r2(r2: float, prevalence: float) -> float:
    return r2 / (r2 + _R2_MARGIN * _largest_r2(prevalence))


def _largest_r2(prevalence: float) -> float:
    return 1.0 - math.exp(2.0 * _null_log_likelihood(prevalence))


def _null_log_likelihood(prevalence: float) -> float:
    """Of one patient, for the model with an intercept only."""
    return prevalence * math.log(prevalence) + (1 - prevalence) * math.log(1 - prevalence)


def _binormal(c_statistic: float, prevalence: float) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Linear predictor at the nodes of both classes, their weights, and which are positive.

    Calibration makes the distance of the classes the variance within them, v, and puts the mean
    of the negative class at logit(prevalence) - v / 2.
    """
    variance, centre = _binormal_moments(c_statistic, prevalence)
    nodes, weights = np.polynomial.hermite_e.hermegauss(_N_NODES)
    weights = weights / weights.sum()
    spread = math.sqrt(variance) * nodes
    return (
        np.concatenate([centre + variance + spread, centre + spread]),
        np.concatenate([prevalence * weights, (1.0 - prevalence) * weights]),
        np.repeat([1.0, 0.0], _N_NODES),
    )


def _binormal_moments(c_statistic: float, prevalence: float) -> tuple[float, float]:
    """Variance within a class, which is the distance of the means, and mean of the negatives."""
    _check_share(prevalence, "prevalence")
    if not 0.5 < c_statistic < 1.0:
        raise BadArgument(f"c_statistic must lie in (0.5, 1), found {c_statistic:g}")
    variance = 2.0 * float(norm.ppf(c_statistic)) ** 2
    return variance, float(logit(prevalence)) - variance / 2.0
