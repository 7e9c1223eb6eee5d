"""Run folders that look finished: predictions and results of simulated models."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

N_TRAIN, N_TEST = 170, 80
COST = {"parameters": 23_508_032, "seconds": 61.25, "peak_memory_mb": 812.5}


def simulated(seed: int, *, signal: float = 1.0, n_train: int = N_TRAIN, n_test: int = N_TEST):
    """Rows of predictions.parquet of one arm; outcomes are the same for every seed."""
    n = n_train + n_test
    y_true = (np.random.default_rng(11).random(n) < 0.4).astype(int)
    shared = np.random.default_rng(12).normal(size=n)
    noise = np.random.default_rng(seed).normal(size=n)
    score = signal * (y_true - 0.4) + 0.7 * shared + 0.7 * noise
    table = pd.DataFrame({"patient_id": [f"Wilhelmina{i:04d}" for i in range(n)]})
    table["lesion_id"] = "L1"
    table["role"] = np.where(np.arange(n) < n_train, "train", "test")
    table["fold"] = pd.array(np.arange(n) % 3, dtype="Int64")
    table.loc[n_train:, "fold"] = pd.NA
    table["kind"] = np.where(table["role"].eq("train"), "out_of_fold", "held_out")
    table["arm"], table["model"] = "deep_learning", f"network {seed}, fine-tuned"
    table["y_true"], table["y_prob"] = y_true, 1 / (1 + np.exp(-score))
    return table


def repeats(predictions: pd.DataFrame, seed: int = 0) -> pd.DataFrame:
    """Rows of repeated_cv.parquet: those out of fold, and again from other folds."""
    first = predictions[predictions["kind"].eq("out_of_fold")].assign(repeat=0)
    noise = np.random.default_rng(seed).normal(scale=0.2, size=len(first))
    logit = np.log(first["y_prob"] / (1 - first["y_prob"])) + noise
    second = first.assign(repeat=1, y_prob=1 / (1 + np.exp(-logit)), fold=(first["fold"] + 1) % 3)
    return pd.concat([first, second], ignore_index=True)


def results(predictions: pd.DataFrame, **changes: Any) -> dict[str, Any]:
    """A results.json as far as a comparison reads it."""
    lesions = predictions.drop_duplicates(["patient_id", "lesion_id"])
    roles = lesions["role"].value_counts()
    cohort = {
        "name": "simulated", "simulated": True, "n_patients": len(lesions),
        "n_lesions": len(lesions), "n_positive": int(lesions["y_true"].sum()),
        "n_train": int(roles["train"]), "n_test": int(roles.get("test", 0)), "n_external": 0,
        "n_quarantined": 0, "n_excluded": 0, "data_sha256": "d" * 64, "split_sha256": "5" * 64,
    }  # fmt: skip
    arms = {
        arm: {"model": rows["model"].iloc[0], "roles": {"out_of_fold": {"auc": 0.7}}}
        for arm, rows in predictions.groupby("arm")
    }
    return {
        "schema": 1,
        "cohort": cohort | {k: v for k, v in changes.items() if k in cohort},
        "arms": arms,
        "notes": ["The patients are simulated: no number here says anything of patients."],
        "cost": COST,
        "mlflow": changes.get("mlflow", {"tracking_uri": None, "run_id": None}),
    }


def write_run(folder: Path, predictions: pd.DataFrame, **changes: Any) -> Path:
    """Write a run folder and return it."""
    folder.mkdir(parents=True)
    predictions.to_parquet(folder / "predictions.parquet", index=False)
    repeats(predictions).to_parquet(folder / "repeated_cv.parquet", index=False)
    (folder / "results.json").write_text(json.dumps(results(predictions, **changes)))
    return folder


def several(root: Path, names: Sequence[str], **changes: Any) -> list[Path]:
    """Write a run folder for every name; the models differ by chance and a little signal."""
    return [
        write_run(root / name, simulated(50 + i, signal=0.6 + 0.2 * i), **changes)
        for i, name in enumerate(names)
    ]
