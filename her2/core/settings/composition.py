"""Settings composed from presets and overrides: conf/ on top of the defaults of the classes.

Only this module and the command line see a config object of Hydra.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from her2.core.masking import remember_environment
from her2.core.places import config_folder
from her2.core.settings.base import BadSettings, defaults_of, unknown_key, validated
from her2.core.settings.overrides import Override, read_typed
from her2.core.settings.study_settings import COMMANDS, AnySettings, StudySettings, check_rules

if TYPE_CHECKING:
    from omegaconf import DictConfig

_FAULTS = re.compile(r"full_key|object_type|reference_type|To append to|.*HYDRA_FULL_ERROR")
_KEYS = re.compile(r"[a-z_]+(?:\.[a-z_]+)+")
_GRIDS = re.compile(r"classifier\.(lr|random_forest|extra_trees|xgboost|lightgbm)\b")
_NOT_SETTINGS = ("command", "hydra", "search")


def register_defaults() -> None:
    """Let Hydra find the defaults of every command's settings as the config ``defaults_of_NAME``.

    They lie below all presets of conf/, which say what differs from them.
    """
    from hydra.core.config_store import ConfigStore

    for cls in {command.settings for command in COMMANDS.values()}:
        plain = {k: v for k, v in defaults_of(cls).items() if k != "run_dir"}
        name = "defaults_of_" + cls.__name__.removesuffix("Settings").lower()
        ConfigStore.instance().store(name=name, node=plain, package="_global_", provider="her2")


def composed_settings(command: str, words: Sequence[str]) -> AnySettings:
    """Return the settings of ``her2 COMMAND WORD ...``; `BadSettings` says all that is wrong."""
    from hydra import compose, initialize_config_dir
    from hydra.core.global_hydra import GlobalHydra

    typed = read_typed(command, words)
    if typed.problems and typed.is_multirun:
        raise BadSettings(typed.problems)  # sweeps are no values to compose with the others
    register_defaults()
    before = GlobalHydra.instance().hydra
    GlobalHydra.instance().clear()
    try:
        with initialize_config_dir(str(config_folder()), version_base="1.3"):
            config = compose(command, typed.overrides)
    except Exception as error:
        if not is_fault_of_config(error):
            raise
        raise BadSettings([*typed.problems, one_sentence(error)]) from error
    finally:
        GlobalHydra.instance().hydra = before
    made = settings_of(command, config, typed.problems)
    if unused := _unused_grids(made, words):
        raise BadSettings(unused)
    return made


def _unused_grids(made: AnySettings, words: Sequence[str]) -> list[str]:
    """Return a sentence for every named classifier that does not compete."""
    if not isinstance(made, StudySettings):
        return []
    keys = [Override.read(word).key for word in words]
    named = [x[1] for x in map(_GRIDS.match, keys) if x]
    chosen = made.classifier.candidates
    return [
        f"expected settings of a classifier that competes ({', '.join(chosen)}), found "
        f"classifier.{name}; add it to classifier.candidates"
        for name in dict.fromkeys(named)
        if name not in chosen
    ]


def settings_of(command: str, config: DictConfig, problems: Sequence[str] = ()) -> AnySettings:
    """Return a composed config as settings that the command can be run with.

    `BadSettings` has the `problems` found before, and a sentence for everything else.
    """
    from omegaconf import OmegaConf

    try:
        plain = OmegaConf.to_container(config, resolve=True)
    except Exception as error:
        if not is_fault_of_config(error):
            raise
        raise BadSettings([*problems, one_sentence(error)]) from error
    remember_environment(OmegaConf.to_container(config, resolve=False), plain)
    assert isinstance(plain, dict)
    values = {str(k): v for k, v in plain.items() if k not in _NOT_SETTINGS}
    said = list(problems)
    try:
        made: AnySettings = validated(COMMANDS[command].settings, values)
        check_rules(command, made)
    except BadSettings as error:
        named = set(_KEYS.findall(" ".join(problems)))  # what follows from these is not said twice
        said += [x for x in error.problems if not named & set(_KEYS.findall(x))]
    if said:
        raise BadSettings(list(dict.fromkeys(said)))
    return made


def is_fault_of_config(error: BaseException) -> bool:
    """Whether Hydra or OmegaConf refuses a config, which is the user's to repair."""
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException

    return isinstance(error, HydraException | OmegaConfBaseException)


def one_sentence(error: Exception) -> str:
    """Return Hydra's message as one line in the form of ours, without hints for programmers."""
    lines = [line.strip() for line in str(error).partition("Config search path:")[0].splitlines()]
    kept = [line.rstrip(":;.") for line in lines if line and not _FAULTS.match(line)]
    missing = re.match(
        r"(?:Could not override|Could not find) '?([^'\s]+)'?", kept[0] if kept else ""
    )
    if missing:
        return unknown_key(missing[1], [])
    said = kept[0] if kept else ""
    if nothing := re.search(r"Interpolation key '([^']+)'|variable '([^']+)' not found", said):
        what = nothing[1] or f"the environment variable {nothing[2]}"
        return f"expected a ${{...}} that stands for something, found {what}; define it"
    return f"expected settings that can be composed, found: {'; '.join(kept)}"
