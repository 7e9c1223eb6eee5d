"""The settings of a study, one class a config group: defaults, ranges and meanings stand here."""

from her2.core.settings.base import BadSettings
from her2.core.settings.data_settings import (
    CohortSettings,
    EnhanceLossSettings,
    EnhanceSettings,
    GeneratorSettings,
    RadiomicsSettings,
    SelectionSettings,
    SplitSettings,
)
from her2.core.settings.model_settings import (
    BackboneSettings,
    ClassifierSettings,
    FusionSettings,
    TrainerSettings,
)
from her2.core.settings.run_settings import (
    ComputeSettings,
    ControlSettings,
    EvaluationSettings,
    TrackingSettings,
)
from her2.core.settings.study_settings import (
    COMMANDS,
    AnySettings,
    CheckPaperSettings,
    CompareSettings,
    StudySettings,
    SyncSettings,
    UiSettings,
    check_rules,
)

__all__ = [
    "COMMANDS",
    "AnySettings",
    "BackboneSettings",
    "BadSettings",
    "CheckPaperSettings",
    "ClassifierSettings",
    "CohortSettings",
    "CompareSettings",
    "ComputeSettings",
    "ControlSettings",
    "EnhanceLossSettings",
    "EnhanceSettings",
    "EvaluationSettings",
    "FusionSettings",
    "GeneratorSettings",
    "RadiomicsSettings",
    "SelectionSettings",
    "SplitSettings",
    "StudySettings",
    "SyncSettings",
    "TrackingSettings",
    "TrainerSettings",
    "UiSettings",
    "check_rules",
]
