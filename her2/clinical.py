"""How clinical variables become numbers, learned inside the training fold."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.validation import check_is_fitted

from her2.selection import UsableFeatures

FloatArray = NDArray[np.float64]
MISSING = "(missing)"


class ClinicalEncoder(TransformerMixin, BaseEstimator):
    """Turn a clinical table into numbers.

    A number stays one column; its gaps are filled by the training median. A category becomes one
    0/1 column for every training level but the most frequent; a missing value is a level of its
    own, and a level that training has not seen counts as the most frequent one.
    """

    def fit(self, X: pd.DataFrame, y: Any = None) -> ClinicalEncoder:
        """Learn medians and levels from a table (n, n_variables)."""
        self.feature_names_in_ = np.array(X.columns, dtype=object)
        self.n_features_in_ = X.shape[1]
        self.medians_ = {
            name: float(np.nan_to_num(np.nanmedian(X[name]))) if X[name].notna().any() else 0.0
            for name in numeric_columns(X)
        }
        self.levels_ = {
            name: _levels(X[name])[1:] for name in X.columns if name not in self.medians_
        }
        return self

    def transform(self, X: pd.DataFrame) -> FloatArray:
        """Return numbers, shape (n, n_columns), in the order of the table's variables."""
        check_is_fitted(self, "levels_")
        columns: list[FloatArray] = []
        for name in self.feature_names_in_:
            if name in self.medians_:
                columns.append(X[name].fillna(self.medians_[name]).to_numpy(np.float64))
                continue
            text = _as_text(X[name])
            columns.extend((text == level).astype(np.float64) for level in self.levels_[name])
        return np.column_stack(columns) if columns else np.empty((len(X), 0))

    def get_feature_names_out(self, input_features: Any = None) -> NDArray[np.object_]:
        """Return the names of the columns, for example ``age`` and ``er[positive]``."""
        check_is_fitted(self, "levels_")
        names: list[str] = []
        for name in self.feature_names_in_:
            if name in self.medians_:
                names.append(name)
            else:
                names.extend(f"{name}[{level}]" for level in self.levels_[name])
        return np.array(names, dtype=object)


def clinical_table(table: pd.DataFrame) -> pd.DataFrame:
    """Return the clinical variables with numbers as float64 and categories as objects."""
    numeric = numeric_columns(table)
    return pd.DataFrame(
        {
            name: table[name].astype(np.float64)
            if name in numeric
            else table[name].astype(object).where(table[name].notna(), np.nan)
            for name in table.columns
        },
        index=table.index,
    )


def numeric_columns(table: pd.DataFrame) -> list[str]:
    """Return the names of the numeric variables."""
    return [name for name in table.columns if pd.api.types.is_numeric_dtype(table[name])]


def clinical_preparation() -> Pipeline:
    """Return unfitted transformers of a clinical table: encode, drop constants, z-score."""
    return make_pipeline(ClinicalEncoder(), UsableFeatures(), StandardScaler())


def _as_text(values: pd.Series) -> NDArray[np.object_]:
    filled = values.astype(object).where(values.notna(), MISSING)
    return np.array([str(value) for value in filled], dtype=object)


def _levels(values: pd.Series) -> list[str]:
    """Return the levels, the most frequent first, equal ones by name."""
    levels, counts = np.unique(_as_text(values).astype(str), return_counts=True)
    return [str(levels[i]) for i in np.lexsort((levels, -counts))]
