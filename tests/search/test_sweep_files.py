"""Every file of sweeps/ composes with the command it names, and its points can be run."""

import re
from pathlib import Path

import pytest
import yaml
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from her2.core.places import config_folder
from her2.core.settings.composition import register_defaults, settings_of
from her2.models.classifiers import candidates, check_candidates
from her2.search.hydra_jobs import HydraJobs, with_values
from her2.search.search_settings import SearchSettings
from her2.search.space import SPACES, known_spaces, read_space

SEARCHES = SPACES.parent / "search"
FILES = sorted(SEARCHES.glob("*.yaml"))


@pytest.fixture(scope="module", autouse=True)
def conf():
    register_defaults()
    with initialize_config_dir(str(config_folder()), version_base="1.3"):
        yield


def command_of(path: Path) -> str:
    """The command that the file's first lines tell people to use."""
    return re.search(r"her2 (\w+) -m", path.read_text())[1]


def jobs(command: str, *overrides: str, **settings) -> HydraJobs:
    """Jobs of a search as the sweeper makes them."""
    from hydra.core.global_hydra import GlobalHydra
    from hydra.types import HydraContext, RunMode

    loader = GlobalHydra.instance().config_loader()
    config = loader.load_configuration(command, list(overrides), run_mode=RunMode.MULTIRUN)
    context = HydraContext(config_loader=loader, callbacks=None)
    return HydraJobs(context, print, config, overrides, SearchSettings(**settings))


@pytest.mark.parametrize("path", FILES, ids=[path.stem for path in FILES])
def test_a_file_of_searches_composes_with_its_command(path):
    content = yaml.safe_load(path.read_text())["hydra"]["sweeper"]
    sweeper = ["hydra/sweeper=optuna"] if "space" in content else []
    config = compose(
        command_of(path), [*sweeper, f"+search={path.stem}"], return_hydra_config=True
    )
    if "space" in content:
        assert config.hydra.sweeper.space in known_spaces()
    else:
        assert set(config.hydra.sweeper.params) <= set(config.hydra.runtime.choices)


def test_every_space_is_named_by_a_file_of_searches():
    named = {yaml.safe_load(p.read_text())["hydra"]["sweeper"].get("space") for p in FILES}
    assert named - {None} == set(known_spaces())


SPACE_FILES = [p for p in FILES if "space:" in p.read_text()]


@pytest.mark.parametrize("path", SPACE_FILES, ids=[path.stem for path in SPACE_FILES])
def test_the_ends_of_a_space_are_settings_of_its_command(path, tmp_path):
    found = jobs(command_of(path), "hydra/sweeper=optuna", f"+search={path.stem}",
                 space=read_named(path))  # fmt: skip
    seen = set()
    for point in corners(found.space):
        overrides = [*found.given, *found.space.fixed, *found._settings_of(point)]
        config = found.loader.load_sweep_config(found.config, overrides)
        settings = settings_of(command_of(path), without_hydra(config))
        if command_of(path) == "classify":
            points = candidates(settings.classifier.grids)
            assert len(points) == 1 or "classifier" not in point
            check_candidates(points, 0)
        seen |= set(point)
    assert seen == {parameter.name for parameter in found.space.parameters}


def read_named(path: Path) -> str:
    return str(yaml.safe_load(path.read_text())["hydra"]["sweeper"]["space"])


def corners(space):
    """Points with all settings at one end, and one point a choice."""
    for end in (0, -1):
        yield from with_choices(space, end)


def with_choices(space, end: int):
    longest = max(len(p.choices) for p in space.parameters)
    for i in range(max(longest, 1)):
        point = {}
        for p in space.parameters:
            if p.is_active(point):
                number = p.low if end == 0 else p.high
                whole = int(number) if p.kind == "int" else number
                point[p.name] = p.choices[i % len(p.choices)] if p.choices else whole
        yield point


def without_hydra(config):
    from omegaconf import open_dict

    with open_dict(config):
        del config["hydra"]
    return config


def test_what_is_composed_once_is_what_hydra_composes():
    """A config with values put in equals the one that Hydra makes of all overrides."""
    found = jobs("classify", "hydra/sweeper=optuna", "classifier=lightgbm", "run_dir=out")
    point = dict(found.space.first())
    overrides = [*found.given, *found.space.fixed, *found._settings_of(point)]
    quick = found.loader.load_sweep_config(found.config, overrides)
    slow = found.loader.inner.load_sweep_config(found.config, overrides)
    assert without_hydra(quick) == without_hydra(slow)
    shared, own = found.loader.shared(found.config, overrides)
    before = shared.copy()
    keys = [key for key in shared if key != "hydra"]
    assert with_values(OmegaConf.masked_copy(shared, keys), own) == quick
    assert shared == before  # it is that of the next trial as well


def test_spaces_are_read_by_the_names_of_their_files():
    for name in known_spaces():
        assert read_space(name).title == name
