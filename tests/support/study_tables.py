"""Made-up tables in the shapes that the figures of a study take."""

from __future__ import annotations

import numpy as np
import pandas as pd

from her2.core.types import ARMS
from her2.radiomics.parameters import FAMILIES, IMAGE_TYPES, SHAPE, paper_1561

NAN = np.nan
MORE_IMAGE_TYPES = ("log-sigma-1-0-mm", "log-sigma-3-0-mm")
NAMES = paper_1561().feature_names


def feature_counts() -> pd.DataFrame:
    """Twenty image types and eight families, as many as the figure promises to hold."""
    rows = [
        (image_type, family, len(members))
        for image_type in (*IMAGE_TYPES, *MORE_IMAGE_TYPES)
        for family, members in FAMILIES.items()
    ]
    rows += [("original", "shape", len(SHAPE)), ("deep", "deep", 64)]
    return pd.DataFrame(rows, columns=["image_type", "family", "n"])


def p_values(rng: np.random.Generator) -> pd.DataFrame:
    p = rng.uniform(size=len(NAMES)) ** 2
    p[:3] = NAN, 0.0, 1e-30
    families = [name.split("_")[1] for name in NAMES]
    return pd.DataFrame({"feature": NAMES, "family": families, "p_value": p})


def correlations(rng: np.random.Generator, n: int) -> np.ndarray:
    common = rng.normal(size=(60, 4)) @ rng.normal(size=(4, n))
    return np.corrcoef(common + rng.normal(size=(60, n)), rowvar=False)


def lasso_path(rng: np.random.Generator, n: int = 40) -> pd.DataFrame:
    """Paths that all end near each other, so that the names must be moved apart."""
    alphas = np.logspace(-3, -0.5, 40)
    starts, ends = rng.uniform(0.02, 0.3, n), rng.normal(0.1, 0.05, n)
    rows = [
        (alpha, name, end * max(0.0, 1 - alpha / start))
        for name, start, end in zip(long_names(n), starts, ends, strict=True)
        for alpha in alphas
    ]
    return pd.DataFrame(rows, columns=["alpha", "feature", "coefficient"])


def lasso_error() -> pd.DataFrame:
    alphas = np.logspace(-3, -0.5, 40)
    mean = 0.2 + 0.05 * (np.log10(alphas) + 1.5) ** 2
    return pd.DataFrame({"alpha": alphas, "mse_mean": mean, "mse_sd": 0.03})


def long_names(n: int) -> list[str]:
    """The longest names first: the ones that are hard to place."""
    return sorted(NAMES, key=lambda name: (-len(name), name))[:n]


def weights(rng: np.random.Generator, n: int = 44) -> pd.DataFrame:
    values = rng.normal(size=n)
    values[5] = NAN
    return pd.DataFrame({"feature": long_names(n), "weight": values})


def frequencies(rng: np.random.Generator, n: int = 44) -> pd.DataFrame:
    return pd.DataFrame({"feature": long_names(n), "frequency": np.r_[1.0, rng.random(n - 1)]})


def importance(rng: np.random.Generator, n: int = 44) -> pd.DataFrame:
    loss = np.sort(rng.normal(0.01, 0.03, n))[::-1]
    loss[3] = NAN
    table = pd.DataFrame({"feature": long_names(n), "auc_loss": loss})
    return table.assign(low=table["auc_loss"] - 0.02, high=table["auc_loss"] + 0.02)


def repeats(rng: np.random.Generator) -> pd.DataFrame:
    rows = [(arm, k, rng.normal(0.7 + 0.02 * i, 0.02)) for i, arm in enumerate(ARMS)
            for k in range(20)]  # fmt: skip
    return pd.DataFrame(rows, columns=["arm", "repeat", "auc"])


def repeat_summary() -> pd.DataFrame:
    """Means and intervals; one arm lacks its interval and one everything."""
    means = [0.70, 0.72, 0.74, 0.76, NAN]
    low = [0.60, 0.62, NAN, 0.66, NAN]
    high = [0.80, 0.82, NAN, 0.86, NAN]
    return pd.DataFrame({"arm": ARMS, "auc": means, "auc_low": low, "auc_high": high})


def calibration_curves() -> dict[str, pd.DataFrame]:
    x = np.linspace(0.02, 0.9, 50)
    curve = pd.DataFrame({"predicted": x, "observed": x**1.2, "low": x**1.2 - 0.1 * x,
                          "high": x**1.2 + 0.1 * x})  # fmt: skip
    empty = curve.assign(observed=NAN, low=NAN, high=NAN)
    return {arm: empty if arm == "clinical" else curve for arm in ARMS}


def calibration_measures() -> dict[str, str]:
    text = "slope 0.86 (0.41–1.31), intercept −0.10 (−0.64–0.44)\nICI 0.043, E50 0.031, E90 0.092"
    return dict.fromkeys(ARMS, text)


def instability_points(rng: np.random.Generator, n: int = 60) -> pd.DataFrame:
    frames = []
    for i, arm in enumerate(ARMS):
        risk = np.sort(rng.random(n))
        low, high = risk * (0.8 - 0.1 * i), risk + (1 - risk) * (0.2 + 0.1 * i)
        frames.append(
            pd.DataFrame(
                {"arm": arm, "risk": risk, "distance": (high - low) / 4, "low": low, "high": high,
                 "changed": np.exp(-((4 * risk - 1.2) ** 2)) / 2}
            )
        )  # fmt: skip
    return pd.concat(frames, ignore_index=True)


def prediction_sets() -> pd.DataFrame:
    rows = [
        (role, arm, outcome, 0.1, 0.9 - 0.03 * i, 0.75 - 0.03 * i, 0.97, 0.6 - 0.1 * i, 0.02 * i)
        for role in ("out_of_fold", "test")
        for i, arm in enumerate(ARMS)
        for outcome in ("negative", "positive", "both")
    ]
    names = ["role", "arm", "outcome", "alpha", "covered", "low", "high", "abstained", "empty"]
    return pd.DataFrame(rows, columns=names)


def learning_curve() -> pd.DataFrame:
    rows = [
        (arm, int(140 * share), share, *(0.6 + 0.02 * i + 0.1 * share + d for d in (0, -0.1, 0.1)))
        for i, arm in enumerate(ARMS)
        for share in (0.2, 0.4, 0.6, 0.8, 1.0)
    ]
    columns = ["arm", "n_patients", "share", "auc", "auc_low", "auc_high"]
    table = pd.DataFrame(rows, columns=columns)
    table.loc[table["arm"] == "clinical", ["auc", "auc_low", "auc_high"]] = NAN
    return table


def agreement(rng: np.random.Generator) -> pd.DataFrame:
    dice = rng.beta(18, 2.5, 200)
    return pd.DataFrame(
        {"dice": dice, "hausdorff_mm": 20 * (1 - dice) * rng.uniform(0.7, 1.3, 200)}
    )


def subgroups() -> pd.DataFrame:
    """Rows with and without an estimate, with names and notes that are too long for one line."""
    note = (
        "AUC not estimable: 4 patients, none positive; at least 10 of each outcome are needed " * 2
    )
    rows = [
        ("", "All patients", 210, 61, 0.742, 0.66, 0.82, ""),
        ("Age (interaction p = .320)", "below 50 years", 99, 30, 0.70, 0.58, 0.83, ""),
        ("Age (interaction p = .320)", "50 years and above", 111, 31, 0.78, 0.66, 0.89, ""),
        ("Ultrasound vendor", "GE Vivid E8", 4, 0, NAN, NAN, NAN, note),
        ("Ultrasound vendor", "a vendor whose name goes on and on and on and on", 12500, 6200, 0.6,
         NAN, NAN, ""),
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=FOREST_COLUMNS)


def odds_ratios() -> pd.DataFrame:
    rows = [
        ("Univariable", "age, per year", 201, 58, 1.01, 0.98, 1.05, ""),
        ("Univariable", "calcification", 201, 58, 2.24, 1.08, 4.65, ""),
        ("Univariable", "halo", 201, 58, 48.0, 2.0, 9000.0, "Firth: quasi-complete separation"),
        ("Multivariable", "BI-RADS 5", 201, 58, 3.0, 0.002, np.inf, ""),
        ("Multivariable", "radiomics signature", NAN, NAN, NAN, NAN, NAN, None),
    ]
    return pd.DataFrame(rows, columns=FOREST_COLUMNS)


FOREST_COLUMNS = ["group", "label", "n", "n_positive", "value", "low", "high", "note"]


def nomogram() -> dict[str, pd.DataFrame]:
    """Predictors whose labels are crowded at one end, and one that has no points."""
    points = [("PR", "negative", 38.0), ("PR", "positive", 0.0)]
    points += [("BI-RADS category", f"category {v}", p)
               for v, p in (("4A", 0.0), ("4B", 1.0), ("4C", 2.0), ("5", 7.0))]  # fmt: skip
    points += [("Age (years)", age, (90 - age) / 70 * 9) for age in range(20, 95, 5)]
    points += [("Deep learning radiomics signature", v / 10, v * 10.0) for v in range(11)]
    points += [("Lymph node metastasis", "yes", NAN)]
    total = np.arange(0.0, 181.0, 10.0)
    predictor = -4 + 0.045 * total
    probability = np.array([0.01, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99])
    return {
        "points": pd.DataFrame(points, columns=["variable", "value", "points"]),
        "total": pd.DataFrame({"total_points": total, "linear_predictor": predictor,
                               "probability": 1 / (1 + np.exp(-predictor))}),
        "probability_axis": pd.DataFrame(
            {"probability": probability,
             "total_points": (np.log(probability / (1 - probability)) + 4) / 0.045}),
    }  # fmt: skip
