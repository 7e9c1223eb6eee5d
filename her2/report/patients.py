"""Tables about patients and models: flow, problems by code, Table 1, model selection, others."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping
from typing import Any

import pandas as pd

from her2.plots.text import arm_title, count, number, p_value, role_title, sentence_case
from her2.report.view import Row, Table, columns, grouped

BASELINE_TITLES = {
    "variable": "Variable",
    "level": "Level",
    "all": "All",
    "train": "Training",
    "test": "Test",
    "external": "External",
    "missing": "Missing",
    "p_value": "p",
    "test_name": "Statistical test",
}
SEVERITY_ORDER = ("excluded", "quarantined", "warning", "normalised")
CANDIDATES_SHOWN = 5


def cell(value: Any) -> str:
    """Any value of a table as text; an empty or missing one is blank.

    Examples
    --------
    >>> cell(None), cell(float("nan")), cell(3), cell(0.25), cell(True), cell({"C": 1.0})
    ('', '', '3', '0.250', 'yes', 'C = 1.0')
    """
    if value is None or value is pd.NA or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, Mapping):
        return ", ".join(f"{key} = {item}" for key, item in value.items())
    if hasattr(value, "item"):
        value = value.item()
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return count(value)
    return number(value) if isinstance(value, float) else str(value)


def flow_table(flow: Mapping[str, Any]) -> Table:
    """Table of the numbers in the flow diagram."""
    excluded, quarantined = sum(flow["excluded"].values()), sum(flow["quarantined"].values())
    rows = [
        ("Rows of the patient table", count(flow["n_rows"]), ""),
        ("Not eligible", count(excluded), ""),
        ("Quarantined (bad input)", count(quarantined), ""),
        ("Analysed lesions", count(flow["n_lesions"]), ""),
        ("Analysed patients", count(flow["n_patients"]), ""),
    ]
    for role in ("train", "test", "external"):
        if flow.get(role):
            split = flow[role]
            title = f"{role_title(role).split(',')[0]} patients"
            rows.append((title, count(split["n_patients"]), count(split["n_positive"])))
    return Table(
        "Counts", columns("Step", "n", "Positive outcome"), grouped(rows), is_numbered=False
    )


def problems_table(problems: pd.DataFrame) -> Table:
    """Table of the problems of the input, by code."""
    ordered = problems.assign(order=problems["severity"].map(_severity_rank))
    ordered = ordered.sort_values(["order", "code"], kind="stable")
    rows = [
        (str(p["severity"]), str(p["code"]), str(p["title"]), cell(p["n"]))
        for p in ordered.to_dict("records")
    ]
    return Table(
        "What was found in the input, by code",
        columns("Consequence", "Code", "Problem", "n", text=["Code", "Problem"]),
        grouped(rows),
        note="The cases themselves are named in quarantine.csv only.",
        is_numbered=False,
    )


def _severity_rank(severity: str) -> int:
    return SEVERITY_ORDER.index(severity) if severity in SEVERITY_ORDER else len(SEVERITY_ORDER)


def baseline_table(baseline: pd.DataFrame) -> Table:
    """Table 1: characteristics of training and test patients."""
    names = [str(name) for name in baseline.columns]
    titles = [BASELINE_TITLES.get(name, name) for name in names]
    records = baseline.to_dict("records")
    is_first = (baseline["variable"] != baseline["variable"].shift()).to_list()
    rows = [
        tuple(
            _baseline_cell(name, record[name], first, is_tested=bool(record["test_name"]))
            for name in names
        )
        for record, first in zip(records, is_first, strict=True)
    ]
    return Table(
        "Characteristics of the patients",
        columns(*titles, text=["Level", "Statistical test"]),
        grouped(rows),
        note=(
            "Numbers are mean (standard deviation) or n (%) unless a level says otherwise. "
            "p: training against test."
        ),
    )


def _baseline_cell(name: str, value: Any, is_first: bool, *, is_tested: bool) -> str:
    if name in ("p_value", "test_name", "missing") and not is_first:
        return ""
    if name == "p_value":
        if not is_tested:
            return ""
        return value if isinstance(value, str) else p_value(value)
    return cell(value)


def selection_table(candidates: pd.DataFrame) -> Table:
    """Candidate models of each arm: the chosen one and the best others, by cross-validated AUC."""
    shown = _best_candidates(candidates)
    rows = [_candidate_row(record) for record in shown.to_dict("records")]
    left_out = len(candidates) - len(shown)
    note = "Chosen by cross-validation within the training patients (setting evaluation.scoring)."
    if left_out:
        note += f" {count(left_out)} further candidates with a lower AUC are not shown."
    titles = ("Arm", "Classifier", "Parameters", "Mean AUC", "SD", "Mean log loss", "Chosen")
    heads = columns(*titles, text=["Classifier", "Parameters", "Chosen"])
    return Table("Candidate models", heads, grouped(rows), note=note)


def _best_candidates(candidates: pd.DataFrame) -> pd.DataFrame:
    ranked = candidates.sort_values(["cv_auc_mean"], ascending=False, kind="stable")
    rank = ranked.groupby("arm", sort=False).cumcount()
    kept = ranked[(rank < CANDIDATES_SHOWN) | ranked["chosen"].astype(bool)]
    order = {arm: position for position, arm in enumerate(dict.fromkeys(candidates["arm"]))}
    return kept.sort_values("arm", key=lambda arms: arms.map(order), kind="stable")


def _candidate_row(record: Mapping[Hashable, Any]) -> tuple[str, ...]:
    return (
        arm_title(str(record["arm"])),
        cell(record["classifier"]),
        cell(record["parameters"]),
        number(record["cv_auc_mean"]),
        number(record["cv_auc_sd"]),
        number(record["cv_log_loss_mean"]),
        "chosen" if record["chosen"] else "",
    )


def any_table(name: str, table: pd.DataFrame) -> Table:
    """Table that the report knows nothing about: numbers to three decimals, text as it is."""
    is_numeric = [pd.api.types.is_numeric_dtype(dtype) for dtype in table.dtypes]
    titles = [str(title).replace("_", " ") for title in table.columns]
    text = [title for title, numeric in zip(titles, is_numeric, strict=True) if not numeric]
    p_columns = [str(title).startswith("p_") for title in table.columns]
    rows = [
        Row(tuple(p_value(v) if is_p else cell(v) for v, is_p in zip(r, p_columns, strict=True)))
        for r in table.astype(object).itertuples(index=False, name=None)
    ]
    heads = columns(*titles, text=text) if titles else ()
    return Table(sentence_case(name), heads, tuple(rows))
