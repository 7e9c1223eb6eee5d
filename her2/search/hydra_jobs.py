"""A search's jobs as Hydra runs them: overrides of a point, launchers, and their answers."""

from __future__ import annotations

import copy
import io
import logging
from collections.abc import Mapping, Sequence
from contextlib import redirect_stderr
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.plugins import Plugins
from hydra.core.utils import JobReturn, run_job, setup_globals
from hydra.types import HydraContext, TaskFunction
from joblib import cpu_count
from omegaconf import DictConfig, OmegaConf, open_dict, read_write

from her2.core.errors import BadConfig, Her2Error
from her2.core.run_folder import FREE_SETTINGS
from her2.core.settings.hydra_words import check_words_of_file
from her2.search.search_settings import SearchSettings
from her2.search.space import (
    Space,
    Value,
    as_text,
    default_space,
    hydra_text,
    read_space,
    with_overrides,
)
from her2.search.trial_job import KEY, Result, Ticket

logger = logging.getLogger(__name__)

TRIALS = "trials"  # folder of a search: what its trials share


def key_of(override: str) -> str:
    """Return the key of an override.

    >>> key_of("++a.b=1"), key_of("~a.b"), key_of("classifier=lr")
    ('a.b', 'a.b', 'classifier')
    """
    return override.partition("=")[0].lstrip("+~").partition("@")[0]


class ComposedOnce:
    """Hydra's loader of configs, which composes what the jobs of a search share once.

    Hydra composes a job's config from all its files, which takes 0.1 to 0.3 s. Overrides of
    `values` (keys, none of them a group) are applied to a copy of what was composed without them;
    the result is the same, because Hydra applies values last. Everything else is Hydra's.
    """

    def __init__(self, inner: Any, values: Sequence[str]) -> None:
        self.inner = inner
        self.values = frozenset(values)
        self.composed: dict[tuple[str, ...], DictConfig] = {}

    def __getattr__(self, name: str) -> Any:
        if name == "inner":  # not there yet, while a worker unpickles this
            raise AttributeError(name)
        return getattr(self.inner, name)

    def load_sweep_config(
        self, master_config: DictConfig, sweep_overrides: Sequence[str]
    ) -> DictConfig:
        """Return the config of a job."""
        shared, own = self.shared(master_config, sweep_overrides)
        config = with_values(copy.deepcopy(shared), own)
        config.hydra.overrides.task.extend(own)
        OmegaConf.copy_cache(from_config=master_config, to_config=config)
        return config

    def shared(
        self, master_config: DictConfig, overrides: Sequence[str]
    ) -> tuple[DictConfig, list[str]]:
        """Return what a job's config shares with others, not to be changed, and its own values."""
        shared = tuple(x for x in overrides if key_of(x) not in self.values)
        if shared not in self.composed:
            self.composed[shared] = self.inner.load_sweep_config(master_config, list(shared))
        return self.composed[shared], [x for x in overrides if key_of(x) in self.values]


def with_values(config: DictConfig, overrides: list[str]) -> DictConfig:
    """Return a config after putting values into it, as Hydra does."""
    for parsed in OverridesParser.create().parse_overrides(overrides):
        is_new = parsed.is_force_add()
        OmegaConf.update(config, parsed.key_or_group, parsed.value(), force_add=is_new)
    return config


class HydraJobs:
    """Runs points of a space through Hydra; `base` is the config that all trials share."""

    def __init__(
        self,
        context: HydraContext,
        task: TaskFunction,
        config: DictConfig,
        arguments: Sequence[str],
        settings: SearchSettings,
    ) -> None:
        self.task, self.config = task, config
        self.groups = {str(k): v for k, v in config.hydra.runtime.choices.items()}
        extra = [f"{key}={value}" for key, value in (settings.params or {}).items()]
        parser = OverridesParser.create(config_loader=context.config_loader)
        parsed = parser.parse_overrides([*extra, *arguments])
        swept = [x for x in parsed if x.is_sweep_override()]
        self.given = [str(x.input_line) for x in parsed if not x.is_sweep_override()]
        self.is_folder_given = any(key_of(x) == "run_dir" for x in self.given)
        named = settings.space or (None if swept else default_space(self.groups))
        space = read_space(named) if named else None
        if space is not None:
            _check_words(space, context.config_loader)
        self.space = with_overrides(space, swept)
        values = [p.name for p in self.space.parameters if p.name not in self.groups]
        loader: Any = ComposedOnce(context.config_loader, [*values, f"{KEY}.number"])
        self.loader = loader
        self.context = HydraContext(config_loader=loader, callbacks=context.callbacks)
        self.base = self.loader.load_sweep_config(config, [*self.given, *self.space.fixed])
        self.folder = Path(str(self.base.hydra.sweep.dir)).absolute()
        self.command = str(self.base.get("command", "search"))
        root = OmegaConf.select(self.base, "cohort.root")
        self.cohort = Path(str(root)).name if root else str(self.groups.get("cohort", ""))
        section = self.base.get("tracking")
        self.tracking = _plain(section) if OmegaConf.is_dict(section) else {"enabled": False}
        self._check_keys()
        n_jobs = int(config.hydra.launcher.get("n_jobs") or 1)
        self.n_at_once = settings.n_jobs or (n_jobs if n_jobs > 0 else cpu_count())

    def _check_keys(self) -> None:
        """Refuse a setting whose section the command does not have: Hydra would make it."""
        for parameter in self.space.parameters:
            section, _, name = parameter.name.rpartition(".")
            if parameter.name in self.groups or parameter.when:
                continue
            held = OmegaConf.select(self.base, section) if section else self.base
            if not OmegaConf.is_dict(held) or (not section and name not in held):
                raise BadConfig(
                    f"expected settings of the command in the space {self.space.title}, found "
                    f"{parameter.name}, which it does not have; see --help"
                )

    def settings(self) -> dict[str, str]:
        """Return what else determines a trial's value: every setting that is not searched."""
        left_out = {*FREE_SETTINGS, "hydra", "run_dir", KEY}
        kept = OmegaConf.masked_copy(self.base, [str(k) for k in self.base if k not in left_out])
        searched = tuple(parameter.name for parameter in self.space.parameters)
        return {
            key: value for key, value in flat(_plain(kept)).items()
            if not any(key == name or key.startswith(f"{name}.") for name in searched)
        }  # fmt: skip

    def rehearse(self, ticket: Ticket, folder: Path) -> Result:
        """Run a job that fits nothing, in this process; what it refuses is raised."""
        return Result(**self._run_job(self._overrides(ticket, self.space.first(), folder)))

    def run(
        self, tickets: Sequence[Ticket], points: Sequence[Mapping[str, Value]], folder: Path
    ) -> list[Result]:
        """Return the answer of each trial."""
        jobs = [self._overrides(t, p, folder) for t, p in zip(tickets, points, strict=True)]
        if self.groups.get("hydra/launcher") == "basic":
            return [self._run_here(job) for job in jobs]
        return self._launch(jobs, tickets[0].number or 0)

    def run_once(self, point: Mapping[str, Value], folder: Path) -> None:
        """Run the command itself with a point's settings, in this process, into a folder."""
        place = [f"hydra.sweep.dir={hydra_text(str(folder.parent))}",
                 f"hydra.sweep.subdir={hydra_text(folder.name)}"]  # fmt: skip
        self._run_job([*self.given, *self.space.fixed, *self._settings_of(point), *place])

    def _overrides(self, ticket: Ticket, point: Mapping[str, Value], folder: Path) -> list[str]:
        shared = asdict(replace(ticket, number=None))  # so that Hydra composes it once
        return [
            *self.given, *self.space.fixed,
            f"hydra.sweep.dir={hydra_text(str(folder))}", f"hydra.sweep.subdir={TRIALS}",
            f"+{KEY}={hydra_text(shared)}", f"{KEY}.number={hydra_text(ticket.number)}",
            *self._settings_of(point),
        ]  # fmt: skip

    def _settings_of(self, point: Mapping[str, Value]) -> list[str]:
        return [
            f"{'' if name in self.groups else '++'}{name}={as_text(value)}"
            for name, value in point.items()
        ]

    def _run_here(self, overrides: Sequence[str]) -> Result:
        """Run a trial in this process; `run_job` copies the config again and again (60 ms)."""
        if self.config.hydra.get("callbacks") or self.config.hydra.job.env_set:
            return _result(lambda: self._run_job(overrides))
        shared, own = self.loader.shared(self.config, overrides)
        folder = Path(str(shared.hydra.sweep.dir)).absolute() / str(shared.hydra.sweep.subdir)
        folder.mkdir(parents=True, exist_ok=True)
        with open_dict(shared), read_write(shared):
            shared.hydra.runtime.output_dir = str(folder)
        task_config = OmegaConf.masked_copy(shared, [str(k) for k in shared if k != "hydra"])
        OmegaConf.copy_cache(from_config=self.config, to_config=with_values(task_config, own))
        holder: Any = HydraConfig.instance()
        before, holder.cfg = holder.cfg, shared
        try:
            return _result(lambda: self.task(task_config))
        finally:
            holder.cfg = before

    def _run_job(self, overrides: Sequence[str]) -> Any:
        setup_globals()
        config = self.loader.load_sweep_config(self.config, overrides)
        config.hydra.job.id, config.hydra.job.num = "0", 0
        done = run_job(
            task_function=self.task, config=config, job_dir_key="hydra.sweep.dir",
            job_subdir_key="hydra.sweep.subdir", hydra_context=self.context,
        )  # fmt: skip
        return _returned(done)

    def _launch(self, jobs: Sequence[Sequence[str]], first: int) -> list[Result]:
        logging.getLogger("hydra_plugins").setLevel(logging.WARNING)  # a line a job otherwise
        launcher = Plugins.instance().instantiate_launcher(
            hydra_context=self.context, task_function=self.task, config=self.config
        )
        try:
            returned = launcher.launch([list(job) for job in jobs], initial_job_idx=first)
        except _lost_worker_errors() as error:
            reason = f"the launcher lost a worker: {_first_line(error)}"
            return [Result("failed", reason=reason)] * len(jobs)
        return [_result(lambda done=done: _returned(done)) for done in returned]


def _check_words(space: Space, loader: Any) -> None:
    """Refuse a file that changes Hydra's own settings, or names a config that is no option."""
    values = [f"{p.name}={x}" for p in space.parameters for x in p.choices or ("",)]
    check_words_of_file(
        [*space.fixed, *values], f"the space {space.title}", loader.get_group_options
    )


def _lost_worker_errors() -> tuple[type[Exception], ...]:
    """Return what launchers raise when a worker process is gone."""
    try:
        from submitit.core.utils import FailedJobError, UncompletedJobError
    except ImportError:
        return (RuntimeError,)  # joblib's are of this kind
    return (RuntimeError, FailedJobError, UncompletedJobError)


def _returned(done: JobReturn) -> Any:
    """Return what a job answered, or raise its error without the line that Hydra writes then."""
    with redirect_stderr(io.StringIO()):
        return done.return_value


def _result(run: Any) -> Result:
    """Return the result of a trial; an error is a result as well."""
    try:
        return Result(**run())
    except BrokenPipeError:
        raise
    except Exception as error:
        if not isinstance(error, Her2Error):
            logger.warning("search: a trial failed unexpectedly", exc_info=error)
        return Result("failed", reason=f"{type(error).__name__}: {_first_line(error)}")


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or ["no message"])[0]


def _plain(section: Any) -> dict[str, Any]:
    plain: Any = OmegaConf.to_container(section, resolve=True)
    return dict(plain)


def flat(content: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Return a nested mapping as texts by dotted key.

    >>> flat({"a": {"low": 1}, "b": None})
    {'a.low': '1', 'b': 'None'}
    """
    found: dict[str, str] = {}
    for key, value in content.items():
        if isinstance(value, Mapping) and value:
            found |= flat(value, f"{prefix}{key}.")
        else:
            found[f"{prefix}{key}"] = str(value)
    return found
