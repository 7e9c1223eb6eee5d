"""Run folders as a finished study leaves them, with next to nothing in them."""

import json
from pathlib import Path

import pandas as pd
import yaml

NAMES = ("Wilhelmina", "Adelheid")  # patients: no store may hold them
PERFORMANCE = {
    "n": 9, "n_positive": 4, "auc": 0.75, "auc_low": 0.5, "auc_high": 1.0, "brier": None,
    "hosmer_lemeshow": {"statistic": 3.5, "dof": 3, "p_value": 0.25},
}  # fmt: skip
REPEATED = {"n_repeats": 5, "auc": 0.625, "auc_low": 0.25, "auc_high": 0.875}
ARM = {
    "model": "LightGBM", "n_features": 3, "roles": {"out_of_fold": PERFORMANCE},
    "repeated_cv": REPEATED,
}  # fmt: skip
NO_CV = dict.fromkeys(REPEATED)
RESULTS = {
    "cohort": {"name": "folder", "data_sha256": "d" * 64},
    "arms": {
        "clinical": ARM,
        "dlr": {**ARM, "roles": {"test": {**PERFORMANCE, "auc": None}}, "repeated_cv": NO_CV},
    },
    "comparisons": [
        {
            "role": "test", "first": "clinical", "second": "dlr", "auc_difference": 0.125,
            "z": 1.0, "p_value": 0.5, "p_holm": None,
        }
    ],
    "timing": {"fit": 1.5},
}  # fmt: skip
CONFIG = {
    "command": "study",
    "seed": 7,
    "cache": "/home/someone",
    "cohort": {"root": "/data/of/someone", "clinical": ["age"]},
    "tracking": {"uri": "https://user:secret@server"},
    "classifier": {"lr": {"grid": {"C": [1]}}},
}
ENVIRONMENT = {"lock_sha256": "e" * 64, "git": {"commit": "f" * 40, "dirty": False}}
PREDICTIONS = pd.DataFrame(
    {
        "patient_id": NAMES, "lesion_id": "1", "role": "train", "fold": [0, 1],
        "kind": "out_of_fold", "arm": "clinical", "model": "LightGBM", "y_true": [0, 1],
        "y_prob": [0.25, 0.75],
    }
)  # fmt: skip


def write_run(folder: Path, seed: int = 7, **results) -> Path:
    """Write a finished run's folder: what is sent, and what must stay."""
    for part in ("figures", "tables", "model"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    changed = {"schema": 1, "notes": [], "mlflow": {"run_id": None}, **results}
    (folder / "results.json").write_text(json.dumps({**RESULTS, **changed}))
    (folder / "config.yaml").write_text(yaml.safe_dump({**CONFIG, "seed": seed}))
    (folder / "environment.json").write_text(json.dumps(ENVIRONMENT))
    for name in ("report.html", "figures/calibration_test.png", "figures/roc.png",
                 "tables/roc.csv"):  # fmt: skip
        (folder / name).write_text("content")
    for name in ("split.json", "quarantine.csv", "cohort.json"):
        (folder / name).write_text(" ".join(NAMES))
    PREDICTIONS.to_parquet(folder / "predictions.parquet", index=False)
    PREDICTIONS.assign(repeat=0).to_parquet(folder / "repeated_cv.parquet", index=False)
    return folder
