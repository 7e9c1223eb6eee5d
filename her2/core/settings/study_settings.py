"""All settings of a command in one object, what each command reads, and what it refuses."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from her2.core.errors import MissingInput
from her2.core.masking import masked
from her2.core.settings.base import BadSettings, setting, settings, validated
from her2.core.settings.data_settings import (
    CohortSettings,
    EnhanceSettings,
    RadiomicsSettings,
    SelectionSettings,
    SplitSettings,
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
from her2.core.settings.plan_settings import PlanSettings, plan_rules

_FOLDER = "folder of the run; null: outputs/COMMAND/TIME"


@settings()
class StudySettings:
    """All settings of a study; those of the other commands on a cohort are the same ones.

    Examples
    --------
    >>> StudySettings(evaluation=EvaluationSettings(n_folds=3)).evaluation.n_repeats
    5
    >>> StudySettings(seed=-1)
    Traceback (most recent call last):
    her2.core.settings.base.BadSettings: expected seed of at least 0, found -1; 0 is the default
    """

    run_dir: str | None = setting(None, _FOLDER, min_length=1)
    seed: int = setting(0, "all random numbers of the run", ge=0)
    cache: str | None = setting(
        None, "folder of the feature cache; null: $HER2_CACHE, else ~/.cache/her2"
    )
    cohort: CohortSettings = setting(factory=lambda: CohortSettings(reader="phantom"))
    split: SplitSettings = setting(factory=SplitSettings)
    enhance: EnhanceSettings = setting(factory=EnhanceSettings)
    radiomics: RadiomicsSettings = setting(factory=RadiomicsSettings)
    selection: SelectionSettings = setting(factory=SelectionSettings)
    classifier: ClassifierSettings = setting(factory=ClassifierSettings)
    backbone: BackboneSettings = setting(factory=BackboneSettings)
    fusion: FusionSettings = setting(factory=FusionSettings)
    evaluation: EvaluationSettings = setting(factory=EvaluationSettings)
    trainer: TrainerSettings = setting(factory=TrainerSettings)
    controls: ControlSettings = setting(factory=ControlSettings)
    tracking: TrackingSettings = setting(factory=TrackingSettings)
    compute: ComputeSettings = setting(factory=ComputeSettings)

    @classmethod
    def from_overrides(
        cls, overrides: Sequence[str] = (), *, command: str = "study"
    ) -> StudySettings:
        """Return the settings of a command line, ``her2 COMMAND OVERRIDE ...``.

        Parameters
        ----------
        overrides
            As typed: ``["cohort=folder", "cohort.root=DIR", "selection=lasso"]``.
        command
            Whose defaults are taken.

        Raises
        ------
        BadSettings
            With a sentence for everything that is wrong.
        """
        from her2.core.settings.composition import composed_settings

        made = composed_settings(command, overrides)
        assert isinstance(made, cls)
        return made

    @classmethod
    def from_yaml(cls, path: str | Path) -> StudySettings:
        """Return the settings of a file: the config.yaml of a run, or what differs from defaults.

        Raises
        ------
        MissingInput
            There is no such file.
        BadSettings
            With a sentence for everything that is wrong.
        """
        try:
            content = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
        except FileNotFoundError as error:
            raise MissingInput(f"expected a file of settings, found none at {path}") from error
        except yaml.YAMLError as error:
            raise BadSettings([f"expected settings as YAML in {path}, found none"]) from error
        if not isinstance(content, dict):
            raise BadSettings([f"expected settings as YAML in {path}, found none"])
        return validated(cls, {k: v for k, v in content.items() if k != "command"})

    def record(self, command: str = "study") -> dict[str, Any]:
        """Return what config.yaml keeps: the settings that a command reads, as plain values."""
        plain = asdict(self)
        plain["cohort"]["clinical"] = list(self.cohort.clinical_names)
        read = {name: plain[name] for name in COMMANDS[command].reads}
        return {"command": command, **masked(read)}

    def untracked(self) -> StudySettings:
        """Return the same settings without MLflow."""
        return replace(self, tracking=replace(self.tracking, enabled=False))


@settings()
class CompareSettings:
    """Settings of `her2 compare`."""

    run_dir: str | None = setting(None, _FOLDER, min_length=1)
    runs: list[str] = setting([], "folders or MLflow ids; as words: her2 compare RUN RUN")
    arms: list[str] = setting([], "which arms of the runs; []: all")
    names: list[str] = setting(
        [], "one a run, for figures and tables; []: what differs between their own"
    )
    tracking: TrackingSettings = setting(factory=TrackingSettings)

    def record(self) -> dict[str, Any]:
        """Return what config.yaml keeps."""
        plain = asdict(self)
        return {"command": "compare", **masked({k: v for k, v in plain.items() if k != "run_dir"})}


@settings()
class UiSettings:
    """Settings of `her2 ui`."""

    run_dir: str | None = setting(None, "not used", min_length=1)
    port: int = setting(5000, "of the pages on 127.0.0.1", ge=1, le=65535)
    tracking: TrackingSettings = setting(factory=TrackingSettings)


@settings()
class SyncSettings:
    """Settings of `her2 sync`."""

    run_dir: str | None = setting(None, "not used", min_length=1)
    folder: str = setting("outputs", "what holds the run folders", min_length=1)
    tracking: TrackingSettings = setting(factory=TrackingSettings)


@settings()
class CheckPaperSettings:
    """Settings of `her2 check-paper`."""

    run_dir: str | None = setting(None, "not used", min_length=1)
    numbers: str | None = setting(
        None, "the YAML file; as a word: her2 check-paper NUMBERS.yaml", min_length=1
    )


AnySettings = (
    StudySettings | CompareSettings | UiSettings | SyncSettings | CheckPaperSettings | PlanSettings
)


@dataclass(frozen=True)
class Command:
    """A command as the command line knows it.

    Attributes
    ----------
    summary
        What it does, in one line.
    reads
        Names of the settings that it reads; others of its class are accepted and change nothing.
    settings
        Class of its settings.
    rules
        Return what this command refuses, sentence by sentence.
    is_searched
        Whether its settings can be searched (``-m hydra/sweeper=optuna``).
    """

    summary: str
    reads: tuple[str, ...]
    settings: type[Any] = StudySettings
    rules: tuple[Callable[[Any], Iterator[str]], ...] = ()
    is_searched: bool = False


def _selection_rules(of: StudySettings) -> Iterator[str]:
    if of.selection.robust_icc is not None and not of.radiomics.robustness:
        yield (
            "expected changes in radiomics.robustness for selection.robust_icc, found none; name "
            "some, such as radiomics.robustness=[erosion,dilation,contour]"
        )


def _split_rules(of: StudySettings) -> Iterator[str]:
    if of.split.external is not None and of.split.leave_out is not None:
        yield (
            "expected split.external or split.leave_out, found both; external centres are judged "
            "once, left-out centres in turn: choose one"
        )
    if of.split.development is not None and of.split.external is None:
        yield (
            "expected split.external, the column that holds the centres of split.development, "
            "found none; name it"
        )


def _once_rules(of: StudySettings) -> Iterator[str]:
    if of.evaluation.n_repeats != 1:
        yield (
            f"expected evaluation.n_repeats=1 to fine-tune, found {of.evaluation.n_repeats}; "
            "every fold of every repeat is a network to train: use evaluation=once"
        )


def _mode_rules(of: StudySettings) -> Iterator[str]:
    if of.backbone.mode != "frozen":
        yield from _once_rules(of)
    if of.backbone.mode == "finetune" and "deep_learning" in of.fusion.members:
        yield (
            "expected fusion.members without deep_learning for backbone.mode=finetune, because "
            "the combined arm learns from inner folds, which a network does not have; found "
            f"{', '.join(of.fusion.members)}: use backbone.mode=finetune_features"
        )


def _train_rules(of: StudySettings) -> Iterator[str]:
    if of.backbone.mode != "finetune":
        mode = of.backbone.mode
        yield f"expected backbone.mode=finetune, found {mode}; her2 study has the others"


def _features_rules(of: StudySettings) -> Iterator[str]:
    if of.enhance.compare:
        yield (
            "expected enhance.compare=false for her2 features, which fits no arm, found true; "
            "leave it out, or use her2 classify, train or study"
        )
    if of.enhance.method == "srgan" and of.enhance.weights is None:
        yield (
            "expected enhance.weights for features of a cohort without a split, found none; give "
            "the file of a generator that has seen none of these patients, or use her2 study"
        )


def _audit_rules(of: StudySettings) -> Iterator[str]:
    if of.backbone.mode != "frozen":
        yield (
            f"expected backbone.mode=frozen where a protocol is repeated, found "
            f"{of.backbone.mode}; every control would train all networks again"
        )
    if of.evaluation.n_shuffles < 1:
        yield "expected evaluation.n_shuffles of at least 1, found 0; 20 is usual"


_RADIOMICS = ("seed", "cache", "cohort", "split", "enhance", "radiomics", "selection",
              "classifier")  # fmt: skip
_LAST = ("tracking", "compute")
_PLAN = ("seed", "run", "arm", "prevalence", "auc", "auc_low", "n_parameters", "alternatives", "n",
         "shrinkage", "error", "oe_width", "slope_width", "auc_width", "net_benefit_width",
         "threshold", "required_auc", "assurance", "n_cohorts", "compute")  # fmt: skip
COMMANDS: dict[str, Command] = {
    "study": Command(
        "the whole study; with no override: the built-in simulated cohort",
        (*_RADIOMICS, "backbone", "fusion", "evaluation", "trainer", *_LAST),
        rules=(_split_rules, _selection_rules, _mode_rules),
    ),
    "check": Command(
        "read and verify a cohort, print the flow of patients; fits nothing",
        ("seed", "cache", "cohort", "split", "compute"), rules=(_split_rules,),
    ),
    "features": Command(
        "radiomic features of a cohort to parquet",
        ("seed", "cache", "cohort", "enhance", "radiomics", "compute"), rules=(_features_rules,),
    ),
    "classify": Command(
        "one classifier grid on one feature table", (*_RADIOMICS, "evaluation", *_LAST),
        rules=(_split_rules, _selection_rules), is_searched=True,
    ),
    "audit": Command(
        "does the protocol leak? shuffles, noise, poison, copies of images, controls",
        (*_RADIOMICS, "backbone", "fusion", "evaluation", "controls", "compute"),
        rules=(_split_rules, _selection_rules, _audit_rules),
    ),
    "train": Command(
        "fine-tune one backbone (-m backbone=a,b,c runs several)",
        ("seed", "cache", "cohort", "split", "enhance", "backbone", "evaluation", "trainer",
         *_LAST),
        rules=(_split_rules, _once_rules, _train_rules), is_searched=True,
    ),
    "compare": Command(
        "finished runs side by side: her2 compare RUN RUN ... (folders or MLflow ids)",
        ("runs", "arms", "names", "tracking"), CompareSettings,
    ),
    "plan": Command(
        "how many patients to develop a model, and to validate it: her2 plan auc=.8 ...",
        _PLAN, PlanSettings, rules=(plan_rules,),
    ),
    "check-paper": Command(
        "printed numbers of a paper, checked for contradictions: her2 check-paper NUMBERS.yaml",
        ("numbers",), CheckPaperSettings,
    ),
    "phantom": Command(
        "write a simulated cohort as an example of the layout", ("cohort", "compute")
    ),
    "ui": Command("the MLflow pages of the runs, on this machine only", ("port", "tracking"),
                  UiSettings),
    "sync": Command(
        "send the run folders that MLflow lacks (her2 sync FOLDER; default outputs/)",
        ("folder", "tracking"), SyncSettings,
    ),
}  # fmt: skip


def check_rules(command: str, of: AnySettings) -> None:
    """Refuse what a command cannot be run with, before any file is opened."""
    said = [sentence for rule in COMMANDS[command].rules for sentence in rule(of)]
    if said:
        raise BadSettings(said)
