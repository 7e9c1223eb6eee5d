"""Refits of a run's arms: learning curve, stability, optimism, importance, leakage audit."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

import numpy as np
import pandas as pd
from joblib import delayed
from numpy.typing import NDArray
from sklearn.pipeline import Pipeline

from her2 import stats
from her2.core.errors import NotEstimable
from her2.core.parallel import run_jobs
from her2.core.progress import progress
from her2.explain.importance import (
    COLUMNS,
    SHAP_COLUMNS,
    ShapValues,
    permutation_importance,
    shap_values,
)
from her2.models.classifiers import SearchPlan
from her2.models.nested_cv import Arm, CombinedArm, FittedArm, TrainingSet
from her2.models.resampling import (
    Resampled,
    combined_in_resamples,
    learning_curve,
    optimism_of_pipelines,
    refitted_in_resamples,
    shuffled_aucs,
    unmoved_by_poison,
)
from her2.pipeline.evaluate import stacked
from her2.pipeline.run import OpenRun
from her2.selection import SupervisedFilter
from her2.selection.history import SelectionHistory, selection_history
from her2.selection.pca import CompressDeepFeatures

FloatArray = NDArray[np.float64]
Found = TypeVar("Found")

MOST_REFITS = 25  # of an arm whose selection is not counted; all refits cost 4 % of a study
AUDITED = ("dlr", "radiomics", "deep_learning", "clinical")  # the longest protocol first


@dataclass(frozen=True)
class Refits:
    """Results of the refits on training patients.

    Attributes
    ----------
    learning
        Out-of-fold probabilities (n_train,) by arm and share of the training patients.
    resampled
        Risks by refits in resamples, by arm; none of networks that were fine-tuned without a fold.
    supports
        Which features are selected, a row for each resample and a named column for each, by arm.
    audited
        The arm that was refitted with shuffled outcomes.
    shuffled
        Its AUCs.
    unmoved
        Whether an arm's final model ignores spoilt held-out rows.
    histories
        What the final selections did.
    optimism
        Harrell's, of whole arms.
    importance, shap
        Importance of an arm's features.
    unexplained
        Why an arm has none.
    """

    learning: dict[tuple[str, float], FloatArray] = field(default_factory=dict)
    resampled: dict[str, Resampled] = field(default_factory=dict)
    supports: dict[str, pd.DataFrame] = field(default_factory=dict)
    audited: str | None = None
    shuffled: FloatArray = field(default_factory=lambda: np.empty(0))
    unmoved: dict[str, bool] = field(default_factory=dict)
    histories: dict[str, SelectionHistory] = field(default_factory=dict)
    optimism: pd.DataFrame = field(default_factory=pd.DataFrame)
    importance: dict[str, pd.DataFrame] = field(default_factory=dict)
    shap: dict[str, ShapValues] = field(default_factory=dict)
    unexplained: list[str] = field(default_factory=list)


def refit_run(
    run: OpenRun,
    arms: Sequence[Arm],
    fitted: Mapping[str, FittedArm],
    combined: CombinedArm | None = None,
) -> Refits:
    """Return every refit that the settings ask for; all of them on training patients."""
    with run.watch.step("refits"):
        by_name = {arm.name: arm for arm in arms}
        audited = next((name for name in AUDITED if name in by_name), None)
        selecting = [arm for arm in arms if _has(arm, SupervisedFilter)]
        importance, shap, unexplained = _explained(run, arms, fitted)
        resampled = _resampled(run, arms, fitted, combined)
        return Refits(
            learning=_learning(run, arms, fitted),
            resampled=resampled,
            supports=_supports(selecting, resampled),
            audited=audited,
            shuffled=_shuffled(run, by_name.get(audited or ""), fitted),
            unmoved=_by_arm(run, unmoved_by_poison, arms, fitted, run.held_out, seed=run.seed),
            histories={x.name: _history(x, fitted[x.name], run.training) for x in selecting},
            optimism=_optimism(run, arms),
            importance=importance,
            shap=shap,
            unexplained=unexplained,
        )


def _has(arm: Arm, kind: type) -> bool:
    return any(isinstance(step, kind) for _, step in arm.preparation.steps)


def _learning(
    run: OpenRun, arms: Sequence[Arm], fitted: Mapping[str, FittedArm]
) -> dict[tuple[str, float], FloatArray]:
    shares = sorted(run.settings.evaluation.learning_curve)
    with progress("learning curve", len(arms) * len(shares), "refits") as advance:
        return learning_curve(
            arms, fitted, run.training, shares=shares, seed=run.seed, n_workers=run.n_workers,
            advance=advance,
        )  # fmt: skip


def _resampled(
    run: OpenRun,
    arms: Sequence[Arm],
    fitted: Mapping[str, FittedArm],
    combined: CombinedArm | None,
) -> dict[str, Resampled]:
    """Return the arms, and the combined arm last, after refits in resamples.

    An arm whose selection is counted has resamples of its own; the others share those of the
    last member of the combined arm, whose members must have seen the same patients.
    """
    n = run.settings.evaluation.n_stability
    last = combined.members[-1] if combined is not None else ""
    # networks that were fine-tuned without a fold cannot be without a resample
    by_name = {arm.name: arm for arm in arms if not arm.by_fold} if n else {}

    def again(name: str, draws: str, n: int) -> Resampled:
        with progress(f"stability, {name}", n, "resamples") as advance:
            return refitted_in_resamples(
                replace(by_name[name], name=draws or name), fitted[name], run.training,
                n_resamples=n, seed=run.seed, n_workers=run.n_workers, advance=advance,
            )  # fmt: skip

    few = min(n, MOST_REFITS)
    found = {
        name: again(name, "", n) if _is_counted(arm) else again(name, last, few)
        for name, arm in by_name.items()
    }
    if combined is not None and found.keys() >= set(combined.members):
        members = [
            again(name, last, few)
            if name != last and _is_counted(by_name[name])
            else found[name].first(few)
            for name in combined.members
        ]
        found["combined"] = combined_in_resamples(combined, fitted, members, run.training)
    return found


def _is_counted(arm: Arm) -> bool:
    """Whether an arm chooses among its own columns, so that its selection can be counted."""
    return _has(arm, SupervisedFilter) and not _has(arm, CompressDeepFeatures)


def _supports(
    selecting: Sequence[Arm], resampled: Mapping[str, Resampled]
) -> dict[str, pd.DataFrame]:
    """Return the selected features of the arms that choose among their own columns."""
    found = {}
    for arm in selecting:
        kept = resampled[arm.name].supports if arm.name in resampled else None
        if kept is not None:
            columns = [str(name) for name in arm.features.columns[arm.is_candidate]]
            found[arm.name] = pd.DataFrame(kept[:, arm.is_candidate], columns=columns)
    return found


def _shuffled(run: OpenRun, arm: Arm | None, fitted: Mapping[str, FittedArm]) -> FloatArray:
    n = run.settings.evaluation.n_shuffles
    if arm is None or not n:
        return np.empty(0)
    with progress("leakage checks", n, "shuffles") as advance:
        return shuffled_aucs(
            arm, fitted[arm.name], run.training, n_shuffles=n, seed=run.seed,
            n_workers=run.n_workers, advance=advance,
        )  # fmt: skip


def _optimism(run: OpenRun, arms: Sequence[Arm]) -> pd.DataFrame:
    evaluation = run.settings.evaluation
    # networks that have seen a patient would make the optimism of their features too small
    arms = [arm for arm in arms if not arm.by_fold]
    if not evaluation.n_optimism or not arms:
        return pd.DataFrame()
    with progress("optimism", len(arms), "arms") as advance:
        return optimism_of_pipelines(
            arms, run.training, n_resamples=evaluation.n_optimism,
            plan=SearchPlan(evaluation.n_inner_folds, run.seed, evaluation.scoring),
            n_workers=run.n_workers, advance=advance,
        )  # fmt: skip


def _explained(
    run: OpenRun, arms: Sequence[Arm], fitted: Mapping[str, FittedArm]
) -> tuple[dict[str, pd.DataFrame], dict[str, ShapValues], list[str]]:
    """Return importance and SHAP values by arm, and why an arm lacks one of them."""
    n = run.settings.evaluation.n_importance
    if not n:
        return {}, {}, []
    found = _by_arm(run, _explain, arms, fitted, n_permutations=n, seed=run.seed)
    return (
        {name: importance for name, (importance, _, _) in found.items() if importance is not None},
        {name: shap for name, (_, shap, _) in found.items() if shap is not None},
        [f"{name}: {reason}." for name, (_, _, reason) in found.items() if reason is not None],
    )


def _explain(
    arm: Arm, fitted: FittedArm, training: TrainingSet, *, n_permutations: int, seed: int
) -> tuple[pd.DataFrame | None, ShapValues | None, str | None]:
    """Return the importance of an arm, its SHAP values, and why one of them is absent."""
    importance = None
    try:
        importance = permutation_importance(
            arm, fitted, training, n_permutations=n_permutations, seed=seed
        )
        shap = shap_values(arm, fitted, training, seed=seed)
    except NotEstimable as reason:
        return importance, None, str(reason)
    return importance, shap, None


def _by_arm(
    run: OpenRun,
    function: Callable[..., Found],
    arms: Sequence[Arm],
    fitted: Mapping[str, FittedArm],
    *more: object,
    **named: object,
) -> dict[str, Found]:
    """Return what a function of an arm, its fit and the training rows gives, by arm."""
    calls = (
        delayed(_named)(function, arm, fitted[arm.name], run.training, *more, **named)
        for arm in arms
    )
    found = dict(run_jobs(calls, n_workers=run.n_workers))
    return {arm.name: found[arm.name] for arm in arms}


def _named(
    function: Callable[..., Found], arm: Arm, *more: object, **named: object
) -> tuple[str, Found]:
    return arm.name, function(arm, *more, **named)


def _history(arm: Arm, fitted: FittedArm, training: TrainingSet) -> SelectionHistory:
    chain = Pipeline(fitted.final.pipeline.steps[:-1])
    names = [str(column) for column in arm.features.columns]
    return selection_history(chain, arm.rows(training.keys), training.y_true, names)


def learning_table(refits: Refits, run: OpenRun, repeated: pd.DataFrame) -> pd.DataFrame:
    """Return arm, n_patients, share, auc, auc_low, auc_high; share 1 is the primary estimate.

    n_patients is the mean number that a fold's model was fitted on. repeated: the table
    `repeated_cv`.
    """
    learned_from = len(set(run.patients)) * (1 - 1 / run.training.n_folds)
    rows = []
    for (arm, share), probability in refits.learning.items():
        try:
            found = _learned(run, probability)
        except NotEstimable:
            continue  # a constant model: the point is missing from the curve
        rows.append((arm, round(share * learned_from), share, found.auc, found.low, found.high))
    for arm in {arm for arm, _ in refits.learning}:
        full = repeated[repeated["arm"].eq(arm)].iloc[0]
        rows.append((arm, round(learned_from), 1.0, full.auc, full.auc_low, full.auc_high))
    columns = ["arm", "n_patients", "share", "auc", "auc_low", "auc_high"]
    table = pd.DataFrame(rows, columns=columns)
    return table.sort_values(["arm", "share"], ignore_index=True)


def _learned(run: OpenRun, probability: FloatArray) -> stats.AucEstimate:
    """Return the AUC of out-of-fold probabilities (n_train,) of what is judged."""
    training = run.training
    rows = pd.DataFrame({"y": training.y_true, "p": probability, "fold": training.fold})
    rows["patient"] = run.patients
    if run.unit == "patient":
        rows = rows.groupby("patient", sort=False, as_index=False).mean()
    fold = rows["fold"].to_numpy(np.int64)
    return stats.auc_estimate(rows["y"], rows["p"], groups=rows["patient"], folds=fold)


def selection_tables(refits: Refits) -> dict[str, pd.DataFrame]:
    """Return selection_steps, selected_features and stability."""
    steps = [h.steps.assign(arm=arm) for arm, h in refits.histories.items()]
    chosen = [
        h.weights.assign(arm=arm, frequency=h.weights["feature"].map(_frequencies(refits, arm)))
        for arm, h in refits.histories.items()
        if h.weights is not None
    ]
    return {
        "selection_steps": stacked(steps, ["arm", "step", "n_before", "n_after", "rule"]),
        "selected_features": stacked(chosen, ["arm", "feature", "weight", "frequency"]),
        "stability": _stability(refits),
    }


def importance_tables(refits: Refits) -> dict[str, pd.DataFrame]:
    """Return importance and shap: every feature that a model of an outer fold reads."""
    shap = [values.table(arm) for arm, values in refits.shap.items()]
    return {
        "importance": stacked(list(refits.importance.values()), COLUMNS),
        "shap": stacked(shap, SHAP_COLUMNS),
    }


def frequency_table(refits: Refits, arm: str) -> pd.DataFrame:
    """Return feature and frequency of an arm's features that any resample selects."""
    table = pd.DataFrame(_frequencies(refits, arm).items(), columns=["feature", "frequency"])
    kept = table[table["frequency"] > 0]
    return kept.sort_values("frequency", ascending=False, kind="stable", ignore_index=True)


def _frequencies(refits: Refits, arm: str) -> dict[str, float]:
    """Return how often each feature of an arm is selected; nothing if that was not asked for."""
    if arm not in refits.supports:
        return {}
    supports = refits.supports[arm]
    share = stats.selection_frequency(supports.to_numpy())
    return dict(zip(supports.columns, share.tolist(), strict=True))


def _stability(refits: Refits) -> pd.DataFrame:
    rows: list[tuple[object, ...]] = []
    for arm, table in refits.supports.items():
        supports = table.to_numpy()
        size = (arm, *supports.shape, float(supports.sum(axis=1).mean()))
        try:
            found = stats.nogueira_stability(supports)
        except NotEstimable:
            rows.append((*size, None, None, None))
            continue
        rows.append((*size, found.value, found.low, found.high))
    columns = ["arm", "n_resamples", "n_features", "n_selected_mean", "nogueira", "low", "high"]
    return pd.DataFrame(rows, columns=columns)
