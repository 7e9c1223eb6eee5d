"""Reporting checklists, filled from what a run has written: CLEAR, METRICS and TRIPOD+AI."""

from her2.report.checklists.checklist import (
    SOURCES,
    Item,
    MetricsScore,
    checklist_items,
    fill_checklists,
    metrics_score,
    quality_category,
)
from her2.report.checklists.study_facts import STATUSES, Answer, StudyFacts

__all__ = [
    "SOURCES",
    "STATUSES",
    "Answer",
    "Item",
    "MetricsScore",
    "StudyFacts",
    "checklist_items",
    "fill_checklists",
    "metrics_score",
    "quality_category",
]
