"""The sweeper that Hydra finds by itself; all it does stands in `her2.search`.

Hydra imports this file at the start of every command, so nothing heavy is imported here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.config_store import ConfigStore
from hydra.plugins.search_path_plugin import SearchPathPlugin
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf

from her2.core.places import packaged_path
from her2.search.search_settings import SearchSettings


@dataclass
class OptunaSweeperConf(SearchSettings):
    """What `hydra/sweeper=optuna` offers on the command line.

    Attributes
    ----------
    _target_
        Path of the class that Hydra makes; the other fields are its arguments.
    """

    _target_: str = "hydra_plugins.her2_optuna_sweeper.sweeper.OptunaSweeper"


ConfigStore.instance().store(
    group="hydra/sweeper", name="optuna", node=OptunaSweeperConf, provider="her2"
)


class SearchFiles(SearchPathPlugin):
    """Lets `+search=NAME` find the files of sweeps/search."""

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        """Add sweeps/ behind everything else."""
        search_path.append(provider="her2", path=f"file://{packaged_path('sweeps')}")


class OptunaSweeper(Sweeper):
    """Asks Optuna for points, has the launcher run them, and tells Optuna what they are worth."""

    def __init__(self, **settings: Any) -> None:
        self.settings: dict[str, Any] = {
            name: OmegaConf.to_container(value) if OmegaConf.is_config(value) else value
            for name, value in settings.items()
        }
        self.launcher = None

    def setup(
        self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig
    ) -> None:
        """Remember what a job needs."""
        self.of_hydra = hydra_context, task_function, config

    def sweep(self, arguments: list[str]) -> Any:
        """Search, and return the study."""
        from her2.search.hydra_jobs import HydraJobs
        from her2.search.loop import search

        settings = SearchSettings(**self.settings)
        return search(HydraJobs(*self.of_hydra, arguments, settings), settings)
