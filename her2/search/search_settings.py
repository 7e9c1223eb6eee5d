"""Settings of a search: `hydra/sweeper=optuna`, `hydra.sweeper.NAME=VALUE`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from her2.core.errors import BadConfig
from her2.search.samplers import PRUNERS, SAMPLERS

DIRECTIONS = ("maximize", "minimize")
# what is better in the metrics that the objectives of this project know
NATURAL = {
    "auc": "maximize", "log_loss": "minimize", "brier": "minimize", "calibration": "minimize",
}  # fmt: skip


@dataclass(frozen=True)
class SearchSettings:
    """What a search is.

    n_trials: finished trials (complete or pruned) that the study has in the end, those of earlier
    calls included; storage: None for mlruns/optuna.db of the project, ``journal:FILE``, or an
    address of SQLAlchemy without its password, which the environment variable of the name
    `storage_password_env` holds; study_name: None for one that is made of the command, the space
    and the cohort; max_failed_trials: of this call, one more ends it; sampler, pruner: see
    `her2.search.samplers`; metrics: what a trial answers, several make a search for a front;
    directions: ``maximize`` or ``minimize`` a metric, None where the metrics are known; seed:
    None for the command's; lease_seconds: after which a sweeper that gives no sign of life counts
    as dead; space: a file of sweeps/spaces without its ending, or a path; n_jobs: trials that the
    launcher is given at a time, None for what it runs at a time; rehearse: whether a job without
    a fit checks settings and data before the first trial; evaluate_winner: whether the best trial
    is fitted and judged in the end; params: sweeps as Hydra's basic sweeper has them.
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
    params: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        for name, known in (("sampler", SAMPLERS), ("pruner", PRUNERS)):
            if getattr(self, name) not in known:
                raise BadConfig(
                    f"expected hydra.sweeper.{name} among {', '.join(known)}, found "
                    f"{getattr(self, name)!r}"
                )
        for name, least in (("n_trials", 1), ("max_failed_trials", 0)):
            if getattr(self, name) < least:
                raise BadConfig(
                    f"expected hydra.sweeper.{name} of at least {least}, found "
                    f"{getattr(self, name)}"
                )
        if self.n_jobs is not None and self.n_jobs < 1:
            raise BadConfig(
                f"expected hydra.sweeper.n_jobs of at least 1, or null, found {self.n_jobs}"
            )
        if not self.lease_seconds >= 1:
            raise BadConfig(
                "expected hydra.sweeper.lease_seconds of at least 1, found "
                f"{self.lease_seconds:g}; 300 is usual"
            )
        self._check_metrics()

    def _check_metrics(self) -> None:
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
                "expected a sampler other than cmaes for more than one metric, found cmaes; tpe "
                "knows several"
            )

    @property
    def better(self) -> tuple[str, ...]:
        """Direction of every metric."""
        if self.directions is not None:
            return tuple(self.directions)
        unknown = [name for name in self.metrics if name not in NATURAL]
        if unknown:
            raise BadConfig(
                f"expected hydra.sweeper.metrics among {', '.join(NATURAL)}, found "
                f"{', '.join(unknown)}; give hydra.sweeper.directions for metrics of your own"
            )
        return tuple(NATURAL[name] for name in self.metrics)
