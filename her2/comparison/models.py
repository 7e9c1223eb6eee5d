"""The models of a comparison: arms of finished runs, under names of their own, and their numbers.

Every number comes from the predictions alone; a model is chosen by its cross-validated AUC, never
by the test role.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from her2.comparison.runs import FinishedRun, run_notes
from her2.core.errors import BadConfig
from her2.core.types import ARMS
from her2.evaluation.arm_comparisons import TESTED, comparisons
from her2.evaluation.curves import curve_tables
from her2.evaluation.performance import performance_by_role
from her2.evaluation.prediction_rows import PredictionRows

MOST_MODELS = 12  # that a figure can tell apart
PERFORMANCE = (
    "n", "n_positive", "auc", "auc_low", "auc_high", "threshold", "sensitivity", "specificity",
    "ppv", "npv",
)  # fmt: skip
CALIBRATION = (
    "n", "n_positive", "brier", "brier_scaled", "calibration_intercept", "calibration_slope",
    "calibration_in_the_large", "ici",
)  # fmt: skip


@dataclass(frozen=True)
class Model:
    """An arm of a run under the name that the comparison gives it.

    Attributes
    ----------
    name
        In the comparison.
    run
        The run that has the arm.
    arm
        Its name in the run, one of `ARMS`.
    """

    name: str
    run: FinishedRun
    arm: str

    @property
    def rows(self) -> pd.DataFrame:
        """Its rows of predictions.parquet; the arm is the model's name, numbers are names."""
        return self._named(self.run.predictions)

    @property
    def repeats(self) -> pd.DataFrame:
        """Its rows of repeated_cv.parquet, in the same way."""
        return self._named(self.run.repeated)

    def _named(self, rows: pd.DataFrame) -> pd.DataFrame:
        names = {"case": "lesion_id", "patient": "patient_id"}
        return rows[rows["arm"].eq(self.arm)].rename(columns=names).assign(arm=self.name)


def models_of(runs: Sequence[FinishedRun], arms: Sequence[str] = ()) -> list[Model]:
    """Return the models to compare: the arms asked for, or every arm of every run.

    A run of one arm gives its model its name; else it is ``run/arm``.
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
    roles = {run.name: run.results["arms"][last]["roles"] for run in runs}
    auc = {name: (found.get("out_of_fold") or {}).get("auc") for name, found in roles.items()}
    best = sorted(runs, key=lambda run: -(auc[run.name] or 0.0))[:MOST_MODELS]
    kept = [run for run in runs if run in best]
    n_left = len(runs) - len(kept)
    left = f", and {n_left} runs with a lower out-of-fold AUC are left out" if n_left else ""
    note = (
        f"More than {MOST_MODELS} models cannot be told apart in one figure: every run is shown "
        f"by its arm {last}{left}; her2 compare RUN RUN arms=[...] compares others."
    )
    return [Model(run.name, run, last) for run in kept], note


@dataclass(frozen=True)
class ComparedModels:
    """What is compared, and what was found.

    Attributes
    ----------
    models
        In the order of their out-of-fold AUC, best first.
    performance
        Columns model, role, `PERFORMANCE` and `CALIBRATION`.
    differences
        Columns role, first, second and `TESTED`: paired tests, Holm-adjusted over the pairs of a
        role.
    curves
        Points of `curve_tables`; the arm is the model.
    missing
        Reason by name of runs that could not take part.
    notes
        Of the runs, on what differs between them, and why a number is absent.
    """

    runs: Sequence[FinishedRun]
    models: Sequence[Model]
    performance: pd.DataFrame
    differences: pd.DataFrame
    curves: Mapping[str, pd.DataFrame]
    missing: Mapping[str, str]
    notes: Sequence[str]

    @property
    def cohort(self) -> Mapping[str, Any]:
        """The entry `cohort` that all runs share."""
        return self.runs[0].cohort

    @property
    def names(self) -> list[str]:
        """Names of the models."""
        return [model.name for model in self.models]

    @property
    def roles(self) -> list[str]:
        """Honest roles that the models were judged in."""
        found = dict.fromkeys(self.performance["role"])
        return [role for role in found if role != "train"]

    def of(self, model: str, role: str) -> dict[str, Any] | None:
        """Return a model's performance in a role, None where it has none."""
        table = self.performance
        rows = table[table["model"].eq(model) & table["role"].eq(role)].to_dict("records")
        return {str(k): None if v != v else v for k, v in rows[0].items()} if rows else None


def compare_models(
    runs: Sequence[FinishedRun],
    models: Sequence[Model],
    *,
    missing: Mapping[str, str] | None = None,
    notes: Sequence[str] = (),
) -> ComparedModels:
    """Return the comparison of models of these runs, which judged the same lesions."""
    predictions = pd.concat([model.rows for model in models], ignore_index=True)
    # names as categories are quick
    predictions = predictions.astype(dict.fromkeys(("arm", "role", "kind"), "category"))
    predicted = PredictionRows(
        predictions[predictions["kind"].ne("in_sample")],
        pd.concat([model.repeats for model in models], ignore_index=True),
    )
    reasons: list[str] = []
    judged = pd.DataFrame(
        [
            {"model": model.name, "role": role, **found}
            for model in models
            for role, found in performance_by_role(predicted, model.name, reasons).items()
        ],
        columns=["model", "role", *dict.fromkeys((*PERFORMANCE, *CALIBRATION))],
    )
    of_fold = judged[judged["role"].eq("out_of_fold")].set_index("model")["auc"].astype(float)
    auc = of_fold.dropna()  # models without one are last, ties as they came
    ranked = sorted(models, key=lambda m: -float(auc[m.name]) if m.name in auc.index else 2.0)
    names = [model.name for model in ranked]
    judged = judged.set_index("model").loc[names].reset_index()
    tests = comparisons(predicted, names, reasons)
    return ComparedModels(
        runs=runs,
        models=ranked,
        performance=judged,
        differences=pd.DataFrame(tests, columns=["role", "first", "second", *TESTED]),
        curves=curve_tables(predicted, names),
        missing=missing or {},
        notes=[*notes, *run_notes(runs), *reasons],
    )
