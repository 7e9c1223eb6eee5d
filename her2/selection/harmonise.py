"""The scanner's effect taken out of features, learned from training patients alone."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import TransformerMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from her2.core.errors import NotEstimable
from her2.selection.filters import FloatArray, TakesGaps, UsableFeatures
from her2.stats import CombatModel, fit_combat

MIN_ROWS = 5


class HarmoniseFeatures(TransformerMixin, TakesGaps):
    """Take the effect of each row's batch (the scanner's vendor) out of its features by ComBat.

    The first column is the batch, a whole number, NaN where it is not known; it does not leave
    the transformer, and `n_before` columns behind it pass unchanged. A row whose batch is unknown,
    or had fewer than `min_rows` training rows, is left as it is: there is nothing to adjust it by.
    Columns without information are left alone too, because their rounding noise would spoil the
    priors that the features share. The outcome takes no part. `model_` is None where there is
    nothing to adjust; `reason_` says why.

    >>> rng = np.random.default_rng(0)
    >>> batch = np.repeat([0.0, 1.0], 20)
    >>> X = np.column_stack([batch, rng.normal(size=(40, 5)) + 3.0 * batch[:, None]])
    >>> cleaned = HarmoniseFeatures().fit_transform(X)
    >>> cleaned.shape, bool(abs(cleaned[:20].mean() - cleaned[20:].mean()) < 0.1)
    ((40, 5), True)

    References
    ----------
    Johnson, Li & Rabinovic (2007), Biostatistics 8:118, doi:10.1093/biostatistics/kxj037.
    Orlhac et al. (2022), J. Nucl. Med. 63:172, doi:10.2967/jnumed.121.262464: ComBat in radiomics.
    """

    def __init__(self, n_before: int = 0, min_rows: int = MIN_ROWS) -> None:
        self.n_before = n_before
        self.min_rows = min_rows

    def fit(self, X: FloatArray, y: Any = None) -> HarmoniseFeatures:
        """Learn the effect of every batch from X (n, 1 + n_before + n_features)."""
        X = validate_data(
            self, X, dtype=np.float64, ensure_all_finite=False, ensure_min_samples=2,
            ensure_min_features=2 + self.n_before,
        )  # fmt: skip
        features = X[:, 1 + self.n_before :]
        self.usable_ = UsableFeatures().fit(features)
        batches, counts = np.unique(X[np.isfinite(X[:, 0]), 0], return_counts=True)
        known = np.isin(X[:, 0], batches[counts >= self.min_rows])
        self.model_: CombatModel | None = None
        self.reason_ = ""
        try:
            filled = self.usable_.transform(features[known]) if known.any() else np.empty((0, 1))
            self.model_ = fit_combat(filled, _names(X[known, 0])) if known.any() else None
        except NotEstimable as reason:
            self.reason_ = str(reason)
        if not known.any():
            self.reason_ = f"no batch has {self.min_rows} rows"
        return self

    def transform(self, X: FloatArray) -> FloatArray:
        """Return the columns behind the first, (n, n_before + n_features)."""
        check_is_fitted(self, "usable_")
        X = validate_data(self, X, dtype=np.float64, reset=False, ensure_all_finite=False)
        found = X[:, 1:].copy()
        if self.model_ is None:
            return found
        rows = np.isin(_names(X[:, 0]), self.model_.batches)
        if not rows.any():
            return found
        columns = self.n_before + np.flatnonzero(self.usable_.support_)
        values = found[np.ix_(rows, columns)]
        filled = self.usable_.transform(X[rows, 1 + self.n_before :])
        cleaned = self.model_.transform(filled, _names(X[rows, 0]))
        # what is missing stays missing: the next step fills it by the median of cleaned values
        found[np.ix_(rows, columns)] = np.where(np.isfinite(values), cleaned, values)
        return found

    def get_support(self) -> NDArray[np.bool_]:
        """Return which columns leave the transformer: all but the batch."""
        check_is_fitted(self, "usable_")
        return np.arange(self.n_features_in_) > 0

    def get_feature_names_out(self, input_features: Any = None) -> NDArray[np.object_]:
        """Return the names behind the first."""
        return np.asarray(input_features, dtype=object)[1:]


def _names(batch: FloatArray) -> NDArray[np.str_]:
    """Return the batches as the text by which a fitted model knows them."""
    return np.array([repr(float(value)) for value in batch], dtype=str)
