"""Empirical Bayes estimates of batch effects from standardised features, as in ComBat.

References: Johnson, Li & Rabinovic (2007), Biostatistics 8:118,
doi:10.1093/biostatistics/kxj037, sections 3.2 (parametric) and 3.3 (non-parametric).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from her2.core.errors import NotEstimable
from her2.stats.validation import BoolArray, FloatArray

_CONVERGED = 1e-4  # sva's rule, to which its published results belong
_MOST_STEPS = 10_000


class BatchEffects(NamedTuple):
    """Additive and multiplicative (variance) effect of each batch, (n_batches, p) each."""

    gamma: FloatArray
    delta: FloatArray


class _Prior(NamedTuple):
    """Normal prior of gamma (mean, variance) and inverse gamma prior of delta (shape, scale)."""

    gamma_bar: float
    tau_squared: float
    shape: float
    scale: float


def shrunken_effects(
    standard: FloatArray,
    members: Sequence[BoolArray],
    gamma_hat: FloatArray,
    *,
    parametric: bool,
    mean_only: bool,
) -> BatchEffects:
    """Effects of each batch on each feature, shrunk towards those on the other features.

    `standard` (n, p): features less their mean and covariates, over their scale; `members`: the
    rows (n,) of each batch; `gamma_hat` (n_batches, p): additive effects by least squares.
    `NotEstimable` if a prior has no variance, or the iteration does not converge.
    """
    batches = [
        _effects(standard[rows], gamma, parametric=parametric, mean_only=mean_only)
        for rows, gamma in zip(members, gamma_hat, strict=True)
    ]
    return BatchEffects(*(np.stack(part) for part in zip(*batches, strict=True)))


def _effects(
    rows: FloatArray, gamma_hat: FloatArray, *, parametric: bool, mean_only: bool
) -> BatchEffects:
    """Effects (p,) of one batch with these rows (n, p)."""
    ones = np.ones_like(gamma_hat)
    delta_hat = ones if mean_only else rows.var(axis=0, ddof=1)
    if not parametric:
        found = _posterior_means(rows, gamma_hat, delta_hat)
        return BatchEffects(found.gamma, ones) if mean_only else found
    prior = _prior(gamma_hat, delta_hat, mean_only=mean_only)
    if mean_only:
        # sva counts the batch as one row here, whatever its size
        return BatchEffects(_posterior_gamma(prior, gamma_hat, ones, 1), ones)
    return _alternate(rows, gamma_hat, delta_hat, prior)


def _prior(gamma_hat: FloatArray, delta_hat: FloatArray, *, mean_only: bool) -> _Prior:
    """Priors by the method of moments over the features."""
    tau_squared = float(gamma_hat.var(ddof=1))
    mean, variance = float(delta_hat.mean()), float(delta_hat.var(ddof=1))
    if tau_squared == 0.0 or (variance == 0.0 and not mean_only):
        raise NotEstimable(
            "a prior of batch effects needs features on which the batch acts differently, found "
            "the same effect on all; drop repeated features"
        )
    if mean_only:
        return _Prior(float(gamma_hat.mean()), tau_squared, np.nan, np.nan)
    shape = (2.0 * variance + mean**2) / variance
    scale = (mean * variance + mean**3) / variance
    return _Prior(float(gamma_hat.mean()), tau_squared, shape, scale)


def _posterior_gamma(
    prior: _Prior, gamma_hat: FloatArray, delta: FloatArray, n: int
) -> FloatArray:
    weight = prior.tau_squared * n
    return (weight * gamma_hat + delta * prior.gamma_bar) / (weight + delta)


def _alternate(
    rows: FloatArray, gamma_hat: FloatArray, delta_hat: FloatArray, prior: _Prior
) -> BatchEffects:
    """Solve for gamma and delta in turn until neither changes."""
    gamma, delta = gamma_hat, delta_hat
    for _ in range(_MOST_STEPS):
        new_gamma = _posterior_gamma(prior, gamma_hat, delta, len(rows))
        squares = ((rows - new_gamma) ** 2).sum(axis=0)
        new_delta = (0.5 * squares + prior.scale) / (len(rows) / 2.0 + prior.shape - 1.0)
        moved = max(_relative_change(new_gamma, gamma), _relative_change(new_delta, delta))
        gamma, delta = new_gamma, new_delta
        if moved <= _CONVERGED:
            return BatchEffects(gamma, delta)
    raise NotEstimable(
        f"batch effects must converge, found a change of {moved:.1g} after {_MOST_STEPS} steps; "
        "pass parametric=False"
    )


def _relative_change(new: FloatArray, old: FloatArray) -> float:
    """Largest change relative to the old value, whose sign stays, as in sva.

    So a negative gamma never delays the end: a slip, but its results are the published ones.
    """
    change = np.abs(new - old)
    unchanged, from_zero = change == 0.0, old == 0.0
    ratio = change / np.where(from_zero, 1.0, old)
    return float(np.where(unchanged, 0.0, np.where(from_zero, np.inf, ratio)).max())


def _posterior_means(
    rows: FloatArray, gamma_hat: FloatArray, delta_hat: FloatArray
) -> BatchEffects:
    """Means over the other features' effects, weighted by the likelihood of a feature's rows."""
    n = len(rows)
    centre = rows.mean(axis=0)
    spread = ((rows - centre) ** 2).sum(axis=0)
    # squares[i, l]: sum over rows of (feature i - effect l)^2, shape (p, p)
    squares = spread[:, np.newaxis] + n * (centre[:, np.newaxis] - gamma_hat) ** 2
    log_weight = -0.5 * (n * np.log(delta_hat) + squares / delta_hat)
    np.fill_diagonal(log_weight, -np.inf)
    weight = np.exp(log_weight - log_weight.max(axis=1, keepdims=True))
    weight /= weight.sum(axis=1, keepdims=True)
    return BatchEffects(weight @ gamma_hat, weight @ delta_hat)
