"""A clinical, a dlr and a combined arm, fitted in no time, as a run's folder has them."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import skops.io
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from her2.models.clinical_imputation import clinical_preparation, clinical_table
from her2.models.fusion import signature_regression

N = 24
COLUMNS = {"age": "number", "er": "text"}


def small_arms():
    """Inputs and fitted pipelines of a clinical, a dlr and a combined arm."""
    rng = np.random.default_rng(3)
    y = np.arange(N) % 2
    table = pd.DataFrame(
        {"age": rng.normal(50, 9, N) + 6 * y, "er": np.where(rng.random(N) < 0.5, "yes", "no")}
    )
    table.loc[4, "er"] = None
    features = pd.DataFrame(rng.normal(size=(N, 3)) + y[:, None], columns=["f0", "f1", "f2"])
    clinical = make_pipeline(clinical_preparation(), LogisticRegression())
    clinical.fit(clinical_table(table), y)
    dlr = make_pipeline(StandardScaler(), LogisticRegression()).fit(features.to_numpy(), y)
    members = [
        clinical.predict_proba(clinical_table(table))[:, 1],
        dlr.predict_proba(features.to_numpy())[:, 1],
    ]
    combined = signature_regression().fit(np.column_stack(members), y)
    rows = pd.concat([clinical_table(table), features], axis=1)
    expected = {
        "clinical": members[0], "dlr": members[1],
        "combined": combined.predict_proba(np.column_stack(members))[:, 1],
    }  # fmt: skip
    return {"clinical": clinical, "dlr": dlr, "combined": combined}, rows, expected


INPUTS = {
    "clinical": {"is_table": True, "columns": COLUMNS, "example": {"age": 50.0, "er": "no"}},
    "dlr": {
        "is_table": False, "columns": dict.fromkeys(["f0", "f1", "f2"], "number"),
        "example": {"f0": 0.5, "f1": 0.0, "f2": 0.25},
    },
    "combined": {"members": ["clinical", "dlr"]},
}  # fmt: skip


def write_models(folder: Path) -> tuple[pd.DataFrame, dict[str, np.ndarray]]:
    """Write the arms to the run's folder; rows of all columns, and what the arms say of them."""
    pipelines, rows, expected = small_arms()
    (folder / "model").mkdir(exist_ok=True)
    for arm, pipeline in pipelines.items():
        (folder / "model" / f"{arm}.skops").write_bytes(skops.io.dumps(pipeline))
    (folder / "model" / "inputs.json").write_text(json.dumps({"format": 1, "arms": INPUTS}))
    return rows, expected
