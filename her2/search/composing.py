"""Configs of jobs: groups and fixed settings are composed once, values are then put in.

Hydra composes a job's config from all its files, which takes 0.1 to 0.2 s; a search has hundreds
of jobs that differ in values alone.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra.core.config_loader import ConfigLoader
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import DictConfig, OmegaConf, open_dict, read_write


def key_of(override: str) -> str:
    """Return the key of an override.

    >>> key_of("++a.b=1"), key_of("~a.b"), key_of("classifier=lr")
    ('a.b', 'a.b', 'classifier')
    """
    return override.partition("=")[0].lstrip("+~").partition("@")[0]


class RememberingLoader(ConfigLoader):
    """Hydra's loader of configs, which composes what the jobs of a search share once.

    values: keys, none of them a group, whose overrides are applied to a copy of what was
    composed without them; the result is the same, because Hydra applies values last.
    """

    def __init__(self, inner: ConfigLoader, values: Sequence[str]) -> None:
        self.inner = inner
        self.values = frozenset(values)
        self.composed: dict[tuple[str, ...], DictConfig] = {}
        self.parted: dict[tuple[str, ...], tuple[DictConfig, DictConfig]] = {}

    def load_sweep_config(
        self, master_config: DictConfig, sweep_overrides: list[str]
    ) -> DictConfig:
        """Return the config of a job."""
        shared, own = self._parts(sweep_overrides)
        config = copy.deepcopy(self._composed(master_config, shared))
        _apply(own, config)
        config.hydra.overrides.task.extend(own)
        OmegaConf.copy_cache(from_config=master_config, to_config=config)
        return config

    def task_config(
        self, master_config: DictConfig, sweep_overrides: Sequence[str]
    ) -> tuple[DictConfig, DictConfig]:
        """Return a job's config without Hydra's own section, and a config that has it alone.

        The latter is shared by all jobs that differ in values only: it is not to be changed.
        """
        shared, own = self._parts(sweep_overrides)
        if shared not in self.parted:
            self.parted[shared] = _parted(self._composed(master_config, shared))
        task, hydra_part = self.parted[shared]
        config = copy.deepcopy(task)
        _apply(own, config)
        OmegaConf.copy_cache(from_config=master_config, to_config=config)
        return config, hydra_part

    def _parts(self, overrides: Sequence[str]) -> tuple[tuple[str, ...], list[str]]:
        shared = tuple(x for x in overrides if key_of(x) not in self.values)
        return shared, [x for x in overrides if key_of(x) in self.values]

    def _composed(self, master_config: DictConfig, shared: tuple[str, ...]) -> DictConfig:
        if shared not in self.composed:
            self.composed[shared] = self.inner.load_sweep_config(master_config, list(shared))
        return self.composed[shared]

    def load_configuration(self, *arguments: Any, **named: Any) -> DictConfig:
        """Compose as Hydra does."""
        return self.inner.load_configuration(*arguments, **named)

    def get_search_path(self) -> Any:
        """Return where Hydra looks for files."""
        return self.inner.get_search_path()

    def get_sources(self) -> Any:
        """Return what Hydra looks into."""
        return self.inner.get_sources()

    def list_groups(self, parent_name: str) -> list[str]:
        """Return the groups under a group."""
        return self.inner.list_groups(parent_name)

    def get_group_options(self, group_name: str, *arguments: Any, **named: Any) -> list[str]:
        """Return the options of a group."""
        return self.inner.get_group_options(group_name, *arguments, **named)

    def compute_defaults_list(self, *arguments: Any, **named: Any) -> Any:
        """Return the files of a config."""
        return self.inner.compute_defaults_list(*arguments, **named)


def _apply(own: list[str], config: DictConfig) -> None:
    parsed = OverridesParser.create().parse_overrides(own)
    ConfigLoaderImpl._apply_overrides_to_config(parsed, config)


def _parted(config: DictConfig) -> tuple[DictConfig, DictConfig]:
    """Return what a task sees, and Hydra's section with the folder of the job in it."""
    task = copy.deepcopy(config)
    with open_dict(task):
        del task["hydra"]
    hydra_part = copy.deepcopy(config)
    with open_dict(hydra_part), read_write(hydra_part):
        sweep = hydra_part.hydra.sweep
        folder = Path(str(sweep.dir)) / str(sweep.subdir)
        folder.mkdir(parents=True, exist_ok=True)
        hydra_part.hydra.runtime.output_dir = str(folder.absolute())
        hydra_part.hydra.job.id = "0"
        hydra_part.hydra.job.num = 0
    return task, hydra_part
