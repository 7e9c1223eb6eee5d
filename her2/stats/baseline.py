"""Table 1: what the training and test patients are like, and whether they differ."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.stats import chi2_contingency, fisher_exact, ttest_ind

from her2.errors import BadArgument
from her2.stats import validation
from her2.stats.logistic import levels
from her2.types import ROLES

COLUMNS = ("variable", "level", "all", "train", "test", "missing", "p_value", "test_name")


class _Comparison(NamedTuple):
    p_value: float | None
    test_name: str


def baseline_table(
    table: pd.DataFrame, groups: ArrayLike, *, y_true: ArrayLike | None = None
) -> pd.DataFrame:
    """Characteristics of all, training and test cases, compared between training and test.

    Parameters
    ----------
    table
        One row a case, one column a characteristic. A numeric column with more than two values
        is described by mean ± SD and median [quartiles] and compared by Welch's t; any other by
        counts and compared by chi-square (2x2: with Yates' correction, or Fisher's exact test if
        an expected count is below 5). Percentages and tests leave missing values out.
    groups
        Shape (n,), "train", "test" or "external" for each row.
    y_true
        Shape (n,), 0 or 1: adds the outcome as first characteristic.

    Returns
    -------
    DataFrame
        Columns variable, level, all, train, test, missing, p_value, test_name: text, but for
        missing (count) and p_value (float or None), which stand on a variable's first row.
        External cases, if any, have a column after test and are part of "all", but are not
        compared.

    Raises
    ------
    BadArgument
        If a group is none of the three, the lengths differ, or y_true is not 0/1.
    NotEstimable
        If there is no row.

    References
    ----------
    Welch (1947), Biometrika 34:28, doi:10.1093/biomet/34.1-2.28.
    Yates (1934), Suppl. J. R. Stat. Soc. 1:217, doi:10.2307/2983604.

    Examples
    --------
    >>> table = pd.DataFrame({"er": ["-", "+", "+", "-", "+", "+"]})
    >>> result = baseline_table(table, ["train", "train", "train", "test", "test", "test"])
    >>> result[["variable", "level", "train", "test", "test_name"]].values.tolist()[1]
    ['er', '+', '2 (66.7%)', '2 (66.7%)', 'Fisher exact']
    """
    role = _roles(groups, len(table))
    described = table.reset_index(drop=True)
    if y_true is not None:
        y = validation.outcome(y_true, both_classes=False).astype(int)
        _check_length(y.size, len(table), "y_true")
        described.insert(0, "outcome", y, allow_duplicates=True)
    rows = [_count_row(role)]
    for i, name in enumerate(described.columns):
        rows += _variable_rows(str(name), described.iloc[:, i], role)
    return _assemble(rows, role)


def _roles(groups: ArrayLike, n: int) -> pd.Series:
    role = pd.Series(np.asarray(groups, dtype=object))
    _check_length(role.size, n, "groups")
    validation.outcome(np.zeros(n), both_classes=False)  # an empty table has nothing to describe
    odd = role[~role.isin(ROLES)]
    if len(odd):
        raise BadArgument(f"groups must be one of {', '.join(ROLES)}, found {odd.iloc[0]!r}")
    return role


def _check_length(found: int, expected: int, name: str) -> None:
    if found != expected:
        raise BadArgument(f"{name} must have one value for each of {expected} rows, found {found}")


def _assemble(rows: list[dict[str, object]], role: pd.Series) -> pd.DataFrame:
    columns = list(COLUMNS)
    if (role == "external").any():
        columns.insert(columns.index("test") + 1, "external")
    frame = pd.DataFrame(rows, columns=columns)
    for name in ("missing", "p_value"):  # None stays None, whole numbers stay whole
        frame[name] = pd.Series([row[name] for row in rows], dtype=object)
    return frame


def _parts(values: pd.Series, role: pd.Series) -> Iterator[tuple[str, pd.Series]]:
    """Values of all cases and of each role, under the name of the column they go to."""
    yield "all", values
    for name in ROLES:
        yield name, values[role == name]


def _count_row(role: pd.Series) -> dict[str, object]:
    counts = {name: str(len(part)) for name, part in _parts(role, role)}
    return _row("n", "", counts, 0, _Comparison(None, ""))


def _variable_rows(name: str, values: pd.Series, role: pd.Series) -> list[dict[str, object]]:
    is_number = pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values)
    if is_number and values.nunique() > 2:
        return _numeric_rows(name, values.astype(np.float64), role)
    return _categorical_rows(name, values, role)


def _numeric_rows(name: str, values: pd.Series, role: pd.Series) -> list[dict[str, object]]:
    comparison = _compare_means(values[role == "train"].dropna(), values[role == "test"].dropna())
    missing = int(values.isna().sum())
    digits = _digits(float(values.std()))
    means = {part: _mean_sd(v.dropna(), digits) for part, v in _parts(values, role)}
    medians = {part: _median_iqr(v.dropna(), digits) for part, v in _parts(values, role)}
    return [
        _row(name, "mean ± SD", means, missing, comparison),
        _row(name, "median [Q1, Q3]", medians),
    ]


def _categorical_rows(name: str, values: pd.Series, role: pd.Series) -> list[dict[str, object]]:
    known = levels(values)
    comparison = _compare_proportions(values[role == "train"], values[role == "test"], known)
    missing = int(values.isna().sum())
    if not known:
        return [_row(name, "", {}, missing, comparison)]
    rows = [
        _row(name, _label(level), {part: _share(v, level) for part, v in _parts(values, role)})
        for level in known
    ]
    rows[0] |= {"missing": missing, **comparison._asdict()}
    return rows


def _compare_means(train: pd.Series, test: pd.Series) -> _Comparison:
    if min(len(train), len(test)) < 2:
        return _Comparison(None, "not estimable: fewer than 2 values in a group")
    if not np.isfinite([*train, *test]).all():
        return _Comparison(None, "not estimable: an infinite value")
    if train.nunique() == 1 and test.nunique() == 1:
        return _Comparison(None, "not estimable: values do not vary within the groups")
    p_value = ttest_ind(train.to_numpy(), test.to_numpy(), equal_var=False).pvalue
    return _Comparison(float(p_value), "Welch t")


def _compare_proportions(train: pd.Series, test: pd.Series, known: list[object]) -> _Comparison:
    counts = np.array([[int((part == level).sum()) for level in known] for part in (train, test)])
    counts = counts[:, counts.sum(axis=0) > 0] if counts.size else counts.reshape(2, 0)
    if counts.shape[1] < 2 or (counts.sum(axis=1) == 0).any():
        return _Comparison(None, "not estimable: fewer than 2 levels or an empty group")
    result = chi2_contingency(counts, correction=True)  # corrects 2x2 tables only
    sparse = bool(result.expected_freq.min() < 5)
    if counts.shape == (2, 2) and sparse:
        return _Comparison(float(fisher_exact(counts).pvalue), "Fisher exact")
    if counts.shape == (2, 2):
        return _Comparison(float(result.pvalue), "chi-square (Yates)")
    name = "chi-square (an expected count below 5)" if sparse else "chi-square"
    return _Comparison(float(result.pvalue), name)


def _mean_sd(values: pd.Series, digits: int) -> str:
    if values.empty:
        return "–"
    spread = f"{values.std():.{digits}f}" if len(values) > 1 else "–"
    return f"{values.mean():.{digits}f} ± {spread}"


def _median_iqr(values: pd.Series, digits: int) -> str:
    if values.empty:
        return "–"
    low, middle, high = values.quantile([0.25, 0.5, 0.75])
    return f"{middle:.{digits}f} [{low:.{digits}f}, {high:.{digits}f}]"


def _share(values: pd.Series, level: object) -> str:
    known = int(values.notna().sum())
    n = int((values == level).sum())
    return f"{n} ({100 * n / known:.1f}%)" if known else "–"


def _digits(spread: float) -> int:
    """Decimals that show a standard deviation with three significant digits."""
    if not spread > 0.0:
        return 1
    return int(np.clip(2 - np.floor(np.log10(spread)), 0, 6))


def _label(level: object) -> str:
    return f"{level:g}" if isinstance(level, float) else str(level)


def _row(
    variable: str,
    level: str,
    cells: dict[str, str],
    missing: int | None = None,
    comparison: _Comparison | None = None,
) -> dict[str, object]:
    p_value, test_name = comparison or _Comparison(None, "")
    blank = dict.fromkeys(("all", *ROLES), "–")
    return {
        "variable": variable,
        "level": level,
        **blank,
        **cells,
        "missing": missing,
        "p_value": p_value,
        "test_name": test_name,
    }
