"""What goes into the report, and its tables by name: of the study and of its results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from her2.plots.style import arms_in_order
from her2.plots.text import role_title
from her2.report.texts import load_text

SEVERITY_ORDER = ("excluded", "quarantined", "warning", "normalised")
CANDIDATES_SHOWN = 5
# Points of curves and single repeats: the figures show them, the files hold them.
POINTS = frozenset(
    {
        "roc", "calibration", "calibration_curve", "decision_curve", "repeats", "training",
        "instability_points",
    }
)  # fmt: skip
_EMPTY_TEST = {"statistic": None, "dof": None, "p_value": None}


@dataclass(frozen=True)
class ReportInput:
    """Everything that the report shows; it computes no result itself.

    Attributes
    ----------
    title, simulated
        Of the study, and whether its patients are simulated: said in a banner on top.
    results
        Content of `results.json` (schema 1).
    flow
        n_rows, excluded ``{code: n}``, quarantined ``{code: n}``, n_lesions, n_patients, roles
        ``{role: {n_patients, n_positive}}``.
    baseline
        Table 1 by role: variable, level, all, train, test, external, missing, p_value,
        test_name, smd.
    model_selection
        arm, classifier, parameters, cv_auc_mean, cv_auc_sd, cv_log_loss_mean, scoring ("log loss"
        or "AUC", which chose), chosen.
    problems
        code, severity, title, n.
    figures
        Name -> figure; the name (``roc``, ``calibration_test``, ``flow``, ...) places it, an
        unknown name goes to the further results.
    differences, provenance
        (what the paper says, what this study does, why); hashes, versions and configuration.
    tables
        Name -> table, as `her2.report.table_columns.COLUMNS` names them; an unknown name goes to
        the further results. Columns ``patient_id`` and ``lesion_id`` are never shown.
    """

    title: str
    simulated: bool
    results: Mapping[str, Any]
    flow: Mapping[str, Any]
    baseline: pd.DataFrame
    model_selection: pd.DataFrame
    problems: pd.DataFrame
    figures: Mapping[str, Figure]
    differences: Sequence[tuple[str, str, str]]
    provenance: Mapping[str, str]
    tables: Mapping[str, pd.DataFrame] = field(default_factory=dict)


def all_tables(report: ReportInput) -> dict[str, pd.DataFrame]:
    """Table by name; those of the results replace a table of the same name.

    The tables of `results.json` are named ``arms``, ``performance``, ``calibration_measures``,
    ``confusion_counts`` and ``comparisons`` (unless a table brings more columns of it).
    """
    performance = performance_table(report.results)
    given = {name: table for name, table in report.tables.items() if name not in POINTS}
    return {
        "comparisons": pd.DataFrame(report.results["comparisons"]),
        **given,
        "flow_counts": flow_table(report.flow),
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
        **_wide_counts(given.get("feature_counts")),
    }


def performance_table(results: Mapping[str, Any]) -> pd.DataFrame:
    """One row an arm and role, honest roles first; a count that is missing stays missing."""
    rows = []
    for arm in arms_in_order(results["arms"]):
        roles = results["arms"][arm]["roles"]
        for role in sorted(roles, key=lambda role: role == "train"):
            rows.append({"arm": arm, "role": role, **_flat(roles[role])})
    counts = dict.fromkeys(("tp", "fp", "tn", "fn"))
    return pd.DataFrame([counts | row for row in rows], dtype=object)


def _flat(p: Mapping[str, Any]) -> dict[str, Any]:
    test = p.get("hosmer_lemeshow") or _EMPTY_TEST
    flat = {key: value for key, value in p.items() if key != "hosmer_lemeshow"}
    return flat | {f"hosmer_lemeshow_{key}": value for key, value in test.items()}


def _arms(results: Mapping[str, Any]) -> pd.DataFrame:
    arms = results["arms"]
    rows = [(arm, arms[arm]["model"], arms[arm]["n_features"]) for arm in arms_in_order(arms)]
    return pd.DataFrame(rows, columns=["arm", "model", "n_features"], dtype=object)


def flow_table(flow: Mapping[str, Any]) -> pd.DataFrame:
    """Numbers of the flow diagram, one row a step."""
    rows: list[tuple[str, int, int | None]] = [
        ("Rows of the patient table", flow["n_rows"], None),
        ("Not eligible", sum(flow["excluded"].values()), None),
        ("Quarantined (bad input)", sum(flow["quarantined"].values()), None),
        ("Analysed lesions", flow["n_lesions"], None),
        ("Analysed patients", flow["n_patients"], None),
    ]
    for role, of in flow.get("roles", {}).items():
        title = f"{role_title(role).split(',')[0]} patients"
        rows.append((title, of["n_patients"], of["n_positive"]))
    return pd.DataFrame(rows, columns=["step", "n", "positive"], dtype=object)


def _problems(problems: pd.DataFrame) -> pd.DataFrame:
    rank = {severity: position for position, severity in enumerate(SEVERITY_ORDER)}
    order = problems["severity"].map(rank).fillna(len(rank))
    ordered = problems.assign(order=order).sort_values(["order", "code"], kind="stable")
    return ordered.drop(columns="order")[["severity", "code", "title", "n"]]


def _candidates(candidates: pd.DataFrame) -> pd.DataFrame:
    """Return each arm's chosen model and its best others, ranked by what chose."""
    if candidates.empty:
        return candidates
    is_by_loss = "log loss" in set(candidates["scoring"])
    measure = "cv_log_loss_mean" if is_by_loss else "cv_auc_mean"
    ranked = candidates.sort_values(measure, ascending=is_by_loss, kind="stable")
    rank = ranked.groupby("arm", sort=False).cumcount()
    is_chosen = ranked["chosen"].astype(bool)
    kept = ranked.assign(chosen=is_chosen.map({True: "chosen", False: ""}))
    kept = kept[(rank < CANDIDATES_SHOWN) | is_chosen]
    order = {arm: position for position, arm in enumerate(dict.fromkeys(candidates["arm"]))}
    return kept.sort_values("arm", key=lambda arms: arms.map(order), kind="stable")


def differences(config: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """Differences from the paper: (the paper, this run, why), by the settings of this run."""
    texts = load_text("differences")
    found = list(texts["always"])
    method = config.get("enhance", {}).get("method", "none")
    if method in texts["enhancement"] and ("radiomics" in config or method != "none"):
        found.append(texts["enhancement"][method])
    backbone = config.get("backbone", {}).get("name")
    if backbone and config["backbone"].get("mode", "frozen") == "frozen":
        found.append(texts["frozen_backbone"])
    return [
        (text["paper"], text["study"].format(backbone=backbone), text["why"]) for text in found
    ]


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


def _wide_counts(counts: pd.DataFrame | None) -> dict[str, pd.DataFrame]:
    """Return the counts of features with a column for each family, which is easier to read."""
    if counts is None or counts.empty or not {"image_type", "family", "n"} <= set(counts):
        return {}
    wide = counts.pivot_table(
        index="image_type", columns="family", values="n", aggfunc="sum", sort=False, fill_value=0
    )
    wide.columns = pd.Index([str(family) for family in wide.columns])
    return {"feature_counts": wide.reset_index()}
