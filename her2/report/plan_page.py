"""Sections of the page of a plan, as `texts/plan.yaml` has them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

import pandas as pd
from matplotlib.figure import Figure

from her2.report.page_parts import Section
from her2.report.sections import planned_sections
from her2.report.tabulate import DASH, TableFormat, decimal, estimate, whole, words
from her2.report.texts import load_text

_whole = partial(whole, absent=DASH)
_CASE, _N = words("Case", "case"), whole("Patients", "n")
COLUMNS = {
    "requirements": (
        words("Stage", "stage"),
        _CASE,
        words("Criterion", "criterion"),
        words("Meaning", "meaning"),
        _whole("Patients", "n_required"),
        _whole("Positive", "n_positive"),
    ),
    "alternatives": (
        whole("Candidate predictors", "n_parameters"),
        whole("Patients", "n_required"),
        whole("Positive", "n_positive"),
        words("Because of", "criterion"),
        _whole("Patients, pessimistic", "n_pessimistic"),
    ),
    "learning_curve": (
        _N,
        whole("Cohorts", "n_cohorts"),
        estimate("AUC", "auc", stem="auc_"),
        estimate("Calibration slope", "slope", stem="slope_"),
    ),
    "assurance": (
        _CASE,
        _N,
        decimal("Width of the AUC's interval", "auc_width", 3),
        decimal("AUC above 0.5", "above_chance", 2),
        decimal("AUC above what is required", "above_required", 2),
        decimal("Slope of 1, precisely", "slope_shown", 2),
    ),
}


def plan_sections(
    figures: Mapping[str, Figure], tables: Mapping[str, pd.DataFrame], notes: Sequence[str]
) -> list[Section]:
    """Return the sections of a plan: its picture, its tables, and its notes."""
    texts = load_text("plan")
    formats = {
        name: TableFormat(columns=x, **texts["tables"][name]) for name, x in COLUMNS.items()
    }
    return planned_sections(texts, formats, figures, tables, notes)
