"""How often the interval of a cross-validated AUC holds the AUC that the procedure reaches.

    python benchmarks/coverage.py FOLDER [n_cohorts=200] [n_workers=2]

Simulated cohorts, prevalence .3, five informative columns, five repeats of 5-fold nested
cross-validation as `her2 study` makes it, for three procedures: logistic regression of 20 columns
with its grid, LightGBM of the same, and the paper's selection chain (t-test, correlation, LASSO)
with a logistic regression of 200 correlated columns. The truth is the mean AUC of the final models
among 4,000 others. Cohorts are kept in FOLDER, 50 a file: a killed run goes on where it was. 200
cohorts of all 18 settings take two to three hours of two cores.

Prints what docs/method.md shows: coverage and width of the shipped interval beside other
candidates; how often two equally good arms differ (cohorts whose outcomes are brought into one
order are arms that are independent given the outcome); how often noise beats chance; what the best
of five useless arms is worth; Youden's index of noise at thresholds of the other folds.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Any, NamedTuple

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pandas as pd
from scipy.special import expit, logit
from scipy.stats import norm
from sklearn.pipeline import Pipeline

from her2.core.errors import NotEstimable
from her2.models.classifiers import candidates, fit_pipeline, positive_probability, rank_auc
from her2.models.imbalance import at_prevalence
from her2.models.nested_cv import Arm, TrainingSet, fit_arms
from her2.models.splits import grouped_folds
from her2.selection import no_selection, paper_chain
from her2.stats import auc_difference, auc_estimate, best_of_several, youden_threshold
from her2.stats.discrimination.auc import placement_variance, placements

Cohort = dict[str, np.ndarray]
PREVALENCE, N_FOLDS, N_REPEATS, BLOCK = 0.3, 5, 5, 50
N_OUTCOME_DRAWS = 12  # of outcomes from predicted risks, in the first block of a setting
LIGHTGBM = {
    "n_estimators": 50, "min_child_samples": 10, "reg_lambda": 5.0, "learning_rate": 0.1,
}  # fmt: skip
TITLES = {"lr": "logistic, 20 columns", "gbm": "LightGBM", "chain": "paper's chain, 200 columns"}
# by how much the means of the five columns differ, for an AUC of about .5, .7 and .85
SIGNALS = {"lr": (0.0, 0.5, 0.85), "gbm": (0.0, 0.58, 0.95), "chain": (0.0, 0.6, 0.85)}


class Setting(NamedTuple):
    """A procedure, the number of patients, and how much the columns tell."""

    procedure: str
    n: int
    signal: float


SETTINGS = [
    Setting(p, n, s) for n in (100, 200) for p, signals in SIGNALS.items() for s in signals
]


def draw(setting: Setting, n: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return columns (n, p) and outcomes (n,); those of a large n are half positive."""
    y = np.zeros(n, dtype=int)
    y[: round(PREVALENCE * n) if n < 3000 else n // 2] = 1
    y = rng.permutation(y)
    if setting.procedure == "chain":
        own = rng.standard_normal((n, 200)) * np.sqrt(0.5)
        X = own + np.repeat(rng.standard_normal((n, 20)), 10, axis=1) * np.sqrt(0.5)
        X[:, [0, 10, 20, 30, 40]] += setting.signal * y[:, None]
    else:
        X = rng.standard_normal((n, 20))
        X[:, :5] += setting.signal * y[:, None]
    return X, y


def procedure(name: str) -> tuple[Pipeline, dict[str, Any]]:
    """Return the preparation and the grid."""
    if name == "lr":
        return no_selection(), {"lr": {"fixed": {}, "grid": {"C": [0.01, 0.1, 1.0]}}}
    if name == "chain":
        return paper_chain(), {"lr": {"fixed": {}, "grid": {"C": [0.1, 1.0]}}}
    return no_selection(), {"lightgbm": {"fixed": LIGHTGBM, "grid": {"num_leaves": [3, 7]}}}


def simulate(setting: Setting, number: int) -> Cohort:
    """Return outcomes, folds, out-of-fold predictions and the true AUC of one cohort."""
    n = setting.n
    rng = np.random.default_rng([number, n, int(setting.signal * 1000), len(setting.procedure)])
    X, y = draw(setting, n, rng)
    others, y_others = draw(setting, 4000, rng)
    preparation, grid = procedure(setting.procedure)
    groups, keys = np.arange(n), tuple(f"p{j}/1" for j in range(n))
    folds = [
        grouped_folds(y, groups, n_folds=N_FOLDS, seed=number, name=f"r{r}")
        for r in range(N_REPEATS)
    ]
    arm = Arm("radiomics", pd.DataFrame(X, index=keys), preparation, candidates(grid))
    training = TrainingSet(keys, y, groups, folds[0], tuple(folds[1:]))
    fitted = fit_arms([arm], training, n_folds=N_FOLDS, seed=number, scoring="log_loss")
    found = fitted["radiomics"]
    P = np.array([repeat.out_of_fold for repeat in found.repeats])
    drawn = np.full(N_OUTCOME_DRAWS, np.nan)
    for d in range(N_OUTCOME_DRAWS if number < BLOCK else 0):
        ys = (np.random.default_rng([number, d, 7]).random(n) < P.mean(axis=0)).astype(int)
        if min(ys.sum(), n - ys.sum()) < 8:
            ys = np.random.default_rng([number, d, 8]).permutation(y)
        fold = grouped_folds(ys, groups, n_folds=N_FOLDS, seed=number, name=f"d{d}")
        q = np.empty(n)
        for k in range(N_FOLDS):
            learned = fold != k
            model = fit_pipeline(
                X[learned], ys[learned], groups[learned], preparation=preparation,
                candidate=found.final.best, seed=number,
            )  # fmt: skip
            raw = positive_probability(model, X[~learned])
            q[~learned] = at_prevalence(raw, before=ys[learned].mean(), after=ys.mean())
        drawn[d] = rank_auc(ys, q)
    inner = [
        [rank_auc(y[fold != k], search.out_of_fold) for k, search in enumerate(repeat.searches)]
        for fold, repeat in zip(folds, found.repeats, strict=True)
    ]
    truth = rank_auc(y_others, found.final.predict(others))
    named = {"y": y, "folds": folds, "P": P, "inner": inner, "truth": truth, "drawn": drawn}
    return {name: np.asarray(values) for name, values in named.items()}


def _block(folder: Path, setting: Setting, first: int, size: int) -> Path:
    path = folder / f"c_{setting.procedure}_{setting.signal:g}_{setting.n}_{first}_{size}.npz"
    if not path.is_file():
        cohorts = [simulate(setting, first + i) for i in range(size)]
        part = path.with_suffix(".part.npz")
        np.savez_compressed(part, **{k: np.array([c[k] for c in cohorts]) for k in cohorts[0]})
        part.replace(path)
    return path


def cohorts_of(
    folder: Path, settings: list[Setting], n_cohorts: int, n_workers: int
) -> dict[Setting, list[Cohort]]:
    """Return the cohorts of every setting, simulated where the folder lacks them."""
    blocks = [
        (setting, first, min(BLOCK, n_cohorts - first))
        for first in range(0, n_cohorts, BLOCK)
        for setting in settings
    ]
    paths: dict[Setting, list[Path]] = {setting: [] for setting in settings}
    with ProcessPoolExecutor(n_workers) as pool:
        jobs = {pool.submit(_block, folder, *block): block[0] for block in blocks}
        for done, job in enumerate(as_completed(jobs), start=1):
            paths[jobs[job]].append(job.result())
            print(f"{done} of {len(jobs)} blocks", file=sys.stderr, flush=True)
    return {
        setting: [cohort for path in sorted(found) for cohort in _read(path)]
        for setting, found in paths.items()
    }


def _read(path: Path) -> Iterator[Cohort]:
    with np.load(path) as found:
        columns = {name: found[name] for name in found.files}
    for i in range(len(columns["y"])):
        yield {name: values[i] for name, values in columns.items()}


# ---- intervals


def _on_logit(auc: float, variance: float) -> tuple[float, float]:
    auc = min(max(auc, 0.001), 0.999)
    width = norm.isf(0.025) * np.sqrt(variance) / (auc * (1 - auc))
    return float(expit(logit(auc) - width)), float(expit(logit(auc) + width))


def _nested_error(cohort: Cohort) -> float:
    """Mean squared error of a cross-validation of 4/5 of the patients, times 4/5.

    Bates, Hastie & Tibshirani (2024), doi:10.1080/01621459.2023.2197686, from the inner folds.
    """
    y, squares, noise = cohort["y"], [], []
    for r, fold in enumerate(cohort["folds"]):
        for k in range(N_FOLDS):
            judged = fold == k
            outer = placements(y[judged] == 1, cohort["P"][r][judged])
            squares.append((cohort["inner"][r, k] - outer.auc) ** 2)
            noise.append(outer.variance)
    return (N_FOLDS - 1) / N_FOLDS * float(np.mean(squares) - np.mean(noise))


def intervals(cohort: Cohort) -> dict[str, tuple[float, float] | None]:
    """Return the 95 % interval of every candidate."""
    y, P = cohort["y"], cohort["P"]
    each = [placements(y == 1, p) for p in P]
    positives, negatives = (np.mean(of, axis=0) for of in zip(*each, strict=True))
    auc, sampled = float(positives.sum() / positives.size / negatives.size), 0.0
    sampled = placement_variance(positives, negatives)
    wald = norm.isf(0.025) * np.sqrt(sampled)
    found = auc_estimate(y, P, folds=cohort["folds"])
    nested = min(max(_nested_error(cohort), sampled), 5 * sampled)
    drawn = cohort["drawn"]
    return {
        "shipped": (found.low, found.high),
        "DeLong of averaged placements": (auc - wald, auc + wald),
        "influence curve within folds": (found.within_folds - wald, found.within_folds + wald),
        "twice DeLong's variance, logit": _on_logit(auc, 2 * sampled),
        "nested-CV error, logit": _on_logit(auc, nested),
        "outcome simulation, logit": _on_logit(auc, np.var(drawn, ddof=1))
        if np.isfinite(drawn).all()
        else None,
    }


def coverage(cohorts: list[Cohort]) -> dict[str, str]:
    """Return coverage and mean width of every candidate, as text."""
    truth = np.mean([cohort["truth"] for cohort in cohorts])
    limits: dict[str, list[tuple[float, float]]] = {}
    for cohort in cohorts:
        for name, found in intervals(cohort).items():
            if found is not None:
                limits.setdefault(name, []).append(found)
    return {
        name: f"{np.mean([low <= truth <= high for low, high in found]):.3f} "
        f"({np.mean([high - low for low, high in found]):.2f})"
        for name, found in limits.items()
    }


# ---- tests


def _in_order(cohort: Cohort) -> tuple[np.ndarray, np.ndarray]:
    """Return repeats (n_repeats, n) and folds with the positive patients first."""
    order = np.argsort(-cohort["y"], kind="stable")
    return cohort["P"][:, order], cohort["folds"][:, order]


def _ranks(repeats: np.ndarray) -> bool:
    return bool((repeats.min(axis=1) < repeats.max(axis=1)).all())


def differing(cohorts: list[Cohort], shifts: tuple[int, ...] = (1, 2, 3, 5, 7)) -> float:
    """Return how often two equally good arms differ with p < .05."""
    y = np.sort(cohorts[0]["y"])[::-1]
    arms = [_in_order(cohort)[0] for cohort in cohorts]
    arms = [arm for arm in arms if _ranks(arm)]
    p_values = [
        auc_difference(y, one, arms[(i + shift) % len(arms)], n_folds=N_FOLDS).p_value
        for shift in shifts
        for i, one in enumerate(arms)
    ]
    return float(np.mean(np.array(p_values) < 0.05))


def spread(cohorts: list[Cohort]) -> float:
    """Return the standard deviation of the AUC over its mean standard error."""
    found = [auc_estimate(c["y"], c["P"], folds=c["folds"]) for c in cohorts]
    error = np.mean([estimate.standard_error for estimate in found])
    return float(np.std([estimate.auc for estimate in found], ddof=1) / error)


def beating_chance(cohorts: list[Cohort]) -> float:
    """Return how often an arm is above chance with p <= .05; one that ranks nobody is not."""
    found = [
        _ranks(c["P"]) and auc_estimate(c["y"], c["P"], folds=c["folds"]).p_value <= 0.05
        for c in cohorts
    ]
    return float(np.mean(found))


def best_of_five(cohorts: list[Cohort], n_draws: int = 200) -> tuple[float, float, float]:
    """Return mean AUC of the best of five arms, that corrected, and how often it is above .5."""
    rng, found = np.random.default_rng(0), []
    y = np.sort(cohorts[0]["y"])[::-1]
    arms = [arm for arm in map(_in_order, cohorts) if _ranks(arm[0])]
    for _ in range(n_draws):
        chosen = {str(i): arms[i] for i in rng.choice(len(arms), 5, replace=False)}
        scores, folds = ({name: arm[i] for name, arm in chosen.items()} for i in (0, 1))
        best = best_of_several(y, scores, folds)
        found.append((best.auc, best.corrected, best.low > 0.5))
    auc, corrected, above = np.mean(found, axis=0).tolist()
    return auc, corrected, above


def youden_of_noise(cohorts: list[Cohort]) -> tuple[float, float]:
    """Return the mean Youden index at thresholds of the other folds, and at its own rows'."""
    other, own = [], []
    for cohort in cohorts:
        y = cohort["y"]
        for p, fold in zip(cohort["P"], cohort["folds"], strict=True):
            try:
                called = np.empty(len(y), dtype=bool)
                for k in range(N_FOLDS):
                    called[fold == k] = p[fold == k] >= youden_threshold(
                        y[fold != k], p[fold != k]
                    )
                at_own = p >= youden_threshold(y, p)
            except NotEstimable:
                continue  # one probability for all patients calls nobody apart
            other.append(called[y == 1].mean() - called[y == 0].mean())
            own.append(at_own[y == 1].mean() - at_own[y == 0].mean())
    return float(np.mean(other)), float(np.mean(own))


def report(found: dict[Setting, list[Cohort]]) -> None:
    """Print the tables."""
    texts = {setting: coverage(cohorts) for setting, cohorts in found.items()}
    names = list(dict.fromkeys(name for text in texts.values() for name in text))
    print("| procedure | n | true AUC | cross-validated | " + " | ".join(names) + " |")
    print("| --- " * (4 + len(names)) + "|")
    for setting, cohorts in found.items():
        truth = np.mean([cohort["truth"] for cohort in cohorts])
        areas = [np.mean([rank_auc(c["y"], p) for p in c["P"]]) for c in cohorts]
        cells = " | ".join(texts[setting].get(name, "") for name in names)
        title = TITLES[setting.procedure]
        print(f"| {title} | {setting.n} | {truth:.3f} | {np.mean(areas):.3f} | {cells} |")
    print("\n| procedure | n | true AUC | SD over SE | two equal arms differ | beats chance |")
    print("| --- " * 6 + "|")
    for setting, cohorts in found.items():
        truth = np.mean([cohort["truth"] for cohort in cohorts])
        chance = f"{beating_chance(cohorts):.3f}" if setting.signal == 0 else ""
        row = f"| {TITLES[setting.procedure]} | {setting.n} | {truth:.2f} | "
        print(f"{row}{spread(cohorts):.2f} | {differing(cohorts):.3f} | {chance} |")
    print("\n| useless arms | n | mean AUC | best of five | corrected | lower limit above .5 | "
          "Youden, thresholds of other folds | of the same rows |")  # fmt: skip
    print("| --- " * 8 + "|")
    for setting, cohorts in found.items():
        if setting.signal == 0:
            auc, corrected, above = best_of_five(cohorts)
            mean = np.mean([np.mean([rank_auc(c["y"], p) for p in c["P"]]) for c in cohorts])
            other, own = youden_of_noise(cohorts)
            print(
                f"| {TITLES[setting.procedure]} | {setting.n} | {mean:.3f} | {auc:.3f} | "
                f"{corrected:.3f} | {above:.3f} | {other:+.3f} | {own:+.3f} |"
            )


def main() -> None:
    """Simulate what is missing, and print the tables."""
    folder = Path(sys.argv[1])
    n_cohorts, n_workers = (int(x) for x in [*sys.argv[2:], *("200", "2")[len(sys.argv) - 2 :]])
    folder.mkdir(parents=True, exist_ok=True)
    report(cohorts_of(folder, SETTINGS, n_cohorts, n_workers))


if __name__ == "__main__":
    main()
