"""Columns that can be used at all."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.utils.validation import validate_data

from her2.core.errors import BadCohort
from her2.selection.filters import Filter, FloatArray


class UsableFeatures(Filter):
    """Drop columns that are constant or mostly missing in training; fill the rest by the median.

    Infinite values count as missing. A column counts as constant when its range is at the level
    of rounding noise (`relative_range` of its largest absolute value, or of 1): on one slice, four
    of eight wavelet bands are nothing else.

    Parameters
    ----------
    max_missing
        Largest share of missing training values that a kept column may have.
    relative_range
        Smallest range of a kept column relative to its largest absolute value, or to 1 where that
        is less: closer than this, two programs do not agree on a feature.
    """

    def __init__(self, max_missing: float = 0.2, relative_range: float = 1e-9) -> None:
        self.max_missing = max_missing
        self.relative_range = relative_range

    def fit(self, X: FloatArray, y: Any = None) -> UsableFeatures:
        """Learn which columns are usable and their medians.

        Raises
        ------
        BadCohort
            No column is usable.
        """
        X = validate_data(self, X, dtype=np.float64, ensure_all_finite=False, ensure_min_samples=2)
        X = np.where(np.isfinite(X), X, np.nan)
        enough = np.isnan(X).mean(axis=0) <= self.max_missing
        filled = np.where(enough, X, 0.0)
        low, high = np.nanmin(filled, axis=0), np.nanmax(filled, axis=0)
        scale = np.maximum(np.maximum(np.abs(low), np.abs(high)), 1.0)
        self.support_ = enough & (high - low > self.relative_range * scale)
        if not self.support_.any():
            raise nothing_varies(X.shape[1])
        self.median_ = _medians(filled[:, self.support_])
        return self

    def transform(self, X: FloatArray) -> FloatArray:
        """Return the usable columns with gaps filled by training medians."""
        kept = np.asarray(super().transform(X), dtype=np.float64)
        return np.where(np.isfinite(kept), kept, self.median_)

    def __sklearn_tags__(self) -> Any:
        """Say that missing and infinite values are welcome."""
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags


def nothing_varies(n_columns: int) -> BadCohort:
    """Return the error for training rows, of a fold perhaps, that are all alike."""
    return BadCohort(
        f"expected a feature that varies among the training patients of every fold, found none of "
        f"{n_columns} in one of them; leave this table out, or bring variables with fewer rare "
        f"levels"
    )


def _medians(X: FloatArray) -> FloatArray:
    """Return the medians of columns without their gaps; `nanmedian` is slow, and few have one."""
    medians: FloatArray = np.median(X, axis=0)
    has_gap = np.isnan(medians)
    medians[has_gap] = np.nanmedian(X[:, has_gap], axis=0)
    return medians
