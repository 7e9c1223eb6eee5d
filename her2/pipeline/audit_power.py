"""Power of the leakage checks: the smallest leak that they see in a study's own material.

Leaks of known size are planted in copies of the features and of the small pictures, and the
checks that need no fit are asked again. Nothing is fitted here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import ndtri

from her2.cohort.duplicate_rows import duplicate_rows
from her2.cohort.duplicates import near_duplicates
from her2.core.seeds import generator
from her2.core.types import split_groups
from her2.models.nested_cv import Arm
from her2.pipeline.copies import FEATURES, IMAGES, Row
from her2.pipeline.leakage_checks import knows_outcome, roles_alone, single_areas, single_tests
from her2.pipeline.run import OpenRun

FloatArray = NDArray[np.float64]
Planted = tuple[str, str, str, str]

COLUMNS = ["leak", "check", "tried", "seen"]
NOT_SEEN = "not seen"
COPIES = (20, 10, 5, 2, 1)  # patients
NOISE = (0.0, 1e-6, 0.001, 0.01, 0.02, 0.05, 0.1)  # of a column's standard deviation
GRAIN = (0.0, 0.05, 0.1, 0.2, 0.5, 1.0)  # of a small picture's standard deviation
AREAS = (1.0, 0.99, 0.98, 0.97, 0.96, 0.95, 0.9)
OFFSETS = (6.0, 4.0, 3.0, 2.0, 1.5, 1.0, 0.5)  # interquartile ranges
N_NOISY = 5  # copies with noise, all of which must be found
N_DRAWS = 20  # of a column that is the outcome with noise
OFTEN = 0.8  # share of them in which it must be named
SINGLE = "Largest AUC of one feature alone"


def audit_power(run: OpenRun, arms: Sequence[Arm], rows: Sequence[Row]) -> pd.DataFrame:
    """Return leak, check that sees it, sizes tried, and the smallest that is seen.

    rows: of the audit, for the controls that leak, which its fits have shown already.
    """
    found: list[Planted] = []
    arm = next((arm for arm in arms if not arm.is_table and arm.name != "dlr"), None)
    if arm is not None and arm.name == "radiomics":
        found += _copied_features(run, arm)
    if run.cohort.thumbnails is not None:
        found += _copied_images(run, run.cohort.thumbnails)
    if arm is not None:
        found += [_telling_column(run, arm), *_shifts(run, arm)]
    for check, expected, said, passed in rows:
        if check.startswith("Control that leaks: "):
            leak = check.removeprefix("Control that leaks: ").capitalize()
            found.append(
                (leak, f"AUC of the control {expected}", "as it is", said if passed else NOT_SEEN)
            )
    return pd.DataFrame(found, columns=COLUMNS)


def _planted(
    leak: str, check: str, sizes: Sequence[float], sees: Callable[[float], bool], unit: str
) -> Planted:
    """Return a row; `sizes` begin with the plainest leak and end with the first unseen one."""
    seen = NOT_SEEN
    for size in sizes:
        if not sees(size):
            break
        seen = unit.format(size)
    return leak, check, ", ".join(unit.format(size) for size in sizes), seen


def _copied_features(run: OpenRun, arm: Arm) -> Iterator[Planted]:
    X = _known_columns(arm, [lesion.key for lesion in run.cohort.lesions])
    owners = split_groups(run.cohort.lesions)
    with np.errstate(over="ignore"):
        spread = np.nan_to_num(np.nanstd(X, axis=0), posinf=0.0)

    def sees(n: int, noise: float) -> bool:
        rng = generator(run.seed, "audit power", "features")
        rows = rng.choice(len(X), min(n, len(X)), replace=False)
        copied = X[rows] + noise * spread * rng.standard_normal((len(rows), X.shape[1]))
        found = duplicate_rows(np.r_[X, copied], _with_new(owners, len(rows)))
        return _all_found(rows, len(X), [(pair.first, pair.second) for pair in found or ()])

    yield _planted(
        "Patients entered again under other names, with the same features", FEATURES, COPIES,
        lambda n: sees(int(n), 0.0), "{:.0f}",
    )  # fmt: skip
    yield _planted(
        f"The same of {N_NOISY} patients, with noise (of a column's standard deviation)", FEATURES,
        NOISE, lambda noise: sees(N_NOISY, noise), "{:g}",
    )  # fmt: skip


def _copied_images(run: OpenRun, small: NDArray[np.float32]) -> Iterator[Planted]:
    owners = split_groups(run.cohort.lesions)
    spread = small.std(axis=(2, 3), keepdims=True)

    def sees(n: int, noise: float) -> bool:
        rng = generator(run.seed, "audit power", "images")
        rows = rng.choice(len(small), min(n, len(small)), replace=False)
        copied = small[rows][..., ::-1]
        copied = copied + noise * spread[rows] * rng.standard_normal(copied.shape)
        found = near_duplicates(
            np.concatenate([small, copied.astype(np.float32)]),
            owners=_with_new(owners, len(rows)),
        )
        return _all_found(rows, len(small), [(pair.first, pair.second) for pair in found])

    yield _planted(
        "Patients entered again under other names, with mirrored images", IMAGES, COPIES,
        lambda n: sees(int(n), 0.0), "{:.0f}",
    )  # fmt: skip
    yield _planted(
        f"The same of {N_NOISY} patients, with noise (of the small picture's standard deviation)",
        IMAGES, GRAIN, lambda noise: sees(N_NOISY, noise), "{:g}",
    )  # fmt: skip


def _with_new(owners: NDArray[np.int64], n: int) -> NDArray[np.int64]:
    return np.concatenate([owners, owners.max() + 1 + np.arange(n, dtype=np.int64)])


def _all_found(rows: NDArray[np.intp], n: int, pairs: Sequence[tuple[int, int]]) -> bool:
    return {(int(row), n + i) for i, row in enumerate(rows)} <= set(pairs)


def _telling_column(run: OpenRun, arm: Arm) -> Planted:
    y_true = run.training.y_true
    own = single_tests(_known_columns(arm, run.training.keys), y_true)

    def sees(area: float) -> bool:
        rng = generator(run.seed, "audit power", "column")
        noise = rng.standard_normal((len(y_true), N_DRAWS))
        # the AUC of two normal distributions, a distance d apart, is that of d / sqrt(2)
        distance = 1e6 if area == 1 else np.sqrt(2) * ndtri(area)
        planted = single_tests(noise + distance * y_true[:, np.newaxis], y_true)
        named = [knows_outcome(np.vstack([own, one]))[-1] for one in planted]
        return bool(np.mean(named) >= OFTEN)

    leak = "One column that is the outcome with noise, by its AUC"
    return _planted(leak, SINGLE, AREAS, sees, "{:.2f}")


def _shifts(run: OpenRun, arm: Arm) -> Iterator[Planted]:
    """Yield offsets to all features of the positive patients of a role, and of one fold."""
    parts = [(role, keys, y, y == 1) for role, keys, y in roles_alone(run)]
    training = run.training
    in_fold = (training.fold == 0) & (training.y_true == 1)
    parts.append(("train, one fold", list(training.keys), training.y_true, in_fold))
    for name, keys, y_true, moved in parts:
        judged = partial(single_areas, y_true=y_true, is_small=not name.startswith("train"))
        sees = partial(_names_more, judged, _known_columns(arm, keys), moved)
        leak = f"All features of the positive patients moved (interquartile ranges): {name}"
        yield _planted(leak, SINGLE, OFFSETS, sees, "{:g}")


def _names_more(
    judged: Callable[[FloatArray], tuple[FloatArray, NDArray[np.bool_]]],
    X: FloatArray,
    moved: NDArray[np.bool_],
    size: float,
) -> bool:
    """Return whether more columns are named once some rows have moved by `size` ranges."""
    low, high = np.nanquantile(X, (0.25, 0.75), axis=0)
    step = size * np.where(moved[:, np.newaxis], high - low, 0.0)
    return bool((judged(X + step)[1] & ~judged(X)[1]).any())


def _known_columns(arm: Arm, keys: Sequence[str]) -> FloatArray:
    """Return the columns that most of some lesions have, NaN where a value is missing."""
    X = arm.rows(keys)[:, arm.is_candidate]
    known = np.isfinite(X)
    return np.where(known, X, np.nan)[:, known.mean(axis=0) > 0.5]
