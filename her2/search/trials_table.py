"""The trials of a study as a table, and which of them is best."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from her2.search.ledger import AGAIN_OF, COPY_OF, REASON, is_given_up, point_of

STATE_WORDS = {
    TrialState.COMPLETE: "complete", TrialState.PRUNED: "pruned", TrialState.RUNNING: "running",
    TrialState.WAITING: "waiting",
}  # fmt: skip


def trials_table(study: Study, metrics: Sequence[str], names: Mapping[str, str]) -> pd.DataFrame:
    """Return one row a trial: trial, state, metrics, settings by short name, seconds, reason.

    state: complete, pruned, running, failed, or given up (its process died or was stopped, and
    the point ran again); again_of, copy_of: numbers of other trials of the same point, missing
    for most.
    """
    rows = [_row(trial, metrics, names) for trial in study.get_trials(deepcopy=False)]
    columns = ["trial", "state", *metrics, *names.values(), "seconds", "n_folds", "again_of",
               "copy_of", "reason"]  # fmt: skip
    return pd.DataFrame(rows, columns=columns)


def _row(trial: FrozenTrial, metrics: Sequence[str], names: Mapping[str, str]) -> dict[str, Any]:
    attributes = trial.user_attrs
    values = trial.values if trial.state == TrialState.COMPLETE else None
    point = point_of(trial)
    folds = next(iter(attributes.get("folds", {}).values()), trial.intermediate_values)
    return {
        "trial": trial.number,
        "state": state_word(trial),
        **dict(zip(metrics, values or [None] * len(metrics), strict=True)),
        **{short: point.get(name) for name, short in names.items()},
        "seconds": round(trial.duration.total_seconds(), 2) if trial.duration else None,
        "n_folds": len(folds) or None,
        "again_of": attributes.get(AGAIN_OF),
        "copy_of": attributes.get(COPY_OF),
        "reason": attributes.get(REASON, ""),
    }


def state_word(trial: FrozenTrial) -> str:
    """Return a trial's state in a word."""
    if trial.state != TrialState.FAIL:
        return STATE_WORDS[trial.state]
    return "given up" if is_given_up(trial) else "failed"


def best_trial(study: Study, better: Sequence[str]) -> FrozenTrial | None:
    """Return the best complete trial, None if there is none; of equal ones the first.

    More than one metric: among trials that no other one beats in all metrics, the one that is
    nearest to the best value of each, all of them scaled to the range that these trials have.
    """
    front = pareto_front(study, better)
    if not front:
        return None
    signs = np.array([1.0 if direction == "minimize" else -1.0 for direction in better])
    losses = np.array([t.values for t in front]) * signs
    low, span = losses.min(axis=0), np.ptp(losses, axis=0)
    scaled = (losses - low) / np.where(span > 0, span, 1.0)
    return front[int(np.argmin(np.round((scaled**2).sum(axis=1), 12)))]


def pareto_front(study: Study, better: Sequence[str]) -> list[FrozenTrial]:
    """Return complete trials that no other one beats in all metrics, by number."""
    complete = [t for t in study.get_trials(deepcopy=False) if t.state == TrialState.COMPLETE]
    if not complete:
        return []
    signs = np.array([1.0 if direction == "minimize" else -1.0 for direction in better])
    losses = np.array([t.values for t in complete]) * signs
    beaten = [
        bool(np.any(np.all(losses <= row, axis=1) & np.any(losses < row, axis=1)))
        for row in losses
    ]
    return [trial for trial, is_beaten in zip(complete, beaten, strict=True) if not is_beaten]
