"""Reporting checklists, filled from what a run has written: CLEAR, METRICS and TRIPOD+AI."""

from her2.report.checklists.facts import STATUSES, Answer, StudyFacts
from her2.report.checklists.fill import fill_checklists
from her2.report.checklists.items import SOURCES, Item, checklist_items
from her2.report.checklists.score import MetricsScore, metrics_score, quality_category

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
