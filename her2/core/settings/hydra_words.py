"""Which of Hydra's own settings a command line, or a file that it names, may hold.

Hydra instantiates any path that its settings name, and loads logging, callbacks and folders of
configs from wherever they say. So all of it is refused but the sweeper and the launchers.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from her2.core.errors import BadConfig
from her2.core.settings.base import did_you_mean, unknown_key

if TYPE_CHECKING:
    from hydra.core.config_store import ConfigStore
    from hydra.core.override_parser.types import Override

SWEEPERS = ("optuna", "basic")
_FOLDERS = ("hydra.run.dir", "hydra.sweep.dir", "hydra.sweep.subdir", "hydra.output_subdir")
_ENVIRONMENT = re.compile(r"HYDRA_|FB_[PX]AR_MAIN_MODULE$")


def forget_environment() -> None:
    """Take out of this process's environment what Hydra would read, its list of targets too."""
    for name in [name for name in os.environ if _ENVIRONMENT.match(name)]:
        del os.environ[name]


def of_hydra(key: str) -> bool:
    """Whether a key, without its sign, is one of Hydra's own settings, or puts something there.

    >>> of_hydra("hydra.run.dir"), of_hydra("cohort@hydra.callbacks"), of_hydra("cohort.root")
    (True, True, False)
    """
    return "@" in key or re.match(r"\s*hydra\s*([./]|$)", key) is not None


def problem_of(sign: str, key: str, value: str) -> str:
    """Return what is wrong with a word for which `of_hydra`; empty where it is allowed."""
    if key in _FOLDERS:
        return f"expected run_dir=FOLDER for the folder of a run, found {key}; give run_dir"
    if sign or "@" in key:
        return _not_allowed(f"{sign}{key}")
    if key == "hydra/sweeper" and value not in SWEEPERS:
        return f"expected hydra/sweeper=optuna, found {value}{did_you_mean(value, ['optuna'])}"
    if key == "hydra/launcher" and value not in _launchers():
        known = _launchers()
        hint = did_you_mean(value, known)
        return f"expected hydra/launcher among {', '.join(known)}, found {value}{hint}"
    if key in ("hydra/sweeper", "hydra/launcher"):
        return ""
    if not key.startswith(("hydra.sweeper.", "hydra.launcher.")):
        return _not_allowed(key)
    known = _keys("sweeper", ["optuna"]) if "sweeper" in key else _keys("launcher", _launchers())
    return "" if key in known else unknown_key(key, known)


def check_words_of_file(
    words: Iterable[str], title: str, options: Callable[[str], Sequence[str]]
) -> None:
    """Refuse words of a file that reach beyond settings and the options of groups.

    options: returns those of a group, and nothing for a name that is none.
    """
    for word in words:
        key, _, value = word.lstrip("+~ ").partition("=")
        parts = re.split(r"[./]", key)
        if of_hydra(key) or any(part.startswith("_") for part in parts) or parts[0] == "trial":
            raise BadConfig(
                f"expected settings and groups of the command in {title}, found {key}; take it out"
            )
        known = options(key)
        if known and value.strip("'\"") not in known:
            raise BadConfig(
                f"expected {key} among {', '.join(known)} in {title}, found {value}; take it out"
            )


def check_folders(sweeps: Iterable[Override]) -> None:
    """Refuse a sweep whose jobs, each in a folder named after its value, would leave the run's."""
    for sweep in sweeps:
        if not sweep.is_discrete_sweep():
            continue
        name = sweep.get_key_element()
        for value in sweep.sweep_string_iterator():
            if os.path.normpath(f"{name}={value}").startswith(".."):
                raise BadConfig(
                    f"expected values of {name} that can name the folder of a job, found {value}, "
                    "which leads out of the run's; give the whole path"
                )


def _not_allowed(name: str) -> str:
    return (
        "expected of Hydra's own settings hydra/sweeper, hydra/launcher and those below "
        f"hydra.sweeper and hydra.launcher alone, found {name}; leave it out"
    )


def _launchers() -> list[str]:
    return sorted(x.removesuffix(".yaml") for x in _plugins().list("hydra/launcher"))


def _keys(kind: str, options: Sequence[str]) -> list[str]:
    """Return the settings of sweepers or launchers; not what they are, nor sweeps as texts."""
    nodes = [_plugins().load(f"hydra/{kind}/{option}.yaml").node for option in options]
    names = {str(name) for node in nodes for name in node} - {"params"}
    return sorted(f"hydra.{kind}.{name}" for name in names if not name.startswith("_"))


def _plugins() -> ConfigStore:
    """Return the configs of Hydra, those of the installed sweepers and launchers included."""
    from hydra.core.config_store import ConfigStore
    from hydra.core.plugins import Plugins

    Plugins.instance()  # registers them
    return ConfigStore.instance()
