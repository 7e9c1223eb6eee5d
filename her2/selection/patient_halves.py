"""Rows of one patient stay together when a selection resamples its training rows."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import clone
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import has_fit_parameter

from her2.core.errors import BadArgument


def fit_chain(
    chain: Pipeline, X: Any, y: NDArray[np.int64], groups: NDArray[np.int64]
) -> Pipeline:
    """Return a copy of a chain fitted on rows X (n, p) and outcomes y (n,).

    groups: the patient of each row, (n,); steps whose `fit` takes groups get them, because they
    resample rows.

    Examples
    --------
    >>> from her2.selection import lasso_chain
    >>> X, y = np.random.default_rng(0).normal(size=(40, 5)), np.arange(40) // 2 % 2
    >>> chain = fit_chain(lasso_chain(), X, y, np.arange(40) // 4 * 2 + y)
    >>> chain["lassofilter"].model_.mse_path_.shape  # 20 patients, 10 of each outcome
    (50, 10)
    """
    takers = [name for name, step in chain.steps if has_fit_parameter(step, "groups")]
    return clone(chain).fit(X, y, **{f"{name}__groups": groups for name in takers})


def patients_of(
    y: NDArray[Any], groups: ArrayLike | None
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return each row's patient (n,), and each patient's outcome: the highest of its rows'.

    Patients are numbered as they first appear, so rows that are all of different patients, or
    have no `groups`, are their own numbers. Outcomes are numbered in their order.

    Raises
    ------
    BadArgument
        There is not one group for each row.

    Examples
    --------
    >>> [found.tolist() for found in patients_of(np.array([0, 1, 1, 0]), [7, 3, 7, 5])]
    [[0, 1, 0, 2], [1, 1, 0]]
    """
    level = np.unique(y, return_inverse=True)[1]
    if groups is None:
        return np.arange(len(y)), level
    if np.shape(groups) != (len(y),):
        raise BadArgument(
            f"expected one group for each of the {len(y)} rows, found shape {np.shape(groups)}; "
            "give the patient of every row"
        )
    _, first, inverse = np.unique(groups, return_index=True, return_inverse=True)
    patient = np.argsort(np.argsort(first))[inverse]
    outcome = np.zeros(len(first), dtype=np.intp)
    np.maximum.at(outcome, patient, level)
    return patient, outcome
