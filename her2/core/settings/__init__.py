"""The settings of a study, one class a config group: defaults, ranges and meanings stand here."""

from her2.core.settings.base import BadSettings
from her2.core.settings.data_settings import (
    CohortSettings,
    EnhanceSettings,
    GeneratorSettings,
    RadiomicsSettings,
    SelectionSettings,
    SplitSettings,
    VariableSettings,
)
from her2.core.settings.model_settings import (
    BackboneSettings,
    ClassifierSettings,
    ComputeSettings,
    ControlSettings,
    EvaluationSettings,
    FusionSettings,
    TrackingSettings,
    TrainerSettings,
)
from her2.core.settings.plan_settings import PlanSettings
from her2.core.settings.study_settings import (
    COMMANDS,
    CheckPaperSettings,
    CompareSettings,
    StudySettings,
    SyncSettings,
    UiSettings,
    check_rules,
)

__all__ = [
    "COMMANDS", "BackboneSettings", "BadSettings", "CheckPaperSettings", "ClassifierSettings",
    "CohortSettings", "CompareSettings", "ComputeSettings", "ControlSettings",
    "EnhanceSettings", "EvaluationSettings", "FusionSettings", "GeneratorSettings",
    "PlanSettings", "RadiomicsSettings", "SelectionSettings", "SplitSettings", "StudySettings",
    "SyncSettings", "TrackingSettings", "TrainerSettings", "UiSettings", "VariableSettings",
    "check_rules",
]  # fmt: skip
