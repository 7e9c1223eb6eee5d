"""What the trials of a protocol say: a row a check, and the mean AUC of every arm behind it."""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from her2.core.types import ARM_TITLES
from her2.models.negative_controls import (
    ROLES,
    ControlResult,
    changed_held_out,
    changed_predictions,
    stacked_in_sample,
)
from her2.pipeline.leakage_checks import Row, area_variance, null_sd
from her2.stats import auc

FloatArray = NDArray[np.float64]

N_SD = 3.0  # standard errors around .5 within which nothing was found
ROUNDING = 1e-12  # sums of other numbers of rows may differ in their last bits
_WORDS = {"out_of_fold": "out of fold", "held_out": "held out"}


def mean_areas(
    trial: str, judged: Sequence[ControlResult], *, is_null: bool = True
) -> pd.DataFrame:
    """Return trial, role, arm, n, auc (mean), sd, low, high of the repetitions of one trial.

    low, high: .5 with three standard errors of a mean under no effect. The standard deviation of
    one AUC is the known one; where `is_null`, that of the repetitions if it is larger (several
    lesions of a patient, arms that follow few columns). Otherwise there is something to be found,
    and their spread says nothing of no effect.
    """
    rows = []
    for role in ROLES:
        for arm in judged[0].signatures:
            areas = np.array([one.area(arm, role) for one in judged])
            sd = float(areas.std(ddof=1)) if len(areas) > 1 else 0.0
            spread = max(_known_sd(judged[0], role), sd if is_null else 0.0)
            limit = N_SD * spread / sqrt(len(areas))
            found = (float(areas.mean()), sd, 0.5 - limit, 0.5 + limit)
            rows.append((trial, role, arm, len(areas), *found))
    columns = ["trial", "role", "arm", "n", "auc", "sd", "low", "high"]
    return pd.DataFrame(rows, columns=columns)


def null_rows(title: str, table: pd.DataFrame) -> list[Row]:
    """Return one row a role: no arm may find what is not there. `table` is of `mean_areas`."""
    rows: list[Row] = []
    for role, arms in table.groupby("role", sort=False):
        excess = ((arms["auc"] - 0.5).abs() / (arms["high"] - 0.5)).to_numpy()
        worst = arms.iloc[int(np.argmax(excess))]
        rows.append((
            f"Leak in {title}, {_WORDS[str(role)]}: mean AUC of {worst['n']} repetitions",
            f"{worst['low']:.3f} to {worst['high']:.3f}",
            f"{worst['auc']:.3f} ({_title(worst['arm'])}, the farthest of {len(arms)})",
            bool((excess <= 1).all()),
        ))  # fmt: skip
    return rows


def power_rows(table: pd.DataFrame) -> list[Row]:
    """Return one row a role: every arm must find a planted signal, or the audit shows nothing."""
    rows: list[Row] = []
    for role, arms in table.groupby("role", sort=False):
        weakest = arms.iloc[int(np.argmin(arms["auc"] - arms["high"]))]
        rows.append((
            f"Power: a planted signal is found, {_WORDS[str(role)]}",
            f"above {weakest['high']:.3f}",
            f"{weakest['auc']:.3f} ({_title(weakest['arm'])}, the weakest of {len(arms)})",
            bool((arms["auc"] > arms["high"]).all()),
        ))  # fmt: skip
    return rows


def poison_row(before: ControlResult, after: ControlResult) -> Row:
    """Return the check that spoilt held-out rows leave predictions of training rows alone."""
    moved = [arm for arm, by in changed_predictions(before, after).items() if by != 0]
    return (
        "Poison: the protocol repeated with spoilt held-out features and outcomes",
        "every prediction of a training row unchanged to the last bit",
        f"changed: {', '.join(map(_title, moved))}" if moved else "unchanged in every arm",
        not moved,
    )


def rearranged_row(before: ControlResult, after: ControlResult) -> Row:
    """Return the check that a held-out row is judged without a look at the others."""
    fits = changed_predictions(before, after)
    moves = {arm: max(by, fits[arm]) for arm, by in changed_held_out(before, after).items()}
    moved = [arm for arm, by in moves.items() if by > ROUNDING]
    return (
        "Leak between held-out rows: another order, and one row gone",
        "every other prediction unchanged",
        f"changed: {', '.join(map(_title, moved))}"
        if moved
        else f"unchanged in every arm (largest change {max(moves.values(), default=0.0):.0e})",
        not moved,
    )


def control_row(honest: pd.DataFrame, leaking: pd.DataFrame, n_features: int) -> Row:
    """Return the check that select-then-split is flagged; both are of one arm on one noise."""
    role = honest["role"].eq("out_of_fold")
    ours, theirs = honest[role].iloc[0], leaking[role].iloc[0]
    return (
        f"Control that leaks: selection before the split, on {n_features:,} columns of noise",
        f"flagged: above {theirs['high']:.3f}",
        f"AUC {theirs['auc']:.3f} where this protocol finds {ours['auc']:.3f}",
        bool(theirs["auc"] > theirs["high"]),
    )


def stacking_row(
    noise: Sequence[ControlResult], table: pd.DataFrame, members: Sequence[str]
) -> Row:
    """Return the check that fusion of in-sample signatures is flagged, on noise.

    table: `mean_areas` of the same trials.
    """
    areas = [auc(one.training.y_true, stacked_in_sample(one, members)) for one in noise]
    mean = float(np.mean(areas))
    high = 0.5 + N_SD * _known_sd(noise[0], "out_of_fold") / sqrt(len(areas))
    ours = table[table["role"].eq("out_of_fold") & table["arm"].eq("combined")]
    beside = f" where this protocol finds {ours['auc'].iloc[0]:.3f}" if len(ours) else ""
    return (
        f"Control that leaks: fusion of in-sample signatures ({' + '.join(members)}), on noise",
        f"flagged: above {high:.3f}",
        f"AUC {mean:.3f}{beside}",
        mean > high,
    )


def _known_sd(judged: ControlResult, role: str) -> float:
    """Return the standard deviation of one AUC under no effect, as if a unit had one row.

    Rows of one patient share an outcome and resemble each other: they are not more patients.
    """
    if role == "out_of_fold":
        return null_sd(judged.training.y_of_units)
    return sqrt(area_variance(0.5, judged.held_out.y_of_units))


def _title(arm: str) -> str:
    return ARM_TITLES.get(arm, arm).lower()
