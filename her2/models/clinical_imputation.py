"""How clinical variables become numbers and gaps are filled, learned inside the training fold."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.validation import check_is_fitted

from her2.core.errors import BadArgument
from her2.selection import UsableFeatures
from her2.selection.filters import nothing_varies
from her2.stats.association.imputation import (
    Blocks,
    complete_chain,
    draw_regressions,
    expected_values,
)

FloatArray = NDArray[np.float64]
Imputation = Literal["median", "multiple"]
MISSING = "(missing)"
N_ITERATIONS = 10  # rounds of the chained regressions


class ClinicalEncoder(TransformerMixin, BaseEstimator):
    """Turn a clinical table into numbers.

    A number stays one column; a category becomes one 0/1 column for every training level but the
    most frequent, and a level that training has not seen counts as the most frequent one. The
    outcome is never looked at.

    Imputation "median": a gap in a number is filled by the training median, and a missing category
    is a level of its own. "multiple": a gap is filled by what the other variables of that row lead
    to expect, by chained linear regressions that were fitted to training rows. Their coefficients
    are drawn `n_imputations` times, each from training rows whose gaps were filled by predictive
    mean matching, and the expectations are averaged (0 to 1 for a category's column): one table,
    as a prediction needs, not several.

    References
    ----------
    Sisk et al. (2023), Stat. Methods Med. Res. 32:1461, doi:10.1177/09622802231165001 (filling
    gaps of a prediction model without the outcome).
    """

    def __init__(
        self, imputation: Imputation = "median", n_imputations: int = 5, seed: int = 0
    ) -> None:
        self.imputation = imputation
        self.n_imputations = n_imputations
        self.seed = seed

    def fit(self, X: pd.DataFrame, y: Any = None) -> ClinicalEncoder:
        """Learn medians, levels and, for "multiple", regressions from (n, n_variables)."""
        if self.imputation not in ("median", "multiple"):
            raise BadArgument(
                f'imputation must be "median" or "multiple", found {self.imputation!r}'
            )
        if self.n_imputations < 1:
            raise BadArgument(f"n_imputations must be at least 1, found {self.n_imputations}")
        self.feature_names_in_ = np.array(X.columns, dtype=object)
        self.n_features_in_ = X.shape[1]
        self.medians_ = {
            name: float(np.nan_to_num(np.nanmedian(X[name]))) if X[name].notna().any() else 0.0
            for name in numeric_columns(X)
        }
        is_level = self.imputation == "median"  # whether a gap is one of the levels
        self.levels_ = {  # all but the most frequent
            name: _levels(X[name] if is_level else X[name].dropna())[1:]
            for name in X.columns if name not in self.medians_
        }  # fmt: skip
        if not self.medians_ and not any(self.levels_.values()):
            raise nothing_varies(X.shape[1])
        if self.imputation == "multiple":
            self._fit_regressions(X)
        return self

    def transform(self, X: pd.DataFrame) -> FloatArray:
        """Return numbers, shape (n, n_columns), in the order of the table's variables."""
        check_is_fitted(self, "levels_")
        if self.imputation == "multiple":
            bounds = (self.lowest_, self.highest_)
            return expected_values(self._with_gaps(X), self.coefficients_, self.start_, bounds)
        return np.column_stack([
            np.where(np.isnan(column), self.medians_.get(name, np.nan), column)
            for name in self.feature_names_in_ for column in self._columns(X, name)
        ])  # fmt: skip

    def get_feature_names_out(self, input_features: Any = None) -> NDArray[np.object_]:
        """Return the names of the columns, for example ``age`` and ``er[positive]``."""
        check_is_fitted(self, "levels_")
        names = [
            [name] if name in self.medians_ else [f"{name}[{x}]" for x in self.levels_[name]]
            for name in self.feature_names_in_
        ]
        return np.array([name for own in names for name in own], dtype=object)

    def _columns(self, X: pd.DataFrame, name: str) -> list[FloatArray]:
        if name in self.medians_:
            return [X[name].to_numpy(np.float64)]
        text = _as_text(X[name])
        return [(text == level).astype(np.float64) for level in self.levels_[name]]

    def _with_gaps(self, X: pd.DataFrame) -> FloatArray:
        """Return the columns, NaN where the variable is missing."""
        return np.column_stack([
            np.where(X[name].isna().to_numpy(), np.nan, column)
            for name in self.feature_names_in_ for column in self._columns(X, name)
        ])  # fmt: skip

    def _fit_regressions(self, X: pd.DataFrame) -> None:
        values = self._with_gaps(X)
        values[:, np.isnan(values).all(axis=0)] = 0.0  # nothing is known of it: a constant
        blocks = self._blocks()
        known = ~np.isnan(values)
        self.lowest_, self.highest_ = np.nanmin(values, axis=0), np.nanmax(values, axis=0)
        self.start_ = np.nanmean(values, axis=0)
        draws = []
        for i in range(self.n_imputations):
            rng = np.random.default_rng([self.seed, i])
            filled, _ = complete_chain(values, blocks, rng, N_ITERATIONS)
            draws.append(draw_regressions(filled, known, blocks, rng))
        self.coefficients_ = np.array(draws)

    def _blocks(self) -> Blocks:
        """Columns of each variable that has one."""
        widths = [len(self.levels_.get(name, ("a number",))) for name in self.feature_names_in_]
        parts = np.split(np.arange(sum(widths)), np.cumsum(widths)[:-1])
        return tuple(part for part in parts if part.size)


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


def clinical_preparation(imputation: Imputation = "median") -> Pipeline:
    """Return unfitted transformers of a clinical table: encode, drop constants, z-score."""
    return make_pipeline(ClinicalEncoder(imputation), UsableFeatures(), StandardScaler())


def _as_text(values: pd.Series) -> NDArray[np.object_]:
    filled = values.astype(object).where(values.notna(), MISSING)
    return np.array([str(value) for value in filled], dtype=object)


def _levels(values: pd.Series) -> list[str]:
    """Return the levels, the most frequent first, equal ones by name."""
    levels, counts = np.unique(_as_text(values).astype(str), return_counts=True)
    return [str(levels[i]) for i in np.lexsort((levels, -counts))]
