"""Table 1: what the patients are like, and whether groups of them differ."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.stats import chi2_contingency, fisher_exact, ttest_ind_from_stats

from her2.core.errors import BadArgument, NotEstimable
from her2.stats import validation
from her2.stats.association.design import label, levels
from her2.stats.association.means import standardised_difference, standardised_difference_of_shares
from her2.stats.validation import FloatArray

_TESTED = ("missing", "p_value", "test_name", "smd")
_NOTHING = "–"


class _Comparison(NamedTuple):
    p_value: float | None
    test_name: str
    smd: float | None = None


@dataclass(frozen=True)
class _Groups:
    """Which group each row is in, in the order shown, and which are compared with which."""

    group: pd.Series
    shown: tuple[str, ...]
    compared: tuple[Sequence[str], Sequence[str]]

    def parts(self, values: pd.Series) -> Iterator[tuple[str, pd.Series]]:
        """Values of all cases and of each group, under the name of the column they go to."""
        yield "all", values
        for name in self.shown:
            yield name, values[self.group == name]

    def pair(self, values: pd.Series) -> tuple[pd.Series, pd.Series]:
        """Values of the two groups that are compared."""
        first, second = (values[self.group.isin(names)] for names in self.compared)
        return first, second


def baseline_table(
    table: pd.DataFrame, groups: ArrayLike, *, y_true: ArrayLike | None = None
) -> pd.DataFrame:
    """Characteristics of all cases and of each group, compared between training and the others.

    Parameters
    ----------
    table
        One row a case, one column a characteristic. A numeric column with more than two values
        is described by mean ± SD and median [quartiles] and compared by Welch's t; any other by
        counts and compared by chi-square (2x2: with Yates' correction, or Fisher's exact test if
        an expected count is below 5). Percentages and tests leave missing values out.
    groups
        Shape (n,): the role of each row, "train", "test" or the name of a centre.
    y_true
        Shape (n,), 0 or 1: adds the outcome as first characteristic.

    Returns
    -------
    DataFrame
        Columns variable, level, all, one a group, missing, p_value, test_name, smd: text, but for
        missing (count), p_value and smd (float or None), which stand on a variable's first row.
        smd is the standardised difference: of the means, training - test; of the shares, at least
        0. Training cases are compared with test cases, without any with those of all centres.
        Groups without training cases are not compared.

    Raises
    ------
    BadArgument
        If the lengths differ, or y_true is not 0/1.
    NotEstimable
        If there is no row.

    References
    ----------
    Welch (1947), Biometrika 34:28, doi:10.1093/biomet/34.1-2.28.
    Yates (1934), Suppl. J. R. Stat. Soc. 1:217, doi:10.2307/2983604.
    Austin (2009), Stat. Med. 28:3083, doi:10.1002/sim.3697 (standardised difference).

    Examples
    --------
    >>> table = pd.DataFrame({"er": ["-", "+", "+", "-", "+", "+"]})
    >>> result = baseline_table(table, ["train", "train", "train", "test", "test", "test"])
    >>> result[["variable", "level", "train", "test", "test_name"]].values.tolist()[1]
    ['er', '+', '2 (66.7%)', '2 (66.7%)', 'Fisher exact']
    """
    n = len(table)
    role = pd.Series(np.asarray(groups, dtype=object)).map(str)
    _check_length(role.size, n, "groups")
    validation.outcome(np.zeros(n), both_classes=False)  # an empty table has nothing to describe
    described = table.reset_index(drop=True)
    if y_true is not None:
        y = validation.outcome(y_true, both_classes=False).astype(int)
        _check_length(y.size, n, "y_true")
        described.insert(0, "outcome", y, allow_duplicates=True)
    found = sorted(set(role), key=lambda name: (name != "train", name != "test", name))
    others = ["test"] if "test" in found else [name for name in found if name != "train"]
    return _describe(described, _Groups(role, tuple(found), (["train"], others)))


def baseline_by_outcome(table: pd.DataFrame, y_true: ArrayLike) -> pd.DataFrame:
    """Characteristics of all, negative and positive cases, compared between the two.

    Parameters
    ----------
    table
        One row a case, one column a characteristic, as in `baseline_table`.
    y_true
        Shape (n,), 0 or 1.

    Returns
    -------
    DataFrame
        Columns variable, level, all, negative, positive, missing, p_value, test_name, smd, as in
        `baseline_table`; smd of means is positive - negative.

    Raises
    ------
    BadArgument, NotEstimable
        As `baseline_table`.

    References
    ----------
    Austin (2009), Stat. Med. 28:3083, doi:10.1002/sim.3697 (standardised differences).

    Examples
    --------
    >>> table = pd.DataFrame({"age": [40, 50, 60, 50, 60, 70]})
    >>> row = baseline_by_outcome(table, [0, 0, 0, 1, 1, 1]).iloc[1]
    >>> row["negative"], row["positive"], row["test_name"], row["smd"]
    ('50.0 ± 10.0', '60.0 ± 10.0', 'Welch t', 1.0)
    """
    positive = validation.outcome(y_true, both_classes=False)
    _check_length(positive.size, len(table), "y_true")
    group = pd.Series(np.where(positive, "positive", "negative"))
    groups = _Groups(group, ("negative", "positive"), (["positive"], ["negative"]))
    return _describe(table.reset_index(drop=True), groups)


def _check_length(found: int, expected: int, name: str) -> None:
    if found != expected:
        raise BadArgument(f"{name} must have one value for each of {expected} rows, found {found}")


def _describe(table: pd.DataFrame, groups: _Groups) -> pd.DataFrame:
    counts = {name: str(len(part)) for name, part in groups.parts(groups.group)}
    rows = [_row("n", "", counts, 0, _Comparison(None, ""))]
    for i, name in enumerate(table.columns):
        rows += _variable_rows(str(name), table.iloc[:, i], groups)
    frame = pd.DataFrame(rows, columns=["variable", "level", "all", *groups.shown, *_TESTED])
    for name in ("missing", "p_value", "smd"):  # None stays None, whole numbers stay whole
        frame[name] = pd.Series([row[name] for row in rows], dtype=object)
    described = ["all", *groups.shown]
    frame[described] = frame[described].fillna(_NOTHING)
    return frame


def _variable_rows(name: str, values: pd.Series, groups: _Groups) -> list[dict[str, object]]:
    is_number = pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values)
    if is_number and values.nunique() > 2:
        return _numeric_rows(name, values.astype(np.float64), groups)
    return _categorical_rows(name, values, groups)


def _numeric_rows(name: str, values: pd.Series, groups: _Groups) -> list[dict[str, object]]:
    comparison = _compare_means(*(part.dropna() for part in groups.pair(values)))
    missing = int(values.isna().sum())
    shown = _digits(float(values[np.isfinite(values)].std()))
    cells = {part: _mean_and_median(v.dropna(), shown) for part, v in groups.parts(values)}
    means, medians = ({part: texts[i] for part, texts in cells.items()} for i in (0, 1))
    return [
        _row(name, "mean ± SD", means, missing, comparison),
        _row(name, "median [Q1, Q3]", medians),
    ]


def _categorical_rows(name: str, values: pd.Series, groups: _Groups) -> list[dict[str, object]]:
    known = levels(values)
    comparison = _compare_proportions(*groups.pair(values), known)
    missing = int(values.isna().sum())
    if not known:
        return [_row(name, "", {}, missing, comparison)]
    rows = [
        _row(name, label(level), {part: _share(v, level) for part, v in groups.parts(values)})
        for level in known
    ]
    rows[0] |= {"missing": missing, **comparison._asdict()}
    return rows


def _compare_means(first: pd.Series, second: pd.Series) -> _Comparison:
    reason = _no_comparison(first, second)
    if reason:
        return _Comparison(None, f"not estimable: {reason}")
    x, y = first.to_numpy(), second.to_numpy()
    smd = _or_none(standardised_difference, x, y)
    return _Comparison(_welch_p_value(x, y), "Welch t", smd)


def _welch_p_value(x: FloatArray, y: FloatArray) -> float:
    summaries = (v for part in (x, y) for v in (part.mean(), part.std(ddof=1), part.size))
    return float(ttest_ind_from_stats(*summaries, equal_var=False).pvalue)


def _no_comparison(first: pd.Series, second: pd.Series) -> str:
    if min(len(first), len(second)) < 2:
        return "fewer than 2 values in a group"
    if not np.isfinite([*first, *second]).all():
        return "an infinite value"
    if first.nunique() == 1 and second.nunique() == 1:
        return "values do not vary within the groups"
    return ""


def _compare_proportions(first: pd.Series, second: pd.Series, known: list[object]) -> _Comparison:
    parts = (first, second)
    counts = np.array([[int((part == level).sum()) for level in known] for part in parts])
    counts = counts[:, counts.sum(axis=0) > 0] if counts.size else counts.reshape(2, 0)
    try:
        p_value, test_name = _test_of_counts(counts)
    except NotEstimable as error:
        return _Comparison(None, f"not estimable: {error}")
    smd = _or_none(standardised_difference_of_shares, counts[0], counts[1])
    return _Comparison(p_value, test_name, smd)


def _test_of_counts(counts: NDArray[np.int64]) -> tuple[float, str]:
    if min(counts.shape) < 2 or not counts.sum(axis=0).all() or not counts.sum(axis=1).all():
        raise NotEstimable("fewer than 2 levels or an empty group")
    result = chi2_contingency(counts)  # corrects 2x2 tables only
    is_sparse = result.expected_freq.min() < 5
    if counts.shape == (2, 2) and is_sparse:
        return float(fisher_exact(counts).pvalue), "Fisher exact"
    if counts.shape == (2, 2):
        return float(result.pvalue), "chi-square (Yates)"
    name = "chi-square (an expected count below 5)" if is_sparse else "chi-square"
    return float(result.pvalue), name


def _or_none(
    measure: Callable[[ArrayLike, ArrayLike], float], first: ArrayLike, second: ArrayLike
) -> float | None:
    try:
        return measure(first, second)
    except NotEstimable:  # infinite: groups without a level in common
        return None


def _row(
    variable: str,
    level: str,
    cells: dict[str, str],
    missing: int | None = None,
    comparison: _Comparison | None = None,
) -> dict[str, object]:
    tested = comparison or _Comparison(None, "")
    return {"variable": variable, "level": level, **cells, "missing": missing, **tested._asdict()}


def _mean_and_median(values: pd.Series, digits: int) -> tuple[str, str]:
    """``53.4 ± 11.3`` (SD) and ``53.0 [46.8, 60.2]`` (quartiles) of values without gaps."""
    if values.empty or not np.isfinite(values).all():
        return _NOTHING, _NOTHING
    spread = f"{values.std():.{digits}f}" if len(values) > 1 else _NOTHING
    low, middle, high = (f"{q:.{digits}f}" for q in values.quantile([0.25, 0.5, 0.75]))
    return f"{values.mean():.{digits}f} ± {spread}", f"{middle} [{low}, {high}]"


def _share(values: pd.Series, level: object) -> str:
    """Count and percentage of a level among known values, ``44 (31.4%)``."""
    known = int(values.notna().sum())
    n = int((values == level).sum())
    return f"{n} ({100 * n / known:.1f}%)" if known else _NOTHING


def _digits(spread: float) -> int:
    """Decimals that show a standard deviation with three significant digits."""
    if not spread > 0.0:
        return 1
    return int(np.clip(2 - np.floor(np.log10(spread)), 0, 6))
