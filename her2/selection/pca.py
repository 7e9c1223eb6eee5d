"""Principal components of deep features, which join radiomic features in the dlr arm."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.decomposition import PCA
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.validation import check_is_fitted, validate_data

FloatArray = NDArray[np.float64]


class CompressDeepFeatures(TransformerMixin, BaseEstimator):
    """Replace the first `n_deep` columns by their leading principal components.

    Deep features are z-scored first; the other columns pass unchanged. Fewer than `n_components`
    (the paper: 64) are kept when there are fewer rows.
    """

    def __init__(self, n_deep: int, n_components: int = 64) -> None:
        self.n_deep = n_deep
        self.n_components = n_components

    def fit(self, X: FloatArray, y: Any = None) -> CompressDeepFeatures:
        """Learn z-scores and components from X (n, n_deep + n_other)."""
        X = validate_data(self, X, dtype=np.float64, ensure_all_finite=False)
        kept = min(self.n_components, len(X) - 1, self.n_deep)
        self.pca_ = make_pipeline(StandardScaler(), PCA(kept, svd_solver="full"))
        self.pca_.fit(X[:, : self.n_deep])
        return self

    def transform(self, X: FloatArray) -> FloatArray:
        """Return components and other features, shape (n, n_kept + n_other)."""
        check_is_fitted(self, "pca_")
        X = validate_data(self, X, dtype=np.float64, reset=False, ensure_all_finite=False)
        return np.hstack([self.pca_.transform(X[:, : self.n_deep]), X[:, self.n_deep :]])

    def get_feature_names_out(self, input_features: Any = None) -> NDArray[np.object_]:
        """Return ``deep_pc_1`` ... and the names of the other features."""
        check_is_fitted(self, "pca_")
        kept = self.pca_[-1].n_components_
        others = np.asarray(input_features, dtype=object)[self.n_deep :]
        return np.array([*(f"deep_pc_{i + 1}" for i in range(kept)), *others], dtype=object)
