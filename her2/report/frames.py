"""All tables of the report by name: those that a study brings, and those in its results."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from her2.plots.style import arms_in_order
from her2.plots.text import role_title
from her2.report.catalogue import POINTS
from her2.report.content import ReportInput

ROLE_ORDER = ("out_of_fold", "test", "external", "train")
SEVERITY_ORDER = ("excluded", "quarantined", "warning", "normalised")
CANDIDATES_SHOWN = 5
_EMPTY_TEST = {"statistic": None, "dof": None, "p_value": None}


def frames(report: ReportInput) -> dict[str, pd.DataFrame]:
    """Table by name; what the results say stands above a table of the same name.

    The tables of `results.json` are named ``arms``, ``performance``, ``calibration_measures``,
    ``confusion_counts`` and ``comparisons`` (unless a table brings more columns of it).
    """
    performance = performance_frame(report.results)
    given = {name: table for name, table in report.tables.items() if name not in POINTS}
    return {
        "comparisons": pd.DataFrame(report.results["comparisons"]),
        **given,
        "flow_counts": flow_frame(report.flow),
        "problems": _problems(report.problems),
        "baseline": report.baseline,
        "arms": _arms(report.results),
        "performance": performance,
        "calibration_measures": performance,
        "confusion_counts": performance,
        "model_selection": _candidates(report.model_selection),
        "differences": pd.DataFrame(list(report.differences), columns=["paper", "study", "why"]),
        "provenance": _provenance(report),
        "timing": _pairs(report.results["timing"], "step", "seconds"),
        **_pivoted(given),
    }


def performance_frame(results: Mapping[str, Any]) -> pd.DataFrame:
    """One row an arm and role, honest roles first; a count that is missing stays missing."""
    rows = []
    for arm in arms_in_order(results["arms"]):
        roles = results["arms"][arm]["roles"]
        ordered = [role for role in ROLE_ORDER if role in roles]
        for role in [*ordered, *(role for role in roles if role not in ROLE_ORDER)]:
            rows.append({"arm": arm, "role": role, **_flat(roles[role])})
    counts = dict.fromkeys(("tp", "fp", "tn", "fn"))
    return pd.DataFrame([counts | row for row in rows], dtype=object)


def _flat(p: Mapping[str, Any]) -> dict[str, Any]:
    test = p.get("hosmer_lemeshow") or _EMPTY_TEST
    flat = {key: value for key, value in p.items() if key != "hosmer_lemeshow"}
    return flat | {f"hosmer_lemeshow_{key}": value for key, value in test.items()}


def _arms(results: Mapping[str, Any]) -> pd.DataFrame:
    rows = [
        {"arm": arm, "model": content["model"], "n_features": content["n_features"]}
        for arm, content in ((arm, results["arms"][arm]) for arm in arms_in_order(results["arms"]))
    ]
    return pd.DataFrame(rows, columns=["arm", "model", "n_features"], dtype=object)


def flow_frame(flow: Mapping[str, Any]) -> pd.DataFrame:
    """Numbers of the flow diagram, one row a step."""
    rows: list[tuple[str, int, int | None]] = [
        ("Rows of the patient table", flow["n_rows"], None),
        ("Not eligible", sum(flow["excluded"].values()), None),
        ("Quarantined (bad input)", sum(flow["quarantined"].values()), None),
        ("Analysed lesions", flow["n_lesions"], None),
        ("Analysed patients", flow["n_patients"], None),
    ]
    for role in ("train", "test", "external"):
        if flow.get(role):
            title = f"{role_title(role).split(',')[0]} patients"
            rows.append((title, flow[role]["n_patients"], flow[role]["n_positive"]))
    return pd.DataFrame(rows, columns=["step", "n", "positive"], dtype=object)


def _problems(problems: pd.DataFrame) -> pd.DataFrame:
    rank = {severity: position for position, severity in enumerate(SEVERITY_ORDER)}
    order = problems["severity"].map(rank).fillna(len(rank))
    ordered = problems.assign(order=order).sort_values(["order", "code"], kind="stable")
    return ordered.drop(columns="order")[["severity", "code", "title", "n"]]


def _candidates(candidates: pd.DataFrame) -> pd.DataFrame:
    """Return each arm's chosen model and its best others, by cross-validated AUC."""
    if candidates.empty:
        return candidates
    ranked = candidates.sort_values(["cv_auc_mean"], ascending=False, kind="stable")
    rank = ranked.groupby("arm", sort=False).cumcount()
    is_chosen = ranked["chosen"].astype(bool)
    kept = ranked.assign(chosen=is_chosen.map({True: "chosen", False: ""}))
    kept = kept[(rank < CANDIDATES_SHOWN) | is_chosen]
    order = {arm: position for position, arm in enumerate(dict.fromkeys(candidates["arm"]))}
    return kept.sort_values("arm", key=lambda arms: arms.map(order), kind="stable")


def _provenance(report: ReportInput) -> pd.DataFrame:
    results = report.results
    facts = {
        "Results schema": str(results["schema"]),
        "Data (SHA-256)": str(results["cohort"]["data_sha256"]),
        **{f"MLflow {k.replace('_', ' ')}": str(v) for k, v in results["mlflow"].items() if v},
        **report.provenance,
    }
    return _pairs(facts, "item", "value")


def _pairs(facts: Mapping[str, Any], key: str, value: str) -> pd.DataFrame:
    return pd.DataFrame(list(facts.items()), columns=[key, value])


def _pivoted(given: Mapping[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """Return the counts of features with a column for each family, which is easier to read."""
    counts = given.get("feature_counts")
    if counts is None or counts.empty or not {"image_type", "family", "n"} <= set(counts):
        return {}
    wide = counts.pivot_table(
        index="image_type", columns="family", values="n", aggfunc="sum", sort=False, fill_value=0
    )
    wide.columns = pd.Index([str(family) for family in wide.columns])
    return {"feature_counts": wide.reset_index()}
