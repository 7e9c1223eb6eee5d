"""A plan as sentences, a figure, tables and a page."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from her2 import plots
from her2.planning.make_plan import DEVELOPMENT, PESSIMISTIC, VALIDATION
from her2.planning.study_plan import Requirement, StudyPlan, write_plan
from her2.plots.text import count
from her2.report import write_tables
from her2.report.document import write_sections
from her2.report.plan_page import plan_sections

PAGE = "plan.html"


def write_outputs(folder: Path, plan: StudyPlan) -> Path:
    """Write plan.json, tables/, figures/ and plan.html; return the page's path."""
    tables = {name: table for name, table in plan.tables.items() if not table.empty}
    write_tables(folder / "tables", tables)
    figure = plan_figure(plan)
    plots.save_figure(figure, folder / "figures", "plan")
    write_plan(folder, plan)
    return write_sections(
        folder / PAGE,
        title="How many patients",
        simulated=plan.assumptions.simulated,
        sentences=[_expected(plan), *headline(plan), *_further(plan)],
        alarms=[],
        sections=plan_sections(
            {"plan": figure}, {k: _shown(table) for k, table in tables.items()}, plan.notes
        ),
    )


def plan_figure(plan: StudyPlan) -> Figure:
    """Return the picture of a plan."""
    tables = plan.tables
    return plots.study_plan_figure(
        tables["requirements"],
        tables["learning_curve"],
        tables["assurance"],
        attainable_auc=plan.assumptions.auc,
        required_auc=plan.required_auc,
        wanted=plan.wanted_assurance,
    )


def headline(plan: StudyPlan) -> list[str]:
    """Return the sentence of the development and that of the validation."""
    candidates = plan.assumptions.n_parameters
    model = f"a model of {count(candidates)} candidate predictor{'s' * (candidates != 1)}"
    return [
        _needed(f"To develop {model}", plan.deciding(DEVELOPMENT)),
        _needed("To validate it externally", plan.deciding(VALIDATION)),
    ]


def _needed(aim: str, decides: Requirement | None) -> str:
    assert decides is not None  # every stage has a criterion that always applies
    return (
        f"{aim} you need {_patients(decides)}, because of the criterion {decides.criterion} "
        f"({decides.meaning})."
    )


def _patients(of: Requirement) -> str:
    return f"{count(of.n_required)} patients (of whom {count(of.n_positive)} positive)"


def _expected(plan: StudyPlan) -> str:
    found = plan.assumptions
    source = f", as in the pilot ({found.source})" if found.source else ""
    return (
        f"Expected{source}: {100 * found.prevalence:.2g} % of the patients are positive, and the "
        f"model has an AUC of {found.auc:.2f} in new patients."
    )


def _further(plan: StudyPlan) -> Iterator[str]:
    """Yield what is said below: the pessimistic case, one's own patients, and the assurance."""
    found = plan.assumptions
    develop, validate = (plan.deciding(stage, PESSIMISTIC) for stage in (DEVELOPMENT, VALIDATION))
    if develop and validate:
        yield (
            f"If the AUC is only {found.auc_low:.2f}, it is {_patients(develop)} to develop, and "
            f"{_patients(validate)} to validate."
        )
    if plan.n_parameters_supported is not None:
        yield (
            f"The {count(found.n)} patients that can be had support "
            f"{count(plan.n_parameters_supported)} candidate predictors by the criteria shrinkage "
            "and optimism."
        )
    sure = f"{100 * plan.wanted_assurance:.0f} %"
    claim = f"the AUC is above {plan.required_auc:g} (lower limit of its 95 % interval)"
    if plan.n_for_assurance is None:
        yield f"No simulated validation shows with a probability of {sure} that {claim}."
        return
    is_smallest = plan.n_for_assurance == min(x.n for x in plan.assurance)
    least = "at most " if is_smallest else ""
    yield (
        f"That {claim}, a validation of {least}{count(plan.n_for_assurance)} patients shows with "
        f"a probability of {sure}; calibration needs more."
    )


def _shown(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table without the columns that tell nothing where there is one case only."""
    if "case" in table and table["case"].nunique() == 1:
        return table.drop(columns="case")
    return table.dropna(axis="columns", how="all")
