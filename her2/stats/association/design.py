"""Variables of a table as columns of a regression: what a number, a category and a gap become."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from her2.core.errors import BadArgument
from her2.stats import validation
from her2.stats.validation import BoolArray, FloatArray

Levels = tuple[object, ...]


class Design(NamedTuple):
    """Columns of a regression (n, n_terms), without the intercept.

    `terms` are their names, ``age`` or ``er[positive]``; `variables` those that each belongs to.
    """

    matrix: FloatArray
    terms: tuple[str, ...]
    variables: tuple[str, ...]

    def of(self, variables: Sequence[str]) -> Design:
        """Only the terms of these variables, in the order of the variables."""
        keep = [i for name in variables for i, v in enumerate(self.variables) if v == name]
        terms = tuple(self.terms[i] for i in keep)
        return Design(self.matrix[:, keep], terms, tuple(self.variables[i] for i in keep))


def design(table: pd.DataFrame, known: Mapping[str, Levels] | None = None) -> Design:
    """Numbers as they are; a category as one 0/1 column for each level but the first.

    Numbers and booleans are numbers; text and categories (a 0/1 column of dtype "category" too)
    are categories. `known` has their levels, first the reference: those that occur if not given. A
    level that is not known is a `BadArgument`.
    """
    known = category_levels(table) if known is None else known
    columns: dict[tuple[str, str], FloatArray] = {}
    for name, values in table.items():
        if str(name) in known:
            columns |= _indicators(str(name), values, known[str(name)])
        elif is_numeric(values):
            columns[str(name), str(name)] = values.to_numpy(dtype=np.float64)
        else:
            raise BadArgument(f"{name} must be a number as in the fit, found {values.dtype}")
    matrix = np.column_stack(list(columns.values())) if columns else np.empty((len(table), 0))
    return Design(matrix, tuple(t for t, _ in columns), tuple(v for _, v in columns))


def category_levels(table: pd.DataFrame) -> dict[str, Levels]:
    """Levels of each category of a table, first the reference."""
    return {str(name): tuple(levels(x)) for name, x in table.items() if not is_numeric(x)}


def levels(values: pd.Series) -> list[object]:
    """Levels that occur: in category order, numbers by size, anything else sorted as text."""
    present = values.dropna().unique()
    if isinstance(values.dtype, pd.CategoricalDtype):
        return [level for level in values.cat.categories if level in present]
    return sorted(present, key=None if pd.api.types.is_numeric_dtype(values) else str)


def is_numeric(values: pd.Series) -> bool:
    """Whether a column enters a regression as a number."""
    return pd.api.types.is_numeric_dtype(values) or pd.api.types.is_bool_dtype(values)


def label(level: object) -> str:
    """Text of a level: "1" for 1.0, anything else as it is."""
    return f"{level:g}" if isinstance(level, float) else str(level)


def outcome_of(table: pd.DataFrame, outcome: str | ArrayLike) -> BoolArray:
    """Outcome of the rows of a table, by column name or as an array, shape (n,)."""
    if isinstance(outcome, str):
        check_columns(table, [outcome])
        return validation.outcome(table[outcome].to_numpy())
    positive = validation.outcome(outcome)
    if positive.size != len(table):
        raise BadArgument(
            f"outcome must have one value for each of the {len(table)} rows, found "
            f"{positive.size}; align it with the table"
        )
    return positive


def check_columns(table: pd.DataFrame, names: Sequence[str]) -> None:
    """Raise `BadArgument` unless the table has these columns, each once."""
    absent = [name for name in names if name not in table.columns]
    if absent:
        raise BadArgument(
            f"the table must have the columns {', '.join(names)}, found no "
            f"{', '.join(absent)}; check the spelling"
        )
    if len(set(names)) < len(names):
        raise BadArgument(f"each variable must be named once, found {', '.join(names)}")


def complete_cases(table: pd.DataFrame, variables: Sequence[str]) -> BoolArray:
    """Rows without a missing value in any of the variables, shape (n,)."""
    complete = table[list(variables)].notna().all(axis=1)
    return np.asarray(complete.to_numpy(), dtype=np.bool_)


def _indicators(name: str, values: pd.Series, known: Levels) -> dict[tuple[str, str], FloatArray]:
    unknown = [level for level in levels(values) if level not in known]
    if unknown:
        raise BadArgument(
            f"{name} must be one of {', '.join(map(label, known))}, found {label(unknown[0])}; "
            "a level that the fit has not seen has no coefficient"
        )
    if len(known) < 2:  # a constant column, which the fit will name
        return {(name, name): np.zeros(len(values))}
    return {
        (f"{name}[{label(level)}]", name): np.asarray(values == level, dtype=np.float64)
        for level in known[1:]
    }
