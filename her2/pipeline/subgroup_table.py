"""Performance in subgroups: scanner, age, lesion size, and the cohort's own categories."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pandas as pd

from her2 import stats
from her2.core.errors import NotEstimable
from her2.core.types import Cohort
from her2.evaluation import HONEST_ROLES, role_rows

COLUMNS = [
    "role", "arm", "variable", "level", "n", "n_positive", "auc", "low", "high",
    "interaction_p", "note",
]  # fmt: skip
MOST_LEVELS = 6
TITLES = {"vendor": "scanner", "diameter_mm": "diameter, mm"}


def subgroup_table(cohort: Cohort, predictions: pd.DataFrame, arms: Sequence[str]) -> pd.DataFrame:
    """Return `COLUMNS`: AUC of every arm in every level, with the p-value of heterogeneity.

    Numbers are cut at the median of all lesions, to three digits; variables with one level or
    more than `MOST_LEVELS` are left out.
    """
    variables = subgroup_variables(cohort)
    frames = []
    for role in HONEST_ROLES:
        for arm in arms:
            rows = role_rows(predictions, arm, role)
            for name in variables.columns if len(rows) else ():
                keys = rows["patient_id"] + "/" + rows["lesion_id"]
                frames.append(_one(rows, variables[name].loc[keys], role, arm, name))
    if not frames:
        return pd.DataFrame(columns=COLUMNS)
    return pd.concat(frames, ignore_index=True)[COLUMNS]


def subgroup_variables(cohort: Cohort) -> pd.DataFrame:
    """Return the level of every lesion (index `Lesion.key`) in each usable variable."""
    return pd.DataFrame(dict(_variables(cohort)), index=[x.key for x in cohort.lesions])


def _variables(cohort: Cohort) -> Iterator[tuple[str, pd.Series]]:
    known = pd.concat([cohort.acquisition, cohort.clinical], axis=1)
    for name in known.columns:
        values = known[name]
        is_measured = pd.api.types.is_numeric_dtype(values) and values.nunique() > MOST_LEVELS
        if is_measured:
            try:
                values = stats.cut(values.to_numpy(), [_median(values)]).set_axis(known.index)
            except NotEstimable:
                continue
        if 1 < values.nunique() <= MOST_LEVELS:
            yield TITLES.get(name, str(name)), values


def _median(values: pd.Series) -> float:
    """Return the median to three digits, so that the cut can be read and used again."""
    return float(f"{values.median():.3g}")


def _one(
    rows: pd.DataFrame, levels: pd.Series, role: str, arm: str, variable: str
) -> pd.DataFrame:
    y_true, y_prob = rows["y_true"].to_numpy(), rows["y_prob"].to_numpy()
    found = stats.subgroup_performance(y_true, y_prob, levels)
    try:
        p_value: float | None = stats.interaction_p(y_true, y_prob, levels)
    except NotEstimable:
        p_value = None  # fewer than two levels have an AUC, and their notes say why
    return found.assign(role=role, arm=arm, variable=variable, interaction_p=p_value)
