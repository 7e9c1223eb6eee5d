"""Predictions as MLflow gets them: a number in place of a patient."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from her2.core.errors import NotEstimable
from her2.stats import auc

NAMED = ("patient_id", "lesion_id")
EVALUATION = "evaluation"  # folder of a run's artifacts


def nameless(predictions: pd.DataFrame) -> pd.DataFrame:
    """Return predictions with `case`, the place among the sorted patients and lesions.

    Two runs of the same cohort number the same cases alike, so that they can be compared where
    no identifier may go.

    Examples
    --------
    >>> rows = {"patient_id": ["b", "a"], "lesion_id": ["1", "1"], "y_prob": [0.2, 0.7]}
    >>> nameless(pd.DataFrame(rows)).to_dict("list")
    {'case': [1, 0], 'y_prob': [0.2, 0.7]}
    """
    keys = pd.MultiIndex.from_frame(predictions[list(NAMED)].astype(str))
    cases = {key: i for i, key in enumerate(sorted(set(keys)))}
    unnamed = predictions.drop(columns=list(NAMED))
    unnamed.insert(0, "case", [cases[key] for key in keys])
    return unnamed


def write_nameless(run_dir: Path, folder: Path) -> list[Path]:
    """Write the run's prediction files without names into `folder`, and return them."""
    written = []
    for name in ("predictions.parquet", "repeated_cv.parquet"):
        if (run_dir / name).is_file():
            nameless(pd.read_parquet(run_dir / name)).to_parquet(folder / name, index=False)
            written.append(folder / name)
    return written


def fold_areas(run_dir: Path) -> dict[str, list[float]]:
    """Return each arm's AUC in every fold of every repeat, in order; NaN where a fold has none.

    Empty for a run without a cross-validation.
    """
    path = run_dir / "repeated_cv.parquet"
    if not path.is_file():
        return {}
    areas: dict[str, list[float]] = {}
    for (arm, _, _), rows in pd.read_parquet(path).groupby(["arm", "repeat", "fold"]):
        areas.setdefault(str(arm), []).append(_area(rows))
    return areas


def network_curves(run_dir: Path) -> dict[tuple[int, int], dict[str, Sequence[float]]]:
    """Return the losses of every fine-tuned network by epoch, by fold (-1: all) and number."""
    path = run_dir / "tables" / "training.csv"
    if not path.is_file():
        return {}
    table = pd.read_csv(path)
    losses = [name for name in table.columns if name.endswith("_loss")]
    curves: dict[tuple[int, int], dict[str, Sequence[float]]] = {}
    for _, rows in table.sort_values("epoch").groupby(["fold", "network"]):
        which = (int(rows["fold"].iloc[0]), int(rows["network"].iloc[0]))
        curves[which] = {n: rows[n].tolist() for n in losses if rows[n].notna().any()}
    return curves


def _area(rows: pd.DataFrame) -> float:
    try:
        return auc(rows["y_true"], rows["y_prob"])
    except NotEstimable:  # one class only: no point of the curve, and none is drawn
        return float("nan")
