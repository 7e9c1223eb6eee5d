"""HER2 status of breast cancer from ultrasound: a leak-free deep-learning radiomics study.

Examples
--------
>>> import her2
>>> her2.StudySettings(cohort=her2.CohortSettings(root="DIR", clinical=["age"])).cohort.reader
'folder'
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from her2.core.version import __version__

if TYPE_CHECKING:
    from her2.commands.interface import (
        Comparison,
        Plan,
        Run,
        compare_runs,
        load_run,
        plan_study,
        read_cohort,
        run_study,
    )
    from her2.core.errors import BadCohort, BadConfig, Her2Error, LeakageError, MissingInput
    from her2.core.results import Results
    from her2.core.settings import (
        BackboneSettings,
        ClassifierSettings,
        CohortSettings,
        ComputeSettings,
        EnhanceSettings,
        EvaluationSettings,
        FusionSettings,
        PlanSettings,
        RadiomicsSettings,
        SelectionSettings,
        SplitSettings,
        StudySettings,
        TrackingSettings,
        TrainerSettings,
    )
    from her2.core.types import Cohort
    from her2.radiomics import extract_features

# what each module gives; nothing of it is loaded before it is asked for
_PLACES = {
    "her2.commands.interface": (
        "Comparison", "Plan", "Run", "compare_runs", "load_run", "plan_study", "read_cohort",
        "run_study",
    ),
    "her2.core.errors": ("BadCohort", "BadConfig", "Her2Error", "LeakageError", "MissingInput"),
    "her2.core.results": ("Results",),
    "her2.core.settings": (
        "BackboneSettings", "ClassifierSettings", "CohortSettings", "ComputeSettings",
        "EnhanceSettings", "EvaluationSettings", "FusionSettings", "PlanSettings",
        "RadiomicsSettings", "SelectionSettings", "SplitSettings", "StudySettings",
        "TrackingSettings", "TrainerSettings",
    ),
    "her2.core.types": ("Cohort",),
    "her2.radiomics": ("extract_features",),
}  # fmt: skip
_HOMES = {name: module for module, names in _PLACES.items() for name in names}

__all__ = [
    "BackboneSettings", "BadCohort", "BadConfig", "ClassifierSettings", "Cohort", "CohortSettings",
    "Comparison", "ComputeSettings", "EnhanceSettings", "EvaluationSettings", "FusionSettings",
    "Her2Error", "LeakageError", "MissingInput", "Plan", "PlanSettings", "RadiomicsSettings",
    "Results", "Run", "SelectionSettings", "SplitSettings", "StudySettings", "TrackingSettings",
    "TrainerSettings", "__version__", "compare_runs", "extract_features", "load_run", "plan_study",
    "read_cohort", "run_study",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'her2' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])
