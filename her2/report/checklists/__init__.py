"""Reporting checklists, filled from what a run has written: CLEAR, METRICS and TRIPOD+AI."""

from her2.report.checklists.checklist import (
    SOURCES,
    MetricsScore,
    checklist_items,
    fill_checklists,
    metrics_score,
    quality_category,
)
from her2.report.checklists.study_facts import STATUSES, StudyFacts

__all__ = [
    "SOURCES", "STATUSES", "MetricsScore", "StudyFacts", "checklist_items", "fill_checklists",
    "metrics_score", "quality_category",
]  # fmt: skip
