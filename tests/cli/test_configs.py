"""Every file of conf/ composes in every command that has its group, and says what it changes."""

from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from her2.cli.help_text import settings_page
from her2.core.places import config_folder
from her2.core.settings import COMMANDS, SelectionSettings, StudySettings
from her2.core.settings.base import defaults_of, keys_of
from her2.core.settings.composition import composed_settings
from her2.core.settings.overrides import known_groups
from her2.models.classifiers import NAMES, build, candidates
from her2.pipeline.arm_definitions import _CHAINS, selection_chain

CONF = config_folder()
ON_COHORT = [name for name, command in COMMANDS.items() if command.settings is StudySettings]
# all commands on a cohort have the same groups: one of them takes every option, all take presets
CASES = [
    (command, group, option)
    for command in COMMANDS
    for group, options in known_groups(command).items()
    for option in options
    if command in ("study", "compare") or group == "study"
]


def composed(command: str, *overrides: str) -> StudySettings:
    return composed_settings(command, overrides)


def rules_hold(command: str, group: str, option: str) -> list[str]:
    """Overrides without which an option is refused by the command's own rules."""
    extra = ["cohort.root=DIR"] if group == "cohort" and option != "phantom" else []
    if command == "train" and (group, option) == ("evaluation", "nested"):
        extra.append("evaluation.n_repeats=1")
    if command == "train" and group == "study" and option in ("quick", "paper_smoke", "paper"):
        extra.append("evaluation.n_repeats=1")
    if command == "audit" and (group, option) == ("evaluation", "once"):
        extra.append("evaluation.n_shuffles=1")
    if command == "features" and option in ("srgan", "srgan_small", "paper_smoke"):
        extra.append("enhance.weights=FILE")
    return extra


@pytest.mark.parametrize(("command", "group", "option"), CASES)
def test_an_option_composes_in_every_command_that_has_its_group(command, group, option):
    made = composed(command, f"{group}={option}", *rules_hold(command, group, option))
    assert type(made) is COMMANDS[command].settings


def test_the_commands_on_a_cohort_take_the_same_keys():
    keys = {command: list(known_groups(command)) for command in ON_COHORT}
    assert len({tuple(groups) for groups in keys.values()}) == 1
    for command in ON_COHORT:
        made = composed(
            command, "tracking=none", "tracking.uri=sqlite:///x.db", "fusion.n_components=3"
        )
        assert not made.tracking.enabled and made.tracking.uri == "sqlite:///x.db"


def test_without_overrides_the_command_has_the_defaults_of_the_classes():
    assert replace(composed("study"), run_dir=None) == StudySettings()


def test_a_file_holds_only_what_differs_from_the_classes():
    plain = defaults_of(StudySettings)
    for path in sorted(CONF.glob("*/*.yaml")):
        content = yaml.safe_load(path.read_text()) or {}
        if path.parent.name == "hydra" or "_global_" in path.read_text():
            continue
        for name, value in content.items():
            if name not in ("defaults", "reader"):
                assert value != plain[path.parent.name][name], (path, name)


@pytest.mark.parametrize("option", known_groups("study")["classifier"])
def test_every_point_of_a_grid_is_a_classifier(option):
    points = candidates(composed("classify", f"classifier={option}").classifier.grids)
    assert len(points) > 1
    for point in points:
        assert build(point, 0).get_params().items() >= dict(point.parameters).items()


@pytest.mark.parametrize("option", known_groups("study")["selection"])
def test_every_selection_is_the_chain_of_its_name(option):
    settings = composed("classify", f"selection={option}").selection
    assert settings == SelectionSettings(method=option)
    selection_chain(settings, 0)
    assert set(_CHAINS[option][1]) <= {key.name for key in keys_of(SelectionSettings)}


@pytest.mark.parametrize("classifier", NAMES)
@pytest.mark.parametrize("imbalance", ["weights", "smote"])
def test_imbalance_is_a_setting_of_every_grid(classifier, imbalance):
    made = composed("study", f"classifier={classifier}", f"classifier.imbalance={imbalance}")
    assert {point.imbalance for point in candidates(made.classifier.grids)} == {imbalance}


def test_the_paper_preset_is_the_papers():
    made = composed("study", "study=paper")
    assert made.backbone.name == "resnet101"
    assert set(made.classifier.grids) == {*NAMES, "imbalance"}
    assert made.evaluation.scoring == "roc_auc"


def test_the_quick_preset_is_small_and_can_be_changed_further():
    made = composed("study", "study=quick", "cohort.n_patients=30")
    assert made.cohort.n_patients == 30
    assert made.evaluation.n_folds == 3
    assert set(made.classifier.grids) == {"lr", "lightgbm", "imbalance"}


def test_the_smoke_preset_takes_any_backbone_and_keeps_it_small():
    made = composed("study", "study=paper_smoke", "backbone=vgg19")
    assert (made.backbone.name, made.backbone.weights) == ("vgg19", "none")
    assert made.backbone.image_size == 64
    assert made.enhance.method == "srgan"
    assert made.enhance.max_steps_pixel + made.enhance.max_steps_adversarial == 60


def test_no_file_holds_a_place_or_a_secret():
    for path in CONF.rglob("*.yaml"):
        text = path.read_text()
        assert "/home/" not in text and "/work/" not in text and "password" not in text, path


def test_every_setting_says_what_it_means():
    for command in COMMANDS.values():
        for key in keys_of(command.settings):
            assert len(key.description) > 5, key.name


def test_the_page_of_settings_is_what_the_classes_say():
    page = Path(__file__).resolve().parents[2] / "docs" / "settings.md"
    assert page.read_text(encoding="utf-8") == settings_page()
