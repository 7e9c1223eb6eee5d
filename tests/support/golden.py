"""The golden values of ../shared, walked: a data set that is added there is tested too."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

FOLDER = Path(__file__).resolve().parents[3] / "shared" / "golden" / "statistics"
GOLDEN = FOLDER / "golden.json"
OUTCOMES = ("y", "HER2")

needs_golden = pytest.mark.skipif(
    not GOLDEN.is_file(), reason="no ../shared beside the repository: reference data are absent"
)


def entries(*quantities: str, extra: tuple[object, ...] = ()) -> list[object]:
    """Parameters (dataset, score, value, *extra) of each golden entry of these quantities."""
    if not GOLDEN.is_file():
        return []
    parameters = []
    for dataset, found in json.loads(GOLDEN.read_text())["datasets"].items():
        for key, entry in found.items():
            quantity, _, name = key.partition(".")
            if quantity in quantities and "value" in entry:
                values = (dataset, name, entry["value"], *extra)
                parameters.append(pytest.param(*values, id=f"{dataset}-{key}"))
    assert parameters, f"no golden value of {quantities}: a test would pass without testing"
    return parameters


def number(value: object) -> float:
    return np.nan if value is None else float(value)  # float() reads "Inf" and "NaN"


def cases(dataset: str, *columns: str) -> tuple[np.ndarray, ...]:
    """Outcome and columns of the complete rows, as R drops the incomplete ones."""
    table = pd.read_csv(FOLDER / f"{dataset}.csv")
    outcome = next(name for name in OUTCOMES if name in table)
    used = table[[outcome, *columns]].dropna()
    return tuple(used[name].to_numpy(dtype=float) for name in (outcome, *columns))


def is_constant(values: np.ndarray) -> bool:
    return values.min() == values.max()


def is_separated(y: np.ndarray, p: np.ndarray) -> bool:
    return p[y == 1].min() >= p[y == 0].max() or p[y == 1].max() <= p[y == 0].min()


def close(found: float, expected: object, tolerance: float = 1e-8) -> None:
    assert found == pytest.approx(number(expected), rel=tolerance, abs=tolerance)
