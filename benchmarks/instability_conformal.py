r"""Instability of risks and prediction sets against the truth, on simulated cohorts.

Usage: python benchmarks/instability_conformal.py [N_COHORTS [PART_OF_A_NAME]]

Thirty per cent of the patients have the outcome; 5 of 40 columns carry it (of 5, where nothing is
selected). Beside these cohorts stands the patient table of the phantom under the clinical arm,
with the study's whole grid or one candidate (eight minutes of one core). Two tables in markdown:

* the instability that a study reports, and the truth: the mean distance of the risks of the same
  patients by models that were fitted to fresh cohorts of the same size (a grid is searched again
  in each), and the share of these models that change a patient's class; beside them the refits
  before they are widened, and the full bootstrap with copies;
* coverage of prediction sets at alpha = .1: of training patients (cross-conformal) and of fresh
  patients, with the share of sets that hold both outcomes.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from her2 import stats
from her2.cohort.phantom.patient_table import her2_positive, simulate_table
from her2.core.settings import StudySettings
from her2.core.settings.data_settings import CLINICAL
from her2.models.classifiers import (
    Candidate,
    SearchPlan,
    candidates,
    fit_pipeline,
    grid_search,
    positive_probability,
)
from her2.models.clinical_imputation import clinical_preparation, clinical_table
from her2.models.nested_cv import Arm, FittedArm, TrainingSet, fit_arms
from her2.models.resampling import refitted_in_resamples
from her2.models.splits import grouped_folds
from her2.selection import no_selection, paper_chain

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

PREVALENCE, N_INFORMATIVE, N_REFITS, N_FRESH, ALPHA = 0.3, 5, 30, 30, 0.1
N_FRESH_SEARCHES, N_INNER_FOLDS = 10, 3  # of a grid, where every search takes half a second
LR = candidates({"lr": {"fixed": {"C": 0.1}, "grid": {}}})
FORESTS = {"n_estimators": 60, "min_samples_leaf": 4}
TREES = candidates({"extra_trees": {"fixed": FORESTS, "grid": {}}})
STUDY = StudySettings()
PLAN = SearchPlan(N_INNER_FOLDS, 0, STUDY.evaluation.scoring)
GRID = candidates(STUDY.classifier.grids)
# name: candidates, columns, strength of the signal (None: the phantom's table, as it is)
SETTINGS = {
    "logistic regression, 5 columns": (LR, 5, 0.8),
    "selection and logistic regression": (LR, 40, 0.8),
    "selection and logistic regression, strong signal": (LR, 40, 1.4),
    "selection and extremely randomised trees": (TREES, 40, 0.8),
    "phantom, clinical arm, logistic regression": (LR, 12, None),
    "phantom, clinical arm, the study's grid": (GRID, 12, None),
}


def main(n_cohorts: int, part: str = "") -> None:
    names = [name for name in SETTINGS if part in name]
    instability = pd.DataFrame(instability_rows(n_cohorts, names))
    coverage = pd.DataFrame(coverage_rows(5 * n_cohorts, names))
    sys.stdout.write(f"{markdown(instability)}\n\n{markdown(coverage)}\n")


def cohort(
    rng: np.random.Generator, n: int, n_columns: int, strength: float | None
) -> tuple[pd.DataFrame, IntArray]:
    """Return features (n, n_columns) and outcomes (n,), as many positive ones in every cohort."""
    keys = [f"p{i}/1" for i in range(n)]
    if strength is None:
        table = simulate_table(n, seed=int(rng.integers(2**31)))
        return clinical_table(table[CLINICAL["phantom"]].set_axis(keys)), her2_positive(table)
    y = (np.arange(n) < round(PREVALENCE * n)).astype(np.int64)
    X = rng.normal(size=(n, n_columns))
    X[:, :N_INFORMATIVE] += strength * y[:, None] * np.linspace(1, 0.3, N_INFORMATIVE)
    return pd.DataFrame(X, index=keys), y


def arm_of(X: pd.DataFrame, points: list[Candidate], strength: float | None) -> Arm:
    if strength is None:
        preparation = clinical_preparation(STUDY.evaluation.imputation)
        return Arm("clinical", X, preparation, points, is_table=True)
    chain = no_selection() if X.shape[1] == N_INFORMATIVE else paper_chain(lasso_folds=5)
    return Arm("radiomics", X, chain, points)


def fit(arm: Arm, training: TrainingSet) -> FittedArm:
    return fit_arms([arm], training, n_folds=PLAN.n_folds, seed=0, scoring=PLAN.scoring)[arm.name]


def sizes(strength: float | None) -> tuple[int, ...]:
    return (150,) if strength is None else (100, 200)


def training_of(arm: Arm, y: IntArray, n_repeats: int, seed: int) -> TrainingSet:
    groups = np.arange(len(y))
    folds = [
        grouped_folds(y, groups, n_folds=5, seed=seed, name=f"outer {r}") for r in range(n_repeats)
    ]
    return TrainingSet(tuple(arm.features.index), y, groups, folds[0], tuple(folds[1:]))


def instability_rows(n_cohorts: int, names: list[str]) -> Iterator[dict[str, object]]:
    for name in names:
        points, n_columns, strength = SETTINGS[name]
        for n in sizes(strength):
            found = [
                instability_once(n, points, n_columns, strength, seed=i) for i in range(n_cohorts)
            ]
            means = pd.DataFrame(found).mean()
            yield {"model": name, "n": n, **{k: f"{v:.3f}" for k, v in means.items()}}


def instability_once(
    n: int, points: list[Candidate], n_columns: int, strength: float | None, *, seed: int
) -> dict[str, float]:
    """Return what a study of one cohort reports, and the truth."""
    rng = np.random.default_rng([seed, n, n_columns])
    X, y = cohort(rng, n, n_columns, strength)
    arm = arm_of(X, points, strength)
    training = training_of(arm, y, 1, seed)
    fitted = fit(arm, training)
    again = refitted_in_resamples(arm, fitted, training, n_resamples=N_REFITS, seed=seed)
    risk, threshold = fitted.in_sample, stats.youden_threshold(y, fitted.out_of_fold)

    def judged_by(rows: pd.DataFrame, outcome: IntArray, points: list[Candidate]) -> FloatArray:
        """Return risks of the cohort (n,) by the best candidate on other rows, copies together."""
        groups = rows.groupby(list(rows), dropna=False).ngroup().to_numpy()
        known = rows if arm.is_table else rows.to_numpy()
        if len(points) > 1:
            return grid_search(
                known, outcome, groups, preparation=arm.preparation, points=points,
                plan=PLAN, name="fresh",
            ).predict(arm.rows(training.keys))  # fmt: skip
        model = fit_pipeline(
            known, outcome, groups, preparation=arm.preparation, candidate=points[0], seed=0
        )
        return positive_probability(model, arm.rows(training.keys))

    def copies() -> tuple[pd.DataFrame, IntArray]:
        rows = np.concatenate(
            [rng.choice(u, u.size) for u in (np.where(y == c)[0] for c in (0, 1))]
        )
        return X.iloc[rows], y[rows]

    n_fresh = N_FRESH if len(points) == 1 else N_FRESH_SEARCHES
    refits = {
        "truth": np.array(
            [judged_by(*cohort(rng, n, n_columns, strength), points) for _ in range(n_fresh)]
        ),
        "reported": stats.widened(risk, again.risks, again.shares(training.groups)),
        "not widened": again.risks,
        "with copies": np.array(
            [judged_by(*copies(), [fitted.final.best]) for _ in range(N_FRESH)]
        ),
    }
    moved = {k: stats.risk_instability(risk, v, threshold=threshold) for k, v in refits.items()}
    return {f"distance, {k}": m.mean_distance for k, m in moved.items()} | {
        f"class, {k}": m.mean_changed for k, m in moved.items()
    }


def coverage_rows(n_cohorts: int, names: list[str]) -> Iterator[dict[str, object]]:
    for name in names:
        points, n_columns, strength = SETTINGS[name]
        for n in sizes(strength):
            if "trees" in name and n > 100:
                continue  # half of all the time
            found = [
                coverage_once(n, points, n_columns, strength, seed=i) for i in range(n_cohorts)
            ]
            table = pd.DataFrame(found)
            means, errors = table.mean(), table.sem()
            yield {"model": name, "n": n} | {
                k: f"{v:.3f} ± {errors[k]:.3f}" for k, v in means.items()
            }


def coverage_once(
    n: int, points: list[Candidate], n_columns: int, strength: float | None, *, seed: int
) -> dict[str, float]:
    """Return coverage by outcome of training and of fresh patients, and shares of abstention."""
    rng = np.random.default_rng([seed, n, n_columns, 1])
    X, y = cohort(rng, n, n_columns, strength)
    arm = arm_of(X, points, strength)
    training = training_of(arm, y, 2, seed)
    fitted = fit(arm, training)
    prob = np.array([r.out_of_fold for r in fitted.repeats])
    folds = np.array([training.repeat(r).fold for r in range(training.n_repeats)])
    fresh, y_fresh = cohort(rng, 1000, n_columns, strength)
    of = fitted.final.predict(fresh if arm.is_table else fresh.to_numpy())
    judged = {
        "training": (y, stats.cross_conformal_p_values(y, prob, folds)),
        "fresh": (y_fresh, np.mean([stats.conformal_p_values(y, p, of) for p in prob], axis=0)),
    }
    result = {}
    for name, (truth, p) in judged.items():
        sets = stats.prediction_sets(p, alpha=ALPHA, n_smallest=int(y.sum()))
        for outcome, title in ((0, "negative"), (1, "positive")):
            rows = truth == outcome
            result[f"{name}, {title}"] = stats.set_coverage(truth[rows], sets[rows]).covered
        result[f"{name}, both outcomes in the set"] = stats.set_coverage(truth, sets).abstained
    return result


def markdown(table: pd.DataFrame) -> str:
    lines = [list(table.columns), ["---"] * table.shape[1], *table.astype(str).to_numpy().tolist()]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 12, *sys.argv[2:3])
