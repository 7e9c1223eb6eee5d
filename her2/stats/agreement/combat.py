"""ComBat: taking the scanner's or hospital's shift and scale out of features.

Names follow Johnson et al.: gamma is the additive and delta the multiplicative effect of a
batch; a hat is the plain estimate, a star the empirical Bayes one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from her2.core.errors import BadArgument, NotEstimable
from her2.stats.agreement.batch_effects import shrunken_effects
from her2.stats.validation import BoolArray, FloatArray

IntArray = NDArray[np.intp]


@dataclass(frozen=True)
class CombatModel:
    """Batch effects learned from training rows, to be taken out of any rows of these batches.

    Attributes
    ----------
    batches
        Names of the batches as text, ascending.
    reference
        The batch that is left as it is, or None.
    adjusted
        Shape (p,), False for features that are constant within a batch, which are left alone.
    mean, scale
        Shape (p,), of all batches.
    slopes
        Shape (n_covariates, p), of the covariates.
    gamma, delta
        Shape (n_batches, p), additive and multiplicative effect in units of `scale`.
    """

    batches: tuple[str, ...]
    reference: str | None
    adjusted: BoolArray
    mean: FloatArray
    scale: FloatArray
    slopes: FloatArray
    gamma: FloatArray
    delta: FloatArray

    def transform(
        self, data: ArrayLike, batch: ArrayLike, *, covariates: ArrayLike | None = None
    ) -> FloatArray:
        """Return features with the effect of their batch taken out, row by row.

        Parameters
        ----------
        data
            Shape (n, p), finite, the features of the fit.
        batch
            Shape (n,), each a batch of the fit.
        covariates
            Shape (n, n_covariates), as in the fit; None where the fit had none.

        Returns
        -------
        ndarray
            Shape (n, p). A row does not depend on the rows beside it.

        Raises
        ------
        BadArgument
            If a batch was not in the fit, or the shapes do not fit.
        """
        values = _matrix(data, "data")
        names = _batch_names(batch, len(values))
        extra = _covariate_columns(covariates, len(values))
        found, expected = (values.shape[1], extra.shape[1]), (self.mean.size, len(self.slopes))
        if found != expected:
            raise BadArgument(
                f"data and covariates must have the {expected[0]} and {expected[1]} columns of "
                f"the fit, found {found[0]} and {found[1]}"
            )
        unknown = sorted(set(names.tolist()) - set(self.batches))
        if unknown:
            raise BadArgument(
                f"batch must be one of {', '.join(self.batches)} of the fit, found "
                f"{unknown[0]!r}; its effect is not known, so fit with rows of it or leave the "
                "adjustment out"
            )
        codes = np.searchsorted(self.batches, names)
        centre = self.mean + extra @ self.slopes
        standard = (values - centre) / self.scale
        cleaned = (standard - self.gamma[codes]) / np.sqrt(self.delta[codes])
        is_reference = np.array([name == self.reference for name in self.batches])[codes]
        untouched = ~self.adjusted | is_reference[:, np.newaxis]
        return np.asarray(np.where(untouched, values, cleaned * self.scale + centre))


def fit_combat(
    data: ArrayLike,
    batch: ArrayLike,
    *,
    covariates: ArrayLike | None = None,
    parametric: bool = True,
    mean_only: bool = False,
    reference_batch: object = None,
) -> CombatModel:
    """Batch effects of features, shrunk towards their mean over the features of a batch.

    Parameters
    ----------
    data
        Shape (n, p), finite, at least two features.
    batch
        Shape (n,), the batch of each row, compared as text; at least two batches of two rows.
    covariates
        Shape (n, n_covariates), numbers whose association with the features is to be kept
        (categories as 0/1 columns, without an intercept). Never the outcome where features feed
        a prediction: new patients have none.
    parametric
        Normal and inverse gamma priors if true, else the features themselves as prior.
    mean_only
        Take out the shift and leave the scale. With parametric priors sva then weighs a batch as
        one row, so that much of a shift that differs between features stays.
    reference_batch
        Batch to which the others are adjusted and which stays as it is; None for no such batch.

    Returns
    -------
    CombatModel
        Its `transform` applies to any rows of these batches.

    Raises
    ------
    NotEstimable
        If there are fewer than two batches or two features that vary within each batch, a batch
        of one row needs a scale, or covariates are confounded with the batches.
    BadArgument
        If shapes differ, a value is missing, or the reference is no batch.

    References
    ----------
    Johnson, Li & Rabinovic (2007), Biostatistics 8:118, doi:10.1093/biostatistics/kxj037.
    Fortin et al. (2018), NeuroImage 167:104, doi:10.1016/j.neuroimage.2017.11.024 (imaging).

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> batch = np.repeat(["a", "b"], 20)
    >>> data = rng.normal(size=(40, 5)) + np.where(batch == "b", 3.0, 0.0)[:, np.newaxis]
    >>> model = fit_combat(data, batch)
    >>> model.batches, bool(model.transform(data[30:31], ["b"])[0, 0] < data[30, 0])
    (('a', 'b'), True)
    """
    design = _design_of(data, batch, covariates, reference_batch)
    adjusted = _varies_within(design, mean_only=mean_only)
    fitted = _least_squares(design, adjusted)
    effects = shrunken_effects(
        fitted.standard,
        [design.codes == i for i in range(len(design.batches))],
        fitted.gamma_hat,
        parametric=parametric,
        mean_only=mean_only,
    )
    gamma, delta = effects
    if design.reference is not None:
        gamma[design.reference], delta[design.reference] = 0.0, 1.0
    return CombatModel(
        batches=design.batches,
        reference=None if design.reference is None else design.batches[design.reference],
        adjusted=adjusted,
        mean=_all_features(fitted.mean, adjusted, 0.0),
        scale=_all_features(fitted.scale, adjusted, 1.0),
        slopes=_all_features(fitted.slopes, adjusted, 0.0),
        gamma=_all_features(gamma, adjusted, 0.0),
        delta=_all_features(delta, adjusted, 1.0),
    )


class _Fitted(NamedTuple):
    """Least squares over the adjusted features: (p,), (p,), (q, p), (n_batches, p), (n, p)."""

    mean: FloatArray
    scale: FloatArray
    slopes: FloatArray
    gamma_hat: FloatArray
    standard: FloatArray


def _varies_within(design: _Design, *, mean_only: bool) -> BoolArray:
    """Features that are constant in no batch of several rows, (p,): the others are left alone."""
    varies = np.ones(design.values.shape[1], dtype=bool)
    for i, name in enumerate(design.batches):
        rows = design.values[design.codes == i]
        if len(rows) > 1:
            varies &= rows.max(axis=0) > rows.min(axis=0)
        elif not mean_only:
            raise NotEstimable(
                f"the scale of a batch needs two rows, found one in {name!r}; merge batches or "
                "pass mean_only=True"
            )
    if varies.sum() < 2:
        raise NotEstimable(
            f"batch effects need two features that vary within each batch, found {varies.sum()} "
            f"of {varies.size}; leave the adjustment out"
        )
    return varies


def _least_squares(design: _Design, adjusted: BoolArray) -> _Fitted:
    values, n_batches = design.values[:, adjusted], len(design.batches)
    indicators = np.eye(n_batches)[design.codes]
    if design.reference is not None:
        indicators[:, design.reference] = 1.0  # for every row
    X = np.hstack([indicators, design.covariates])
    if np.linalg.matrix_rank(X) < X.shape[1]:
        raise NotEstimable(
            "the effects of batches and covariates must be separable, found columns that "
            "determine each other; drop a covariate (an intercept is one) or a batch"
        )
    coefficients = np.asarray(np.linalg.solve(X.T @ X, X.T @ values), dtype=np.float64)
    of_batches, slopes = coefficients[:n_batches], coefficients[n_batches:]
    if design.reference is None:
        mean, rows = indicators.mean(axis=0) @ of_batches, slice(None)
    else:
        mean, rows = of_batches[design.reference], design.codes == design.reference
    residual = (values - X @ coefficients)[rows]
    scale: FloatArray = np.sqrt((residual**2).mean(axis=0))
    if not (scale > 1e-12 * np.abs(values).max(axis=0)).all():
        raise NotEstimable(
            "a batch effect needs features that batches and covariates do not determine, found "
            f"one without a residual in {len(values)} rows; drop it or a covariate"
        )
    standard = (values - mean - design.covariates @ slopes) / scale
    gamma_hat = np.linalg.solve(indicators.T @ indicators, indicators.T @ standard)
    return _Fitted(mean, scale, slopes, gamma_hat, standard)


def _all_features(values: FloatArray, adjusted: BoolArray, default: float) -> FloatArray:
    """Values (..., p) of all features from those (..., n_adjusted) of the adjusted ones."""
    full = np.full((*values.shape[:-1], adjusted.size), default)
    full[..., adjusted] = values
    return full


class _Design(NamedTuple):
    """Checked input: values (n, p), codes (n,) into `batches`, covariates (n, q)."""

    values: FloatArray
    codes: IntArray
    batches: tuple[str, ...]
    covariates: FloatArray
    reference: int | None


def _design_of(
    data: ArrayLike, batch: ArrayLike, covariates: ArrayLike | None, reference_batch: object
) -> _Design:
    values = _matrix(data, "data")
    found, codes = np.unique(_batch_names(batch, len(values)), return_inverse=True)
    batches = tuple(str(name) for name in found)
    if len(batches) < 2:
        raise NotEstimable(
            f"batch effects need two batches, found {len(batches)}; leave the adjustment out"
        )
    reference = None if reference_batch is None else str(reference_batch)
    if reference is not None and reference not in batches:
        raise BadArgument(
            f"reference_batch must be one of {', '.join(batches)}, found {reference!r}"
        )
    return _Design(
        values,
        codes,
        batches,
        _covariate_columns(covariates, len(values)),
        None if reference is None else batches.index(reference),
    )


def _matrix(values: ArrayLike, name: str) -> FloatArray:
    """Finite numbers of shape (n, columns)."""
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 2:
        raise BadArgument(f"{name} must have shape (n, columns), found {array.shape}")
    if not np.isfinite(array).all():
        n_bad = int((~np.isfinite(array)).sum())
        raise BadArgument(
            f"{name} must be finite, found {n_bad} missing or infinite values; fill or drop them"
        )
    return array


def _batch_names(batch: ArrayLike, n: int) -> NDArray[np.str_]:
    """Names of the batches of n rows as text."""
    names = pd.Series(batch).reset_index(drop=True)
    if len(names) != n or names.isna().any():
        raise BadArgument(
            f"batch must name the batch of each of {n} rows, found {len(names)} of which "
            f"{int(names.isna().sum())} are missing"
        )
    return names.astype(str).to_numpy(dtype=np.str_)


def _covariate_columns(covariates: ArrayLike | None, n: int) -> FloatArray:
    """Covariates of shape (n, n_covariates); no column for None, one for a vector."""
    if covariates is None:
        return np.empty((n, 0))
    array = np.asarray(covariates, dtype=np.float64)
    columns = _matrix(array[:, np.newaxis] if array.ndim == 1 else array, "covariates")
    if len(columns) != n:
        raise BadArgument(f"covariates must have one row for each of {n}, found {len(columns)}")
    return columns
