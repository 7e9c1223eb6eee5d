"""How clinical variables become numbers, learned inside the training fold."""

from __future__ import annotations

import numpy as np
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from her2.selection import UsableFeatures


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


def clinical_preparation(table: pd.DataFrame) -> Pipeline:
    """Return unfitted transformers of a clinical table: impute, encode, z-score.

    Numbers are filled by the training median; a missing category is a level of its own, and a
    level that training has not seen is no level at all.
    """
    numeric = numeric_columns(table)
    categories = [name for name in table.columns if name not in numeric]
    encode = make_pipeline(
        SimpleImputer(strategy="constant", fill_value="(missing)"),
        OneHotEncoder(drop="if_binary", handle_unknown="ignore", sparse_output=False),
    )
    columns = ColumnTransformer(
        [
            ("number", SimpleImputer(strategy="median", keep_empty_features=True), numeric),
            ("category", encode, categories),
        ],
        verbose_feature_names_out=False,
    )
    return make_pipeline(columns, UsableFeatures(), StandardScaler())
