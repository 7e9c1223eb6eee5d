"""Every file of conf/ composes in every command that has its group, and is typed as it says."""

from dataclasses import is_dataclass
from pathlib import Path

import pytest
import yaml
from hydra import compose, initialize_config_dir

from her2.cli.command_line import COMMANDS
from her2.cli.composition import SECTIONS, workflow_arguments
from her2.core.places import config_folder
from her2.models.classifiers import NAMES, build, candidates
from her2.pipeline.arm_definitions import _CHAINS, selection_chain

CONF = config_folder()


def groups_of(command: str) -> dict[str, str]:
    """Groups of a command's defaults list, with the option that is taken."""
    defaults = yaml.safe_load((CONF / f"{command}.yaml").read_text())["defaults"]
    return {name: option for entry in defaults if isinstance(entry, dict)
            for name, option in entry.items()}  # fmt: skip


def options(group: str) -> list[str]:
    return sorted(p.stem for p in (CONF / group).glob("*.yaml") if not p.stem.startswith("_"))


CASES = [
    (command, group, option)
    for command in COMMANDS
    for group in groups_of(command)
    for option in options(group)
]


@pytest.fixture(scope="module")
def composed():
    """Return a function that composes a command's config from overrides."""
    with initialize_config_dir(str(CONF), version_base="1.3"):
        yield lambda command, *overrides: compose(command, list(overrides))


@pytest.mark.parametrize(("command", "group", "option"), CASES)
def test_an_option_composes_and_is_typed(composed, command, group, option):
    chosen = [f"{group}={option}"]
    if group == "cohort" and option != "phantom":
        chosen.append("cohort.root=DIR")
    arguments = workflow_arguments(composed(command, *chosen))
    for name, settings in SECTIONS.items():
        if name in arguments:
            assert type(arguments[name]) is settings, name
    assert "run_dir" not in arguments["config"]


@pytest.mark.parametrize("option", options("classifier"))
def test_every_point_of_a_grid_is_a_classifier(composed, option):
    points = candidates(
        workflow_arguments(composed("classify", f"classifier={option}"))["classifier"]
    )
    assert len(points) > 1
    for point in points:
        assert build(point, 0).get_params().items() >= dict(point.parameters).items()


@pytest.mark.parametrize("option", options("selection"))
def test_every_selection_is_the_chain_of_its_name_and_reads_what_its_file_has(composed, option):
    settings = workflow_arguments(composed("classify", f"selection={option}"))["selection"]
    assert settings.method == option
    selection_chain(settings, 0)
    given = yaml.safe_load((CONF / "selection" / f"{option}.yaml").read_text())
    assert given.keys() - {"method", "reader_icc", "robust_icc"} == set(_CHAINS[option][1])
    assert type(settings)(**given) == type(settings)(method=option)


@pytest.mark.parametrize("classifier", NAMES)
@pytest.mark.parametrize("imbalance", ["weights", "smote"])
def test_imbalance_is_a_setting_of_every_grid(composed, classifier, imbalance):
    config = composed("study", f"classifier={classifier}", f"classifier.imbalance={imbalance}")
    points = candidates(workflow_arguments(config)["classifier"])
    assert {point.imbalance for point in points} == {imbalance}


def test_every_file_is_an_option_of_some_command():
    used = {(group, option) for _, group, option in CASES}
    for path in CONF.glob("*/*.yaml"):
        if path.parent.name != "hydra" and not path.stem.startswith("_"):
            assert (path.parent.name, path.stem) in used, path
    commands = {p.stem for p in CONF.glob("*.yaml") if not p.stem.startswith("_")}
    assert commands == set(COMMANDS)


def test_every_file_says_what_it_is_for_or_holds_nothing_to_explain():
    for path in CONF.rglob("*.yaml"):
        assert yaml.safe_load(path.read_text()) is not None or "# @package" in path.read_text()


def test_every_section_is_a_dataclass_whose_defaults_are_those_of_the_files(composed):
    """A default that stands in two places must be the same in both."""
    for name, settings in SECTIONS.items():
        assert is_dataclass(settings)
        group = {"tracking": "mlflow", "selection": "paper"}.get(name)
        if group is None or not hasattr(settings, "__dataclass_fields__"):
            continue
        values = yaml.safe_load((CONF / name / f"{group}.yaml").read_text())
        assert settings(**values) == settings()


def test_the_paper_preset_is_the_papers(composed):
    config = composed("study", "study=paper")
    assert config.backbone.name == "resnet101"
    assert set(config.classifier) == {*NAMES, "imbalance"}
    assert config.classifier.imbalance == "none"
    assert config.selection.method == "paper"


def test_the_quick_preset_is_small_and_can_be_changed_further(composed):
    config = composed("study", "study=quick", "cohort.n_patients=30")
    assert config.cohort.n_patients == 30
    assert config.evaluation.n_folds == 3
    assert set(config.classifier) == {"lr", "lightgbm", "imbalance"}


def test_the_smoke_preset_takes_any_backbone_and_keeps_it_small(composed):
    config = composed("study", "study=paper_smoke", "backbone=vgg19")
    assert (config.backbone.name, config.backbone.weights) == ("vgg19", "none")
    assert config.backbone.image_size == 64
    assert config.enhance.method == "srgan"
    assert config.enhance.max_steps_pixel + config.enhance.max_steps_adversarial == 60


def test_no_file_holds_a_place_or_a_secret():
    for path in CONF.rglob("*.yaml"):
        text = path.read_text()
        assert "/home/" not in text and "/work/" not in text and "password" not in text, path


def test_the_folder_of_configs_is_the_projects():
    assert Path(__file__).resolve().parents[1] / "conf" == CONF
