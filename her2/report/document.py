"""The report as one self-contained HTML file: same input, same bytes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined
from matplotlib.figure import Figure

from her2.plots.text import NOT_ESTIMABLE, number
from her2.report.headline import alarms, headline_arms, sentences
from her2.report.patients import (
    any_table,
    baseline_table,
    flow_table,
    problems_table,
    selection_table,
)
from her2.report.performance import (
    calibration_table,
    comparison_table,
    confusion_table,
    models_table,
    performance_table,
)
from her2.report.pictures import pictures
from her2.report.view import Picture, Section, Table, columns, grouped
from her2.store import write_atomic

Placed = Mapping[str, Sequence[Picture]]


@dataclass(frozen=True)
class ReportInput:
    """Everything that the report shows; it computes no result itself.

    Attributes
    ----------
    title
        Title of the study.
    simulated
        Whether the patients are simulated: said in a banner on top.
    results
        Content of `results.json` (schema 1); a role may also carry tp, fp, tn, fn.
    flow
        n_rows, excluded ``{code: n}``, quarantined ``{code: n}``, n_lesions, n_patients, train,
        test ``{n_patients, n_positive}``.
    baseline
        Table 1: variable, level, all, train, test, missing, p_value, test_name.
    model_selection
        arm, classifier, parameters, cv_auc_mean, cv_auc_sd, cv_log_loss_mean, chosen.
    problems
        code, severity, title, n.
    figures
        Name -> figure; the name (``roc``, ``calibration_test``, ``flow``, ...) places it, an
        unknown name goes to the further figures.
    differences
        (what the paper says, what this study does, why).
    provenance
        What made the result: hashes, versions, configuration.
    tables
        Further tables, shown as they are.
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


def write_report(path: Path, report: ReportInput) -> Path:
    """Write the report as one HTML file and return its path."""
    write_atomic(path, render_report(report).encode())
    return path


def render_report(report: ReportInput) -> str:
    """HTML of the report; every string of the input is escaped."""
    environment = Environment(
        loader=PackageLoader("her2.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals["missing"] = NOT_ESTIMABLE
    return environment.get_template("report.html").render(
        title=report.title,
        simulated=report.simulated,
        arms=headline_arms(report.results),
        sentences=sentences(report.results),
        alarms=alarms(report.results),
        sections=_sections(report),
    )


def _sections(report: ReportInput) -> list[Section]:
    placed = pictures(report.figures)
    return [
        *_patient_sections(report, placed),
        *_result_sections(report, placed),
        *_further_sections(report, placed),
        *_account_sections(report),
    ]


def _patient_sections(report: ReportInput, placed: Placed) -> list[Section]:
    flow_tables = [flow_table(report.flow)]
    found = ("No problem was found in the input.",) if report.problems.empty else ()
    if not report.problems.empty:
        flow_tables.append(problems_table(report.problems))
    images = (*placed["flow"], *placed["examples"])
    has_baseline = not report.baseline.empty
    none = () if has_baseline else ("The cohort brought no clinical variable.",)
    table_1 = (baseline_table(report.baseline),) if has_baseline else ()
    return [
        Section("flow", "Flow of patients", found, images, tuple(flow_tables)),
        Section("baseline", "Patients", none, tables=table_1),
    ]


def _result_sections(report: ReportInput, placed: Placed) -> list[Section]:
    results = report.results
    performance = (models_table(results), performance_table(results))
    compared = (comparison_table(results),) if results["comparisons"] else ()
    alone = () if compared else ("There were no two arms to compare.",)
    has_candidates = not report.model_selection.empty
    chosen = (selection_table(report.model_selection),) if has_candidates else ()
    fixed = () if has_candidates else ("No model was chosen among candidates.",)
    return [
        Section("performance", "Performance", tables=performance),
        _pictured("roc", "ROC curves", placed["roc"]),
        _pictured("calibration", "Calibration", placed["calibration"], calibration_table(results)),
        _pictured("decision-curves", "Decision curves", placed["decision_curve"]),
        _pictured("predictions", "Predictions", placed["prediction"]),
        _pictured("confusion", "Confusion counts", placed["confusion"], confusion_table(results)),
        Section("comparisons", "Comparison of arms", alone, tuple(placed["comparison"]), compared),
        Section("model-selection", "Model selection", fixed, tables=chosen),
    ]


def _pictured(anchor: str, title: str, images: Sequence[Picture], *tables: Table) -> Section:
    missing = () if images else ("This study brought no such figure.",)
    return Section(anchor, title, missing, tuple(images), tables)


def _further_sections(report: ReportInput, placed: Placed) -> list[Section]:
    tables = tuple(any_table(name, table) for name, table in report.tables.items())
    if not tables and not placed["other"]:
        return []
    return [Section("further", "Further results", (), tuple(placed["other"]), tables)]


def _account_sections(report: ReportInput) -> list[Section]:
    notes = tuple(str(note) for note in report.results["notes"])
    same = () if report.differences else ("No difference was recorded.",)
    silent = () if notes else ("There is nothing to note.",)
    return [
        Section("notes", "Notes", silent, items=notes),
        Section("differences", "What differs from the paper", same, tables=_differences(report)),
        Section("provenance", "Provenance", tables=_provenance(report)),
    ]


def _differences(report: ReportInput) -> tuple[Table, ...]:
    if not report.differences:
        return ()
    heads = columns("The paper", "This study", "Why", text=["This study", "Why"])
    rows = grouped([tuple(row) for row in report.differences])
    return (Table("Choices that differ from the paper", heads, rows),)


def _provenance(report: ReportInput) -> tuple[Table, ...]:
    results = report.results
    facts = {
        "Results schema": str(results["schema"]),
        "Data (SHA-256)": str(results["cohort"]["data_sha256"]),
        **{f"MLflow {k.replace('_', ' ')}": str(v) for k, v in results["mlflow"].items() if v},
        **report.provenance,
    }
    made_of = grouped([(key, str(value)) for key, value in facts.items()])
    timing = grouped([(str(k), number(v, 1)) for k, v in results["timing"].items()])
    tables = [Table("What made this result", columns("Item", "Value", text=["Value"]), made_of)]
    if timing:
        tables.append(Table("Time of each step", columns("Step", "Seconds"), timing))
    return tuple(tables)
