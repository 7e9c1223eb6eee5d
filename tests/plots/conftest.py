"""A small made-up study in the shapes that the figures take: five arms, two roles."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

ARMS = ("clinical", "radiomics", "deep_learning", "dlr", "combined")
ROLES = {"out_of_fold": (140, 43), "test": (61, 15)}
SEPARATION = {"clinical": 0.8, "radiomics": 1.0, "deep_learning": 1.2, "dlr": 1.5, "combined": 1.6}


def draw_predictions(rng: np.random.Generator, n: int, n_positive: int, gap: float):
    y_true = np.repeat([1, 0], [n_positive, n - n_positive])
    logit = rng.normal(gap * y_true - 1.3, 1.0)
    return pd.DataFrame({"y_true": y_true, "y_prob": 1 / (1 + np.exp(-logit))})


def roc_points(table: pd.DataFrame) -> pd.DataFrame:
    ordered = table.sort_values("y_prob", ascending=False)["y_true"].to_numpy()
    sensitivity = np.r_[0, np.cumsum(ordered) / ordered.sum()]
    false_positive_rate = np.r_[0, np.cumsum(1 - ordered) / (1 - ordered).sum()]
    return pd.DataFrame({"false_positive_rate": false_positive_rate, "sensitivity": sensitivity})


def area(points: pd.DataFrame) -> float:
    return float(np.trapezoid(points["sensitivity"], points["false_positive_rate"]))


def calibration_groups(table: pd.DataFrame) -> pd.DataFrame:
    group = pd.qcut(table["y_prob"], 6, labels=False)
    means = table.groupby(group).mean()
    n = table.groupby(group).size()
    half = 1.96 * np.sqrt(means["y_true"] * (1 - means["y_true"]) / n)
    return pd.DataFrame(
        {
            "mean_predicted": means["y_prob"],
            "observed": means["y_true"],
            "low": (means["y_true"] - half).clip(0, 1),
            "high": (means["y_true"] + half).clip(0, 1),
            "n": n,
        }
    )


def net_benefit(table: pd.DataFrame, *, treat_all: bool = False) -> pd.DataFrame:
    thresholds = np.arange(1, 80) / 100
    positive = [
        np.ones(len(table), bool) if treat_all else table["y_prob"] >= t for t in thresholds
    ]
    benefit = [
        ((table["y_true"] == 1) & chosen).mean()
        - ((table["y_true"] == 0) & chosen).mean() * t / (1 - t)
        for t, chosen in zip(thresholds, positive, strict=True)
    ]
    return pd.DataFrame({"threshold_probability": thresholds, "net_benefit": benefit})


def counts(table: pd.DataFrame, threshold: float) -> dict[str, float | int]:
    called, true = table["y_prob"] >= threshold, table["y_true"] == 1
    return {
        "threshold": threshold,
        "tp": int((called & true).sum()),
        "fp": int((called & ~true).sum()),
        "tn": int((~called & ~true).sum()),
        "fn": int((~called & true).sum()),
    }


def compare(rng: np.random.Generator) -> list[dict[str, object]]:
    rows = []
    for role in ROLES:
        for i, first in enumerate(ARMS):
            for second in ARMS[i + 1 :]:
                difference = 0.1 * (SEPARATION[first] - SEPARATION[second])
                p = float(rng.uniform(0, 0.4))
                row = {"role": role, "first": first, "second": second, "z": difference / 0.04}
                rows.append(
                    row | {"auc_difference": difference, "p_value": p, "p_holm": min(1.0, 3 * p)}
                )
    rows[0] |= {"p_value": 0.0001, "p_holm": 0.001}
    return rows


def build_study() -> SimpleNamespace:
    rng = np.random.default_rng(20250611)
    tables = {
        role: {arm: draw_predictions(rng, n, n_positive, SEPARATION[arm]) for arm in ARMS}
        for role, (n, n_positive) in ROLES.items()
    }

    def stacked(role, compute):
        return pd.concat([compute(t).assign(arm=a) for a, t in tables[role].items()])

    curves = {role: stacked(role, roc_points) for role in ROLES}
    auc = {
        role: {
            a: (
                area(roc_points(t)),
                area(roc_points(t)) - 0.08,
                min(1.0, area(roc_points(t)) + 0.08),
            )
            for a, t in tables[role].items()
        }
        for role in ROLES
    }
    decision = {
        role: pd.concat(
            [
                stacked(role, net_benefit),
                net_benefit(tables[role]["dlr"], treat_all=True).assign(arm="treat_all"),
                pd.DataFrame(
                    {"arm": "treat_none", "threshold_probability": [0.0, 0.79], "net_benefit": 0.0}
                ),
            ]
        )
        for role in ROLES
    }
    arms = {
        arm: {"roles": {role: counts(tables[role][arm], 0.3) for role in ROLES}} for arm in ARMS
    }
    calibration = {role: stacked(role, calibration_groups) for role in ROLES}
    flow = {
        "n_rows": 212,
        "excluded": {"C12": 5, "C15": 1},
        "quarantined": {"M06": 2, "D06": 2, "M02": 1},
        "n_lesions": 201,
        "n_patients": 201,
        "roles": {
            "train": {"n_patients": 140, "n_positive": 43},
            "test": {"n_patients": 61, "n_positive": 15},
        },
    }
    return SimpleNamespace(
        predictions=tables, curves=curves, auc=auc, decision=decision, arms=arms,
        calibration=calibration, comparisons=compare(rng), flow=flow,
    )  # fmt: skip


@pytest.fixture(scope="session")
def study() -> SimpleNamespace:
    """Five arms in two roles."""
    return build_study()
