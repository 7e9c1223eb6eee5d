"""Maximum of the logistic likelihood, plain or with Firth's penalty, and its profile.

`logistic_fit` makes models of it. Columns are expected to be standardised, so that a step of 1 is
neither huge nor tiny.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import expit
from scipy.stats import chi2

from her2.core.errors import NotEstimable
from her2.stats.validation import BoolArray, FloatArray

JEFFREYS = 0.5  # weight of log|information| in Firth's penalty; 0 is maximum likelihood
_MAX_STEPS = 200
_LONGEST_STEP = 3.0
_SMALLEST_GAIN = 1e-11
_SHORTEST_STEP = 2.0**-30
_FARTHEST = 1e4  # of a bound, in standard errors
_NOT_CONVERGED = "the logistic regression did not converge; use fewer variables or more cases"


class Maximum(NamedTuple):
    """The largest log-likelihood: coefficients (k,), inverse information (k, k), and its value."""

    coefficients: FloatArray
    covariance: FloatArray
    log_likelihood: float


class Likelihood(NamedTuple):
    """Logistic log-likelihood of a design (n, k) that holds the intercept.

    `penalty`: weight of log|information|, 0, or 1/2 for Firth's estimate (Jeffreys' prior).

    Firth (1993), Biometrika 80:27, doi:10.1093/biomet/80.1.27.
    Heinze & Schemper (2002), Stat. Med. 21:2409, doi:10.1002/sim.1047 (profile).
    """

    design: FloatArray
    positive: BoolArray
    penalty: float = 0.0

    def value(self, b: FloatArray) -> float:
        """Log-likelihood at coefficients b, shape (k,); -inf where the information is singular."""
        eta = self.design @ b
        plain = float(eta[self.positive].sum() - np.logaddexp(0.0, eta).sum())
        if self.penalty == 0.0:
            return plain
        sign, log_determinant = np.linalg.slogdet(self.information(b))
        return plain + self.penalty * float(log_determinant) if sign > 0 else -np.inf

    def information(self, b: FloatArray) -> FloatArray:
        """Fisher information at b, shape (k, k)."""
        p = expit(self.design @ b)
        return np.asarray((self.design * (p * (1 - p))[:, None]).T @ self.design)

    def score(self, b: FloatArray) -> FloatArray:
        """Gradient at b, shape (k,); with the penalty, Firth's modified score."""
        p = expit(self.design @ b)
        residual = self.positive - p
        if self.penalty > 0.0:
            residual = residual + self.penalty * self._spread(b) * p * (1 - p) * (1 - 2 * p)
        return np.asarray(self.design.T @ residual)

    def curvature(self, b: FloatArray) -> FloatArray:
        """Minus the second derivative at b, shape (k, k); without the penalty, the information.

        That of log|I| is tr(I^-1 I_jl) - tr(I^-1 I_j I^-1 I_l), I_j the derivative of I.
        """
        information = self.information(b)
        if self.penalty == 0.0:
            return information
        p = expit(self.design @ b)
        w = p * (1 - p)
        second = (self.design * (self._spread(b) * w * (1 - 6 * w))[:, None]).T @ self.design
        skewed = self.design * (w * (1 - 2 * p))[:, None]
        slopes = np.einsum("ij,ia,ib->jab", skewed, self.design, self.design, optimize=True)
        solved = np.linalg.solve(information, slopes)
        bend = second - np.einsum("jab,lba->jl", solved, solved)
        return np.asarray(information - self.penalty * bend)

    def _spread(self, b: FloatArray) -> FloatArray:
        """Quadratic form x' I^-1 x of each case, shape (n,)."""
        solved = np.linalg.solve(self.information(b), self.design.T)
        return np.asarray(np.einsum("ij,ji->i", self.design, solved))


def at(likelihood: Likelihood, b: FloatArray) -> Maximum:
    """Coefficients b, shape (k,), with the covariance and likelihood there."""
    covariance = np.asarray(np.linalg.inv(likelihood.information(b)), dtype=np.float64)
    return Maximum(b, covariance, likelihood.value(b))


def maximise(
    likelihood: Likelihood, start: FloatArray | None = None, held: int | None = None
) -> Maximum:
    """Coefficients that maximise a likelihood, from `start`; coefficient `held` stays put."""
    k = likelihood.design.shape[1]
    b = np.zeros(k) if start is None else start.copy()
    free = np.flatnonzero(np.arange(k) != held)
    try:
        for _ in range(_MAX_STEPS):
            step, gain = _newton_step(likelihood, b, free)
            # Newton's error is squared with each step: after this one numbers tell no difference
            if abs(gain) < _SMALLEST_GAIN:
                return at(likelihood, b + step)
            b = _uphill(likelihood, b, step)
    except np.linalg.LinAlgError as error:
        raise NotEstimable(_NOT_CONVERGED) from error
    raise NotEstimable(_NOT_CONVERGED)


def _newton_step(
    likelihood: Likelihood, b: FloatArray, free: NDArray[np.intp]
) -> tuple[FloatArray, float]:
    """Newton's step, shape (k,), and twice what it promises to gain."""
    score = likelihood.score(b)[free]
    curvature = likelihood.curvature(b)[np.ix_(free, free)]
    if curvature.size and np.linalg.eigvalsh(curvature)[0] <= 0.0:  # not concave there
        curvature = likelihood.information(b)[np.ix_(free, free)]
    step = np.zeros_like(b)
    step[free] = np.linalg.solve(curvature, score)
    return step, float(score @ step[free])


def _uphill(likelihood: Likelihood, b: FloatArray, step: FloatArray) -> FloatArray:
    """Go the step, or the part of it that gains."""
    value = likelihood.value(b)
    length = min(1.0, _LONGEST_STEP / float(np.abs(step).max()))
    while length > _SHORTEST_STEP:
        if likelihood.value(b + length * step) > value:
            return b + length * step
        length /= 2
    raise NotEstimable(_NOT_CONVERGED)


def profile_interval(
    likelihood: Likelihood, maximum: Maximum, i: int, level: float
) -> tuple[float, float]:
    """Values of coefficient i that a likelihood-ratio test does not reject.

    The bounds solve the equation exactly; R's `confint` interpolates between a dozen points of
    the same curve and differs in the fourth or fifth digit.
    Venzon & Moolgavkar (1988), Appl. Stat. 37:87, doi:10.2307/2347496.
    """
    low, high = (_bound(likelihood, maximum, i, level, side) for side in (-1.0, 1.0))
    return low, high


def _bound(likelihood: Likelihood, maximum: Maximum, i: int, level: float, side: float) -> float:
    limit = float(np.sqrt(chi2.ppf(level, 1)))
    centre, unit = maximum.coefficients[i], float(np.sqrt(maximum.covariance[i, i]))
    solved = [maximum.coefficients]

    @cache
    def excess(distance: float) -> float:  # nearly linear, as a root
        if distance == 0.0:
            return -limit
        held = _held(likelihood, maximum, i, float(centre + side * distance * unit), solved)
        solved.append(held.coefficients)
        return float(
            np.sqrt(max(0.0, 2.0 * (maximum.log_likelihood - held.log_likelihood))) - limit
        )

    far = 2.0
    while excess(far) < 0.0:
        far *= 2.0
        if far > _FARTHEST:
            raise NotEstimable(
                "a bound of the profile interval is out of reach; use fewer variables"
            )
    return float(centre + side * unit * brentq(excess, 0.0, far, xtol=1e-10))


def likelihood_ratio(
    likelihood: Likelihood, maximum: Maximum, i: int, value: float = 0.0
) -> float:
    """Twice the log-likelihood that is lost where coefficient i is held at `value`.

    Its p-value is that of chi-square with one degree of freedom.
    """
    held = _held(likelihood, maximum, i, value, [maximum.coefficients])
    return max(0.0, 2.0 * (maximum.log_likelihood - held.log_likelihood))


def _held(
    likelihood: Likelihood,
    maximum: Maximum,
    i: int,
    value: float,
    solved: Sequence[FloatArray],
) -> Maximum:
    """Maximum with coefficient i held at a value, found from those nearby that are known."""
    first, *others = sorted(solved, key=lambda b: abs(b[i] - value))
    along = maximum.covariance[:, i] / maximum.covariance[i, i]  # to first order
    if others:
        along = (others[0] - first) / (others[0][i] - first[i])
    starts = [first + (value - first[i]) * along]
    if likelihood.penalty > 0.0 and first[i] != 0.0:  # several peaks: classes apart stay apart
        is_beyond = all((value - first[i]) * (b[i] - first[i]) <= 0.0 for b in others)
        starts += [first * value / first[i]] if is_beyond else []
    found = [_maximum_from(likelihood, start, i, value) for start in starts]
    reached = [m for m in found if m is not None]
    if not reached:
        raise NotEstimable(_NOT_CONVERGED)
    return max(reached, key=lambda m: m.log_likelihood)


def _maximum_from(
    likelihood: Likelihood, start: FloatArray, i: int, value: float
) -> Maximum | None:
    start[i] = value
    try:
        return maximise(likelihood, start, held=i)
    except NotEstimable:
        return None
