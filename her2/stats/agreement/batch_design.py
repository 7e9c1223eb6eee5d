"""Checked input of an adjustment for batches: features, batches and covariates."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from her2.core.errors import BadArgument, NotEstimable
from her2.stats.validation import FloatArray

IntArray = NDArray[np.intp]


@dataclass(frozen=True)
class Design:
    """Checked input: values (n, p), codes (n,) into `batches`, covariates (n, q)."""

    values: FloatArray
    codes: IntArray
    batches: tuple[str, ...]
    covariates: FloatArray
    reference: int | None

    @property
    def indicators(self) -> FloatArray:
        """Columns of the batches, (n, n_batches); the reference's is 1 for every row."""
        columns = np.eye(len(self.batches))[self.codes]
        if self.reference is not None:
            columns[:, self.reference] = 1.0
        return columns


def design_of(
    data: ArrayLike, batch: ArrayLike, covariates: ArrayLike | None, reference_batch: object
) -> Design:
    """Design of the arguments of `her2.stats.fit_combat`.

    Raises
    ------
    NotEstimable
        If there are fewer than two batches.
    BadArgument
        If shapes differ, a value is missing, or the reference is no batch.

    Examples
    --------
    >>> found = design_of([[1.0], [2.0], [4.0]], ["b", "a", "b"], None, "a")
    >>> found.batches, found.codes.tolist(), found.indicators[:, 0].tolist()
    (('a', 'b'), [1, 0, 1], [1.0, 1.0, 1.0])
    """
    values = matrix(data, "data")
    names = batch_names(batch, len(values))
    batches = tuple(str(name) for name in np.unique(names))
    if len(batches) < 2:
        raise NotEstimable(
            f"batch effects need two batches, found {len(batches)}; leave the adjustment out"
        )
    reference = None if reference_batch is None else str(reference_batch)
    if reference is not None and reference not in batches:
        raise BadArgument(
            f"reference_batch must be one of {', '.join(batches)}, found {reference!r}"
        )
    return Design(
        values,
        batch_codes(names, batches),
        batches,
        covariate_columns(covariates, len(values)),
        None if reference is None else batches.index(reference),
    )


def matrix(values: ArrayLike, name: str) -> FloatArray:
    """Finite numbers of shape (n, columns).

    Raises
    ------
    BadArgument
        If the shape is another or a value is missing or infinite.

    Examples
    --------
    >>> matrix([[1, 2]], "data").tolist()
    [[1.0, 2.0]]
    """
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 2:
        raise BadArgument(f"{name} must have shape (n, columns), found {array.shape}")
    if not np.isfinite(array).all():
        n_bad = int((~np.isfinite(array)).sum())
        raise BadArgument(
            f"{name} must be finite, found {n_bad} missing or infinite values; fill or drop them"
        )
    return array


def batch_names(batch: ArrayLike, n: int) -> NDArray[np.str_]:
    """Names of the batches of n rows as text.

    Raises
    ------
    BadArgument
        If there is not one for each row.

    Examples
    --------
    >>> batch_names([3, 3, 1], 3).tolist()
    ['3', '3', '1']
    """
    names = pd.Series(batch).reset_index(drop=True)
    if len(names) != n or names.isna().any():
        raise BadArgument(
            f"batch must name the batch of each of {n} rows, found {len(names)} of which "
            f"{int(names.isna().sum())} are missing"
        )
    return names.astype(str).to_numpy(dtype=np.str_)


def covariate_columns(covariates: ArrayLike | None, n: int) -> FloatArray:
    """Covariates of shape (n, n_covariates); no column for None, one for a vector.

    Raises
    ------
    BadArgument
        If there is not one row for each of n, or a value is missing.

    Examples
    --------
    >>> covariate_columns(None, 3).shape, covariate_columns([0, 1, 1], 3).shape
    ((3, 0), (3, 1))
    """
    if covariates is None:
        return np.empty((n, 0))
    array = np.asarray(covariates, dtype=np.float64)
    columns = matrix(array[:, np.newaxis] if array.ndim == 1 else array, "covariates")
    if len(columns) != n:
        raise BadArgument(f"covariates must have one row for each of {n}, found {len(columns)}")
    return columns


def batch_codes(names: NDArray[np.str_], batches: tuple[str, ...]) -> IntArray:
    """Position of each name, (n,), among the sorted batches of a fit.

    Raises
    ------
    BadArgument
        If a name is none of them.

    Examples
    --------
    >>> batch_codes(np.array(["b", "a"]), ("a", "b")).tolist()
    [1, 0]
    """
    unknown = sorted(set(names.tolist()) - set(batches))
    if unknown:
        raise BadArgument(
            f"batch must be one of {', '.join(batches)} of the fit, found {unknown[0]!r}; its "
            "effect is not known, so fit with rows of it or leave the adjustment out"
        )
    return np.asarray(np.searchsorted(batches, names), dtype=np.intp)
