"""What a search has found: its trials as a table and in MLflow, the best one, the winner's run."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from her2.core.store import write_json
from her2.pipeline.evaluate import SEARCHED
from her2.search.ledger import AGAIN_OF, COPY_OF, OWNER, REASON, is_dead, point_of, state_of
from her2.search.search_settings import SearchSettings
from her2.search.space import short_setting_names
from her2.tracking import RunContent, close_parent, open_parent, record_child

if TYPE_CHECKING:
    from her2.search.hydra_jobs import HydraJobs
    from her2.search.loop import Work

logger = logging.getLogger(__name__)

FOLDER = "winner"
_JUDGED = "winner:"  # start of the study's attributes that name the judged trials
_SETTLE_SECONDS = 1.0  # in which two sweepers that end together see each other's claim


def trials_table(study: Study, metrics: Sequence[str], names: Mapping[str, str]) -> pd.DataFrame:
    """Return one row a trial: trial, state, metrics, settings by short name, seconds, reason.

    again_of, copy_of: numbers of other trials of the same point, missing for most.
    """
    columns = ["trial", "state", *metrics, *names.values(), "seconds", "n_folds", "again_of",
               "copy_of", "reason"]  # fmt: skip
    rows = []
    for trial in study.get_trials(deepcopy=False):
        noted, point = trial.user_attrs, point_of(trial)
        values = trial.values if trial.state == TrialState.COMPLETE else None
        folds = next(iter(noted.get("folds", {}).values()), trial.intermediate_values)
        rows.append([
            trial.number, state_of(trial), *(values or [None] * len(metrics)),
            *(point.get(name) for name in names),
            round(trial.duration.total_seconds(), 2) if trial.duration else None,
            len(folds) or None, noted.get(AGAIN_OF), noted.get(COPY_OF), noted.get(REASON, ""),
        ])  # fmt: skip
    return pd.DataFrame(rows, columns=columns)


def best_trial(study: Study, better: Sequence[str]) -> FrozenTrial | None:
    """Return the best complete trial, None if there is none; of equal ones the first.

    More than one metric: among trials that no other one beats in all metrics, the one that is
    nearest to the best value of each, all of them scaled to the range that these trials have.
    """
    front = study.best_trials
    if not front:
        return None
    signs = np.array([1.0 if direction == "minimize" else -1.0 for direction in better])
    costs = np.array([t.values for t in front]) * signs
    low, span = costs.min(axis=0), np.ptp(costs, axis=0)
    scaled = (costs - low) / np.where(span > 0, span, 1.0)
    return front[int(np.argmin(np.round((scaled**2).sum(axis=1), 12)))]


def judge_winner(work: Work, trial: FrozenTrial) -> dict[str, Any]:
    """Fit the best trial again on all training patients, judge it once, and describe its run.

    A trial that was judged before is not judged again. ``n_looks`` of the answer: how many
    winners of the study have been judged on the test role so far.
    """
    key = f"{_JUDGED}{trial.number}"
    n_before = _n_judged(work.study)
    claim = work.study.user_attrs.get(key) or {
        "folder": str(work.folder / (FOLDER if n_before == 0 else f"{FOLDER}-{n_before + 1}"))
    }
    folder = Path(claim["folder"])
    if "owner" in claim and not _is_abandoned(work, claim["owner"], folder):
        logger.info("search: trial %d was judged already, in %s", trial.number, folder)
    elif _claims(work, key, folder):
        n_trials = work.ledger.count()["finished"]
        write_json(
            folder / SEARCHED,
            {"study": work.study.study_name, "trial": trial.number, "n_trials": n_trials,
             "metrics": list(work.settings.metrics)},
        )  # fmt: skip
        work.jobs.run_once(point_of(trial), folder)
    else:
        logger.info("search: another process judges the winner, in %s", folder)
    path = folder / "results.json"
    results = json.loads(path.read_text()) if path.is_file() else {"arms": {}}
    arms = {
        arm: {"model": content["model"], "cross_validated": _interval(content.get("repeated_cv")),
              "test": _interval(content["roles"].get("test"))}
        for arm, content in results["arms"].items()
    }  # fmt: skip
    return {
        "trial": trial.number, "folder": str(folder), "n_looks": _n_judged(work.study),
        "run_id": (results.get("mlflow") or {}).get("run_id"), "arms": arms,
    }  # fmt: skip


def _n_judged(study: Study) -> int:
    return sum(name.startswith(_JUDGED) for name in study.user_attrs)


def _is_abandoned(work: Work, owner: str, folder: Path) -> bool:
    """Whether the process that began to judge has ended before it was done."""
    if (folder / "results.json").is_file() or not folder.parent.is_dir():
        return False
    return is_dead(owner, work.study.user_attrs, work.settings.lease_seconds)


def _claims(work: Work, key: str, folder: Path) -> bool:
    """Whether this process is the one that judges."""
    work.study.set_user_attr(key, {"folder": str(folder), "owner": work.ledger.owner})
    time.sleep(_SETTLE_SECONDS)
    return bool(work.study.user_attrs[key]["owner"] == work.ledger.owner)


def _interval(performance: Mapping[str, Any] | None) -> list[float] | None:
    if performance is None or performance.get("auc") is None:
        return None
    return [performance["auc"], performance["auc_low"], performance["auc_high"]]


class TrackedSearch:
    """A search in MLflow: a parent run, opened or found again, and a nested run a trial.

    Nothing is written where the command's section `tracking` is not enabled.
    """

    def __init__(
        self,
        jobs: HydraJobs,
        study: Study,
        settings: SearchSettings,
        folder: Path,
        facts: Mapping[str, str],
    ) -> None:
        self.study, self.metrics, self.folder = study, settings.metrics, folder
        self.names = short_setting_names([p.name for p in jobs.space.parameters])
        self.run = None
        if not jobs.tracking.get("enabled", True):
            return
        uri = jobs.tracking.get("uri")
        self.run = open_parent(
            folder, f"search {study.study_name}", kind="search", uri=str(uri) if uri else None,
            experiment=str(jobs.tracking.get("experiment", "her2")),
            tags={"command": jobs.command, "study_name": study.study_name,
                  "her2.run_dir": str(folder), "status": "running", **facts},
            params={"sampler": settings.sampler, "pruner": settings.pruner,
                    "metrics": ",".join(self.metrics), "space": jobs.space.title},
        )  # fmt: skip
        # what a killed sweeper has finished and not written: its last trial
        last = {
            trial.user_attrs.get(OWNER): trial.number for trial in study.get_trials(deepcopy=False)
            if trial.state.is_finished() and state_of(trial) != "given up"
        }  # fmt: skip
        for number in last.values():
            self.record(number)

    def record(self, number: int) -> None:
        """Write down a trial that is finished, as one nested run."""
        if self.run is None:
            return
        trial = self.study.get_trials(deepcopy=False)[number]
        # the value of a pruned trial is of some folds only
        values = trial.values if trial.state == TrialState.COMPLETE else ()
        seconds = trial.duration.total_seconds() if trial.duration else 0.0
        noted = trial.user_attrs
        steps = {f"fold/{name}": list(v) for name, v in noted.get("folds", {}).items()}
        if not steps and trial.intermediate_values:
            steps = {"fold/reported": [v for _, v in sorted(trial.intermediate_values.items())]}
        content = RunContent(
            metrics=dict(zip(self.metrics, values, strict=False)) | {"seconds": seconds},
            params={self.names.get(k, k): str(v) for k, v in trial.params.items()},
            tags={"kind": "trial", "trial": str(number), "state": trial.state.name.lower()}
            | ({"reason": str(noted[REASON])} if noted.get(REASON) else {}),
            curves=steps,
        )
        record_child(
            self.run, f"trial {number}", content, key=f"trial {number}",
            status="FAILED" if trial.state == TrialState.FAIL else "FINISHED",
        )  # fmt: skip

    def close(self, found: Mapping[str, Any], note: str, files: Sequence[Path]) -> None:
        """Write what the search came to (`found`: search.json; `note`: Markdown)."""
        if self.run is None:
            return
        best, winner = found["best"] or {"values": {}}, found["winner"] or {"arms": {}}
        metrics = {f"trials/{name}": float(n) for name, n in found["n_trials"].items()}
        metrics |= {f"best/{name}": float(value) for name, value in best["values"].items()}
        metrics |= {
            f"winner/{arm}/{role}/auc": float(judged[role][0])
            for arm, judged in winner["arms"].items() for role in ("cross_validated", "test")
            if judged[role]
        }  # fmt: skip
        tags = {"status": "finished" if found["is_finished"] else "stopped"}
        named = {"best_trial": best.get("trial"), "winner_run_id": winner.get("run_id")}
        tags |= {name: str(value) for name, value in named.items() if value is not None}
        close_parent(
            self.run, RunContent(metrics, tags=tags), note=note, files=files,
            status="FINISHED" if found["is_finished"] else "FAILED",
        )  # fmt: skip
