"""How often the alarm of shortcuts rings, by what the control has of the arm's AUC over chance.

    python benchmarks/shortcut_alarm.py [n_cohorts=400]

Simulated scores of an arm and of a control that share half of their variance, prevalence .3, five
repeats of five folds that differ a little. The table (share of cohorts with an alarm) stands in
docs/method.md.
"""

from __future__ import annotations

import sys

import numpy as np
import pandas as pd
from scipy.stats import norm

from her2.pipeline.shortcut_controls import beside_arms
from her2.stats import AucEstimate, auc_estimate

PREVALENCE, N_REPEATS, N_FOLDS = 0.3, 5, 5
TRUE_SHARES = (0.0, 1 / 3, 0.5, 2 / 3, 1.0)


def rings(n: int, arm_auc: float, true_share: float, rng: np.random.Generator) -> bool:
    """Return whether a control with that share of an arm's AUC over .5 sets off the alarm."""
    outcome = (np.arange(n) < PREVALENCE * n).astype(int)
    common = rng.standard_normal(n)
    control, arm = (
        _estimate(outcome, auc, common, rng)
        for auc in (0.5 + true_share * (arm_auc - 0.5), arm_auc)
    )
    row = {"control": "frame", "n_features": 9, "auc": control.auc, "auc_low": control.low,
           "auc_high": control.high}  # fmt: skip
    found = beside_arms(pd.DataFrame([row]), {"dlr": {"repeated_cv": {"auc": arm.auc}}})
    return bool(found["alarm"][0])


def _estimate(
    outcome: np.ndarray, auc: float, common: np.ndarray, rng: np.random.Generator
) -> AucEstimate:
    own = rng.standard_normal(len(outcome))
    score = norm.ppf(auc) * np.sqrt(2) * outcome + np.sqrt(0.5) * (common + own)
    repeats = score + 0.3 * rng.standard_normal((N_REPEATS, len(outcome)))
    return auc_estimate(outcome, repeats, folds=N_FOLDS)


def main(n_cohorts: int = 400) -> None:
    rng = np.random.default_rng(0)
    shares = " | ".join(f"{share:.2f}" for share in TRUE_SHARES)
    print(f"| patients, AUC of the arm | {shares} |\n| --- |{' --- |' * len(TRUE_SHARES)}")
    for n in (100, 200, 500):
        for auc in (0.7, 0.8):
            rung = [[rings(n, auc, share, rng) for _ in range(n_cohorts)] for share in TRUE_SHARES]
            cells = " | ".join(f"{np.mean(one):.1%}" for one in rung)
            print(f"| {n}, {auc} | {cells} |", flush=True)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:2]))
