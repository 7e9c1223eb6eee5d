"""Settings of a search (`hydra/sweeper=optuna`, `hydra.sweeper.NAME=VALUE`), samplers, pruners.

Hydra's plugin imports this file at the start of every command, so Optuna is imported late.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from her2.core.errors import BadConfig

if TYPE_CHECKING:
    from optuna.pruners import BasePruner
    from optuna.samplers import BaseSampler

SAMPLERS = ("tpe", "random", "cmaes", "qmc", "grid")
PRUNERS = ("none", "median", "hyperband", "wilcoxon")
DIRECTIONS = ("maximize", "minimize")
# which direction is better in the metrics of `her2.pipeline.search_trial`
NATURAL = {
    "auc": "maximize", "log_loss": "minimize", "brier": "minimize", "calibration": "minimize",
}  # fmt: skip


@dataclass
class SearchSettings:
    """What a search is; also what Hydra offers on the command line, so the types are plain.

    Attributes
    ----------
    n_trials
        Finished trials (complete or pruned) that the study has in the end, earlier calls included.
    storage
        None for mlruns/optuna.db of the project, ``journal:FILE``, or an address of SQLAlchemy
        without its password.
    storage_password_env
        Name of the environment variable that holds the password.
    study_name
        None for one that is made of the command, the space and the cohort.
    max_failed_trials
        Failed trials of this call; one more ends it.
    sampler, pruner
        Names among `SAMPLERS` and `PRUNERS`.
    metrics
        What a trial answers; several make a search for a front.
    directions
        ``maximize`` or ``minimize`` for each metric; None where the metrics are known.
    seed
        None for the command's.
    lease_seconds
        After which a sweeper on another machine that gives no sign of life counts as dead.
    space
        A file of sweeps/spaces without its ending, or a path.
    n_jobs
        Trials that the launcher is given at a time; None for what it runs at a time.
    rehearse
        Whether a job that fits nothing checks settings and data before the first trial.
    evaluate_winner
        Whether the best trial is fitted and judged in the end.
    params
        Sweeps as Hydra's basic sweeper has them.
    """

    n_trials: int = 20
    storage: str | None = None
    storage_password_env: str | None = None
    study_name: str | None = None
    max_failed_trials: int = 10
    sampler: str = "tpe"
    pruner: str = "none"
    metrics: list[str] = field(default_factory=lambda: ["auc"])
    directions: list[str] | None = None
    seed: int | None = None
    lease_seconds: float = 300.0
    space: str | None = None
    n_jobs: int | None = None
    rehearse: bool = True
    evaluate_winner: bool = True
    params: dict[str, Any] | None = None

    def __post_init__(self) -> None:
        for name, known in (("sampler", SAMPLERS), ("pruner", PRUNERS)):
            if (chosen := getattr(self, name)) not in known:
                raise BadConfig(
                    f"expected hydra.sweeper.{name} among {', '.join(known)}, found {chosen!r}"
                )
        for name, least in (
            ("n_trials", 1), ("max_failed_trials", 0), ("n_jobs", 1), ("lease_seconds", 1),
        ):  # fmt: skip
            given = getattr(self, name)
            if given is not None and not given >= least:
                raise BadConfig(
                    f"expected hydra.sweeper.{name} of at least {least}, found {given:g}"
                )
        if not self.metrics or len(set(self.metrics)) < len(self.metrics):
            raise BadConfig(
                f"expected hydra.sweeper.metrics as a list of different names, found "
                f"{self.metrics}; [auc] is usual"
            )
        if len(self.better) != len(self.metrics) or set(self.better) - set(DIRECTIONS):
            raise BadConfig(
                f"expected hydra.sweeper.directions with maximize or minimize for each of "
                f"{', '.join(self.metrics)}, found {', '.join(self.better)}"
            )
        if len(self.metrics) > 1 and self.pruner != "none":
            raise BadConfig(
                "expected hydra.sweeper.pruner=none for more than one metric, because no trial "
                f"is worse than another by one number then; found {self.pruner}"
            )
        if len(self.metrics) > 1 and self.sampler == "cmaes":
            raise BadConfig(
                "expected a sampler other than cmaes for more than one metric, found cmaes; use "
                "tpe"
            )

    @property
    def better(self) -> tuple[str, ...]:
        """Direction of every metric."""
        if self.directions is not None:
            return tuple(self.directions)
        if unknown := [name for name in self.metrics if name not in NATURAL]:
            raise BadConfig(
                f"expected hydra.sweeper.metrics among {', '.join(NATURAL)}, found "
                f"{', '.join(unknown)}; give hydra.sweeper.directions for metrics of your own"
            )
        return tuple(NATURAL[name] for name in self.metrics)


def make_sampler(name: str, *, seed: int, number: int, is_conditional: bool) -> BaseSampler:
    """Return the sampler of trial `number`.

    A sampler that is seeded once repeats its points when a search goes on, or when two processes
    work on it; so each trial has its own seed. Only the quasi-random sequence goes on by itself:
    the storage knows how far it has come.
    """
    import optuna
    from optuna.samplers import CmaEsSampler, QMCSampler, RandomSampler, TPESampler

    from her2.core.seeds import integer_seed

    own = integer_seed(seed, "search", number)
    with warnings.catch_warnings(action="ignore", category=optuna.exceptions.ExperimentalWarning):
        if name == "tpe":
            return TPESampler(
                seed=own, multivariate=True, group=is_conditional, constant_liar=True
            )
        if name == "cmaes":
            return CmaEsSampler(seed=own, warn_independent_sampling=False)
        if name == "qmc":
            return QMCSampler(
                seed=integer_seed(seed, "search"), scramble=True,
                independent_sampler=RandomSampler(seed=own), warn_independent_sampling=False,
                warn_asynchronous_seeding=False,
            )  # fmt: skip
        return RandomSampler(seed=own)  # grid: every point is given


def make_pruner(name: str) -> BasePruner:
    """Return a pruner; steps are folds."""
    import optuna
    from optuna.pruners import HyperbandPruner, MedianPruner, NopPruner, WilcoxonPruner

    with warnings.catch_warnings(action="ignore", category=optuna.exceptions.ExperimentalWarning):
        if name == "median":
            return MedianPruner(n_startup_trials=5, n_warmup_steps=1)
        if name == "hyperband":
            return HyperbandPruner(min_resource=1, max_resource="auto", reduction_factor=3)
        if name == "wilcoxon":
            return WilcoxonPruner(p_threshold=0.1, n_startup_steps=3)
    return NopPruner()
