"""A search's jobs as Hydra runs them: overrides of a point, launchers, and their answers."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.core.plugins import Plugins
from hydra.core.utils import JobReturn, JobStatus, run_job, setup_globals
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf

from her2.core.errors import BadConfig, Her2Error
from her2.core.machine import n_cores
from her2.core.run_folder import FREE_SETTINGS
from her2.search.composing import RememberingLoader, key_of
from her2.search.hydra_text import hydra_text
from her2.search.search_settings import SearchSettings
from her2.search.space import Space, Value
from her2.search.space_files import default_space, known_spaces, read_space, with_overrides
from her2.search.ticket import KEY, Result, Ticket

logger = logging.getLogger(__name__)

TRIALS = "trials"  # folder of a search: what its trials share
_BASIC = "hydra._internal.core_plugins.basic_launcher.BasicLauncher"


@dataclass(frozen=True)
class HydraJobs:
    """Runs points of a space through Hydra.

    context, task, config: of the sweep; given: its overrides without sweeps; space: what is
    searched; base: the config that all trials share; is_folder_given: whether the user named the
    folder.
    """

    context: HydraContext
    task: TaskFunction
    config: DictConfig
    given: tuple[str, ...]
    space: Space
    base: DictConfig
    loader: RememberingLoader
    n_at_once: int
    is_folder_given: bool

    @classmethod
    def of(
        cls,
        context: HydraContext,
        task: TaskFunction,
        config: DictConfig,
        arguments: Sequence[str],
        settings: SearchSettings,
    ) -> HydraJobs:
        """Return the jobs of a sweep's command line.

        Raises
        ------
        BadConfig, MissingInput
            There is nothing to search, or a setting that the command does not have.
        """
        extra = [f"{key}={value}" for key, value in (settings.params or {}).items()]
        parser = OverridesParser.create(config_loader=context.config_loader)
        parsed = parser.parse_overrides([*extra, *arguments])
        swept = [x for x in parsed if x.is_sweep_override()]
        given = tuple(str(x.input_line) for x in parsed if not x.is_sweep_override())
        space = _space_of(swept, settings, _choices(config))
        groups = _choices(config)
        loader = RememberingLoader(
            context.config_loader,
            [p.name for p in space.parameters if p.name not in groups] + [f"{KEY}.number"],
        )
        base = loader.load_sweep_config(config, [*given, *space.fixed])
        _check_keys(space, base, groups)
        return cls(
            HydraContext(config_loader=loader, callbacks=context.callbacks), task, config, given,
            space, base, loader, settings.n_jobs or _n_at_once(config),
            any(key_of(x) == "run_dir" for x in given),
        )  # fmt: skip

    @property
    def folder(self) -> Path:
        """Folder of the search."""
        return Path(str(self.base.hydra.sweep.dir)).absolute()

    @property
    def command(self) -> str:
        """The command whose settings are searched."""
        return str(self.base.get("command", "search"))

    @property
    def seed(self) -> int:
        """The command's seed."""
        return int(self.base.get("seed", 0))

    @property
    def cohort(self) -> str:
        """Name of what is studied, for the study's name."""
        settings = self.base.get("cohort")
        root = settings.get("root") if OmegaConf.is_dict(settings) else None
        return Path(str(root)).name if root else str(_choices(self.config).get("cohort", ""))

    @property
    def tracking(self) -> Mapping[str, Any]:
        """The section `tracking` of the command; not enabled where it has none."""
        section = self.base.get("tracking")
        if not OmegaConf.is_dict(section):
            return {"enabled": False}
        plain = OmegaConf.to_container(section, resolve=True)
        assert isinstance(plain, dict)
        return {str(key): value for key, value in plain.items()}

    def settings(self) -> dict[str, str]:
        """Return what else determines a trial's value: every setting that is not searched."""
        searched = tuple(parameter.name for parameter in self.space.parameters)
        left_out = {*FREE_SETTINGS, "hydra", "run_dir", KEY}
        kept = OmegaConf.masked_copy(self.base, [str(k) for k in self.base if k not in left_out])
        plain = OmegaConf.to_container(kept, resolve=True, throw_on_missing=False)
        assert isinstance(plain, dict)
        flat = _flat({str(k): v for k, v in plain.items()})
        return {
            key: value for key, value in flat.items()
            if not any(key == name or key.startswith(f"{name}.") for name in searched)
        }  # fmt: skip

    def rehearse(self, ticket: Ticket, folder: Path) -> Result:
        """Run a job that fits nothing, in this process; what it refuses is raised."""
        overrides = self._overrides(ticket, self.space.first(), folder)
        return Result.of(self._run_here(overrides, 0, raises=True))

    def run(
        self, tickets: Sequence[Ticket], points: Sequence[Mapping[str, Value]], folder: Path
    ) -> list[Result]:
        """Return the answer of each trial."""
        jobs = [self._overrides(t, p, folder) for t, p in zip(tickets, points, strict=True)]
        first = tickets[0].number or 0
        if self._is_basic:
            return [Result.of(self._run_trial_here(job, first + i)) for i, job in enumerate(jobs)]
        return self._launch(jobs, first)

    def run_once(self, point: Mapping[str, Value], folder: Path) -> Any:
        """Run the command itself with a point's settings, in this process, into a folder."""
        overrides = [
            *self.given, *self.space.fixed, *self._settings_of(point),
            f"hydra.sweep.dir={hydra_text(str(folder.parent))}",
            f"hydra.sweep.subdir={hydra_text(folder.name)}",
        ]  # fmt: skip
        return self._run_here(overrides, 0, raises=True)

    @property
    def _is_basic(self) -> bool:
        return str(self.config.hydra.launcher.get("_target_")) == _BASIC

    def _overrides(self, ticket: Ticket, point: Mapping[str, Value], folder: Path) -> list[str]:
        shared = {**ticket.document(), "number": None}
        return [
            *self.given, *self.space.fixed,
            f"hydra.sweep.dir={hydra_text(str(folder))}", f"hydra.sweep.subdir={TRIALS}",
            f"+{KEY}={hydra_text(shared)}", f"{KEY}.number={hydra_text(ticket.number)}",
            *self._settings_of(point),
        ]  # fmt: skip

    def _settings_of(self, point: Mapping[str, Value]) -> list[str]:
        groups = _choices(self.config)
        return [
            f"{'' if name in groups else '++'}{name}="
            f"{value if isinstance(value, str) else hydra_text(value)}"
            for name, value in point.items()
        ]

    def _run_trial_here(self, overrides: Sequence[str], number: int) -> Any:
        """Run a trial in this process; Hydra's own way copies the config again and again."""
        if self.config.hydra.get("callbacks") or self.config.hydra.job.env_set:
            return self._run_here(overrides, number, raises=False)
        config, hydra_config = self.loader.task_config(self.config, overrides)
        holder: Any = HydraConfig.instance()
        before, holder.cfg = holder.cfg, hydra_config
        try:
            return self.task(config)
        except Exception as error:  # noqa: BLE001, as Hydra's: a trial that fails is an answer
            return _failure(error)
        finally:
            holder.cfg = before

    def _run_here(self, overrides: Sequence[str], number: int, *, raises: bool) -> Any:
        setup_globals()
        config = self.loader.load_sweep_config(self.config, list(overrides))
        config.hydra.job.id = number
        config.hydra.job.num = number
        done = run_job(
            task_function=self.task, config=config, job_dir_key="hydra.sweep.dir",
            job_subdir_key="hydra.sweep.subdir", hydra_context=self.context,
            configure_logging=number == 0,
        )  # fmt: skip
        return _answer(done, raises=raises)

    def _launch(self, jobs: Sequence[Sequence[str]], first: int) -> list[Result]:
        logging.getLogger("hydra_plugins").setLevel(logging.WARNING)  # a line a job otherwise
        launcher = Plugins.instance().instantiate_launcher(
            hydra_context=self.context, task_function=self.task, config=self.config
        )
        try:
            returned = launcher.launch([list(job) for job in jobs], initial_job_idx=first)
        except lost_worker_errors() as error:
            reason = f"the launcher lost a worker: {_first_line(error)}"
            return [Result("failed", reason=reason)] * len(jobs)
        return [Result.of(_answer(done, raises=False)) for done in returned]


def lost_worker_errors() -> tuple[type[Exception], ...]:
    """Return what launchers raise when a worker process is gone."""
    errors: list[type[Exception]] = [RuntimeError]  # joblib's are of this kind
    try:
        from submitit.core.utils import FailedJobError, UncompletedJobError
    except ImportError:
        return tuple(errors)
    return (*errors, FailedJobError, UncompletedJobError)


def _answer(done: JobReturn, *, raises: bool) -> Any:
    """Return what a job answered; its `return_value` would write to stderr and raise."""
    if done.status == JobStatus.COMPLETED:
        return done._return_value
    error = done._return_value
    assert isinstance(error, Exception)
    if raises:
        raise error
    return _failure(error)


def _failure(error: Exception) -> dict[str, str]:
    """Return the answer of a trial that raised an error."""
    if isinstance(error, BrokenPipeError):
        raise error
    if not isinstance(error, Her2Error):
        logger.warning("search: a trial failed unexpectedly", exc_info=error)
    return {"state": "failed", "reason": f"{type(error).__name__}: {_first_line(error)}"}


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or ["no message"])[0]


def _choices(config: DictConfig) -> dict[str, Any]:
    """Return the option of every group of a config."""
    return {str(key): value for key, value in config.hydra.runtime.choices.items()}


def _space_of(
    swept: Sequence[Override], settings: SearchSettings, choices: Mapping[str, Any]
) -> Space:
    named = settings.space or (None if swept else default_space(choices))
    if named is None and not swept:
        raise BadConfig(
            "expected settings to search, found none; choose a space (+search=NAME or "
            f"hydra.sweeper.space=NAME: {', '.join(known_spaces())}), or give ranges such as "
            "'seed=range(0,9)'"
        )
    return with_overrides(read_space(named) if named else None, swept)


def _check_keys(space: Space, base: DictConfig, groups: Mapping[str, Any]) -> None:
    """Refuse a setting whose section the command does not have: Hydra would make it silently."""
    for parameter in space.parameters:
        section, _, name = parameter.name.rpartition(".")
        if parameter.name in groups or parameter.when:
            continue
        held = OmegaConf.select(base, section) if section else base
        if not OmegaConf.is_dict(held) or (not section and name not in held):
            raise BadConfig(
                f"expected settings of the command in the space {space.title}, found "
                f"{parameter.name}, which it does not have; see --help"
            )


def _n_at_once(config: DictConfig) -> int:
    """Return how many jobs the launcher runs at a time, as far as its settings say."""
    n_jobs = config.hydra.launcher.get("n_jobs")
    if n_jobs is None:
        return 1
    return int(n_jobs) if int(n_jobs) > 0 else n_cores()


def _flat(content: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    flat: dict[str, str] = {}
    for key, value in content.items():
        if isinstance(value, Mapping) and value:
            flat |= _flat({str(k): v for k, v in value.items()}, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = str(value)
    return flat
