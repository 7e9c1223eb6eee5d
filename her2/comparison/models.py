"""The models of a comparison: arms of finished runs, under names of their own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from her2.comparison.runs import FinishedRun
from her2.core.errors import BadConfig
from her2.core.types import ARMS

MOST_MODELS = 12  # that a figure can tell apart


@dataclass(frozen=True)
class Model:
    """An arm of a run under the name that the comparison gives it."""

    name: str
    run: FinishedRun
    arm: str

    @property
    def rows(self) -> pd.DataFrame:
        """Its rows of predictions.parquet; the arm is the model's name, the case a patient's."""
        rows = self.run.predictions
        rows = rows[rows["arm"].eq(self.arm)].rename(columns={"case": "patient_id"})
        return rows.assign(arm=self.name, lesion_id=0)

    @property
    def trained(self) -> str:
        """What was trained, in the run's own words."""
        return str(self.run.results["arms"][self.arm]["model"])


def models_of(runs: Sequence[FinishedRun], arms: Sequence[str] = ()) -> list[Model]:
    """Return the models to compare: the arms asked for, or every arm of every run.

    A run of one arm gives its model its name; else it is ``run/arm``.

    Raises
    ------
    BadConfig
        An arm that no run has, a run without any of them, or more models than can be shown.
    """
    if unknown := sorted(set(arms) - {arm for run in runs for arm in run.arms}):
        found = ", ".join(dict.fromkeys(arm for run in runs for arm in run.arms))
        raise BadConfig(f"expected arms among {found}, found {', '.join(unknown)}")
    models = []
    for run in runs:
        chosen = [arm for arm in run.arms if not arms or arm in arms]
        if not chosen:
            raise BadConfig(
                f"expected a run of {', '.join(arms)}, found none in {run.name}; name other arms"
            )
        named = {arm: run.name if len(chosen) == 1 else f"{run.name}/{arm}" for arm in chosen}
        models += [Model(name, run, arm) for arm, name in named.items()]
    if len(models) > MOST_MODELS:
        raise BadConfig(
            f"expected at most {MOST_MODELS} models to compare, found {len(models)} in "
            f"{len(runs)} runs; choose with arms=[...] or name fewer runs"
        )
    return models


def most_models(runs: Sequence[FinishedRun]) -> tuple[list[Model], str]:
    """Return the models of a multirun, as many as can be shown, and a note if some are not.

    Where there are too many, every run is shown by one arm, the last that all of them have; of
    more runs still, those with the highest out-of-fold AUC.
    """
    shared = [arm for arm in ARMS if all(arm in run.arms for run in runs)]
    if sum(len(run.arms) for run in runs) <= MOST_MODELS or not shared:
        return models_of(runs), ""
    last = shared[-1]
    best = sorted(runs, key=lambda run: -(_out_of_fold_auc(run, last) or 0.0))[:MOST_MODELS]
    kept = [run for run in runs if run in best]
    n_left = len(runs) - len(kept)
    left = f", and {n_left} runs with a lower out-of-fold AUC are left out" if n_left else ""
    note = (
        f"More than {MOST_MODELS} models cannot be told apart in one figure: every run is shown "
        f"by its arm {last}{left}; her2 compare RUN RUN arms=[...] compares others."
    )
    return [Model(run.name, run, last) for run in kept], note


def _out_of_fold_auc(run: FinishedRun, arm: str) -> float | None:
    roles = run.results["arms"][arm]["roles"]
    auc: float | None = (roles.get("out_of_fold") or {}).get("auc")
    return auc


def joined(models: Sequence[Model]) -> pd.DataFrame:
    """Return the predictions of models as one table; names are categories, which are quick."""
    table = pd.concat([model.rows for model in models], ignore_index=True)
    return table.astype(dict.fromkeys(("arm", "role", "kind"), "category"))
