"""A search in MLflow: one parent run, and one nested run a finished trial."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from her2.search.ledger import OWNER, REASON, is_given_up
from her2.search.search_settings import SearchSettings
from her2.search.short_names import short_names

if TYPE_CHECKING:
    from her2.search.job_protocol import Jobs
    from her2.tracking import LiveRun


@dataclass(frozen=True)
class TrackedSearch:
    """Where the trials of a search are written down; nowhere if there is no run."""

    study: Study
    metrics: tuple[str, ...]
    names: Mapping[str, str]
    run: LiveRun | None = None

    @classmethod
    def open(
        cls, jobs: Jobs, study: Study, settings: SearchSettings, folder: Path,
        facts: Mapping[str, str],
    ) -> TrackedSearch:  # fmt: skip
        """Return the search's parent run, opened or found again."""
        names = short_names([parameter.name for parameter in jobs.space.parameters])
        metrics = tuple(settings.metrics)
        tracking = jobs.tracking
        if not tracking.get("enabled", True):
            return cls(study, metrics, names)
        from her2.tracking import open_parent

        run = open_parent(
            folder, f"search {study.study_name}", kind="search", uri=tracking.get("uri"),
            experiment=str(tracking.get("experiment", "her2")),
            tags={"command": jobs.command, "study_name": study.study_name,
                  "her2.run_dir": str(folder), "status": "running", **facts},
            params={"sampler": settings.sampler, "pruner": settings.pruner,
                    "metrics": ",".join(metrics), "space": jobs.space.title},
        )  # fmt: skip
        tracked = cls(study, metrics, names, run)
        tracked._complete()
        return tracked

    def record(self, number: int) -> None:
        """Write down a trial that is finished, as one nested run."""
        if self.run is None:
            return
        from her2.tracking import RunContent, record_child

        trial = self._trial(number)
        reason = trial.user_attrs.get(REASON)
        content = RunContent(
            metrics=self._values(trial),
            params={self.names.get(k, k): str(v) for k, v in trial.params.items()},
            tags={"kind": "trial", "trial": str(number), "state": trial.state.name.lower()}
            | ({"reason": str(reason)} if reason else {}),
            curves=self._steps(trial),
        )
        record_child(
            self.run, f"trial {number}", content, key=f"trial {number}",
            status="FAILED" if trial.state.name == "FAIL" else "FINISHED",
        )  # fmt: skip

    def _complete(self) -> None:
        """Write down what a killed sweeper has finished and not written: its last trial."""
        last: dict[str, int] = {}
        for trial in self.study.get_trials(deepcopy=False):
            if trial.state.is_finished() and not is_given_up(trial):
                last[str(trial.user_attrs.get(OWNER))] = trial.number
        for number in last.values():
            self.record(number)

    def close(
        self, folder: Path, *, metrics: Mapping[str, float], tags: Mapping[str, str], note: str,
        files: Sequence[Path], is_finished: bool,
    ) -> None:  # fmt: skip
        """Write what the search came to."""
        if self.run is None:
            return
        from her2.tracking import RunContent, close_parent

        close_parent(
            self.run, RunContent(metrics, tags=tags), note=note, files=files,
            status="FINISHED" if is_finished else "FAILED",
        )  # fmt: skip

    def _trial(self, number: int) -> FrozenTrial:
        storage = self.study._storage
        trial_id = storage.get_trial_id_from_study_id_trial_number(self.study._study_id, number)
        return storage.get_trial(trial_id)

    def _values(self, trial: FrozenTrial) -> dict[str, float]:
        seconds = trial.duration.total_seconds() if trial.duration else 0.0
        found = trial.values if trial.state == TrialState.COMPLETE else None  # not of some folds
        values = dict(zip(self.metrics, found or (), strict=False))
        return {**values, "seconds": seconds}

    def _steps(self, trial: FrozenTrial) -> dict[str, list[float]]:
        steps = {f"fold/{name}": list(v) for name, v in trial.user_attrs.get("folds", {}).items()}
        if not steps and trial.intermediate_values:
            ordered = sorted(trial.intermediate_values.items())
            steps = {"fold/reported": [value for _, value in ordered]}
        return steps
