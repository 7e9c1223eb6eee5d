"""The leakage audit of a study, and of its protocol under controls whose truth is known.

Every check is a row: what was checked, what is expected, what was found, and whether it passed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import asin, sqrt

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import ndtr

from her2 import stats
from her2.core.errors import NotEstimable
from her2.core.types import ARM_TITLES, split_groups
from her2.models.negative_controls import (
    ROLES,
    ControlResult,
    changed_held_out,
    changed_predictions,
    stacked_in_sample,
)
from her2.models.nested_cv import Arm, TrainingSet
from her2.pipeline.copies import Copies, Row, copies_rows, find_copies
from her2.pipeline.resampling_checks import Refits
from her2.pipeline.run import OpenRun
from her2.plots.text import beside

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

COLUMNS = ["check", "expected", "found", "passed"]
KNOWS_OUTCOME = 0.95  # AUC of one variable alone
PLAUSIBLE = 0.85  # AUC of one feature alone, with nothing wrong
MOST_NAMED = 5  # columns in the sentence of a failed check
ALPHA = 0.05  # among all columns that were tried (Holm)
N_SD = 3.0  # standard errors around .5 within which nothing was found
ROUNDING = 1e-12  # sums of other numbers of rows may differ in their last bits
_WORDS = {"out_of_fold": "out of fold", "held_out": "held out"}


def audit_table(
    run: OpenRun, refits: Refits, arms: Sequence[Arm] = (), copies: Copies | None = None
) -> pd.DataFrame:
    """Return check, expected, found, passed: one row for each check."""
    rows = design_rows(run, arms, copies or find_copies(run, arms))
    return as_table([*rows, *_poison(refits), *_shuffled(run.training, refits)])


def design_rows(run: OpenRun, arms: Sequence[Arm], copies: Copies) -> list[Row]:
    """Return the checks that need no fit: overlap, copies, columns that know too much.

    The features of `arms` are checked one by one.
    """
    return [
        _roles(run), _folds(run.training), *copies_rows(run, copies),
        *_telling_variables(run), *_telling_features(run, arms),
    ]  # fmt: skip


def as_table(rows: Sequence[Row]) -> pd.DataFrame:
    """Return rows as a table whose column `passed` is True, False or None."""
    return pd.DataFrame(rows, columns=COLUMNS).astype({"passed": object})


def audit_notes(table: pd.DataFrame) -> list[str]:
    """Return a sentence for every check that failed."""
    failed = table[table["passed"].eq(False)].itertuples()
    return [f"Leakage check: {x.check}: expected {x.expected}, found {x.found}." for x in failed]


def _roles(run: OpenRun) -> Row:
    roles = run.split.roles()
    role = pd.Series([roles[lesion.key] for lesion in run.cohort.lesions])
    n_roles = role.groupby(split_groups(run.cohort.lesions)).nunique()
    torn = int((n_roles > 1).sum())
    check = "Overlap of the split: patients, groups or shared images on both sides"
    return check, "0", f"{torn} of {len(n_roles)}", torn == 0


def _folds(training: TrainingSet) -> Row:
    folds = (pd.Series(training.repeat(r).fold) for r in range(training.n_repeats))
    torn = sum(int((fold.groupby(training.groups).nunique() > 1).sum()) for fold in folds)
    check = "Overlap of the folds: patients in several folds of one repeat"
    found = f"{torn} in {training.n_repeats} x {training.n_folds} folds"
    return check, "0", found, torn == 0


def _poison(refits: Refits) -> Iterator[Row]:
    """Held-out features set to 1e9: the final model must be the same to the last bit."""
    if not refits.unmoved:
        return
    moved = [arm for arm, unmoved in refits.unmoved.items() if not unmoved]
    expected = "every model unchanged"
    found = expected if not moved else f"changed: {', '.join(moved)}"
    check = "Final models refitted with poisoned features of held-out patients"
    yield check, expected, found, not moved


def _shuffled(training: TrainingSet, refits: Refits) -> Iterator[Row]:
    n = len(refits.shuffled)
    if not n:
        return
    limit = N_SD * _chance(training.y_true, is_cross_validated=True) / sqrt(n)
    mean = float(refits.shuffled.mean())
    check = f"Leak of the outcome: mean AUC of {refits.audited}, refitted to {n} shuffles"
    expected = f"{0.5 - limit:.3f} to {0.5 + limit:.3f}"
    yield check, expected, f"{mean:.3f}", abs(mean - 0.5) <= limit


def _chance(y_true: NDArray[np.generic], *, is_cross_validated: bool) -> float:
    """Return the standard error of an AUC of chance, that of the headline and its comparisons."""
    n_positive = int(np.sum(y_true))
    counts = n_positive, len(y_true) - n_positive
    return stats.chance_error(*counts, is_cross_validated=is_cross_validated)


def _telling_variables(run: OpenRun) -> Iterator[Row]:
    """Yield the clinical variables that rank training patients best: they may know the outcome."""
    table = run.cohort.clinical.loc[list(run.training.keys)]
    areas = {}
    for name in table.columns:
        alone = _area_alone(_as_number(table[name]), run.training.y_true)
        if alone is not None:
            areas[str(name)] = alone[0]
    if areas:
        best = sorted(areas, key=lambda key: -areas[key])
        telling = [name for name in best if areas[name] >= KNOWS_OUTCOME]
        check = "Largest AUC of one clinical variable alone"
        listed = _listed(telling or best[:1])
        found = f"{beside(areas[best[0]], KNOWS_OUTCOME)} ({listed})"
        yield check, f"below {KNOWS_OUTCOME}", found, not telling


def _telling_features(run: OpenRun, arms: Sequence[Arm]) -> Iterator[Row]:
    """Yield for every arm with features of its own those that rank patients of a role best."""
    for arm in arms:
        if arm.is_table or arm.name == "dlr":
            continue
        names, best, telling = arm.features.columns[arm.is_candidate], 0.0, []
        for role, keys, y_true in roles_alone(run):
            X, is_small = arm.rows(keys)[:, arm.is_candidate], role != "train"
            areas, knows = single_areas(X, y_true, is_small=is_small)
            if role == "train":
                best = float(np.max(areas, initial=0.0, where=np.isfinite(areas)))
            found = zip(names[knows], areas[knows], strict=True)
            telling += [f"{name} ({role}, {area:.3f})" for name, area in found]
        if best or telling:
            known = f", beyond chance: {_listed(telling)}" if telling else ""
            yield (
                f"Largest AUC of one {_title(arm.name)} feature alone",
                f"below {KNOWS_OUTCOME}, unless by chance",
                f"{best:.3f} of {len(names):,} features{known}",
                not telling,
            )


def roles_alone(run: OpenRun) -> Iterator[tuple[str, list[str], IntArray]]:
    """Yield every role with the keys of its lesions and their outcomes."""
    outcomes = {lesion.key: lesion.outcome for lesion in run.cohort.lesions}
    for role, keys in run.split.by_role.items():
        yield role, list(keys), np.array([outcomes[key] for key in keys], dtype=np.int64)


def _listed(names: Sequence[str]) -> str:
    """Return the first names, and how many more there are."""
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return ", ".join(names[:MOST_NAMED]) + more


def single_areas(
    X: FloatArray, y_true: NDArray[np.integer], *, is_small: bool = False
) -> tuple[FloatArray, NDArray[np.bool_]]:
    """Return the AUC, .5 or more, of each column alone, and whether it knows the outcome.

    Among a thousand columns of few patients some have a large AUC by chance. A column knows the
    outcome if it separates it without exception, where chance would not (Holm, 5 %), or if its
    AUC is .95 or more and significantly above .85, which one honest feature hardly reaches
    (the same). X: (n, p); a column with missing or infinite values is judged by its other rows.
    A column that is constant, or known of one outcome only, has no AUC: NaN. is_small: a dozen
    held-out patients are separated by an honest feature too, so only the second rule holds.

    References
    ----------
    Hanley and McNeil (1982), Radiology 143:29, doi:10.1148/radiology.143.1.7063747: the variance
    of an AUC, without the correction for ties, which would make p smaller.

    Examples
    --------
    >>> y = np.arange(40) % 2
    >>> areas, knows = single_areas(np.c_[y, np.arange(40) % 4, np.ones(40)], y)
    >>> areas.tolist(), knows.tolist()
    ([1.0, 0.75, nan], [True, False, False])
    """
    alone = single_tests(X, y_true)
    return alone[:, 0], knows_outcome(alone, is_small=is_small)


def single_tests(X: FloatArray, y_true: NDArray[np.integer]) -> FloatArray:
    """Return the AUC of each column alone, and its p above .5 and above .85, (p, 3); or NaN."""
    found = np.full((X.shape[1], 3), np.nan)
    for i, column in enumerate(X.T):
        alone = _area_alone(column, y_true)
        if alone is not None:
            found[i] = alone[0], _p_by_chance(*alone), _p_plausible(*alone)
    return found


def knows_outcome(alone: FloatArray, *, is_small: bool = False) -> NDArray[np.bool_]:
    """Return which columns know the outcome, (p,), of their `single_tests` (`single_areas`)."""
    has_area = np.isfinite(alone[:, 0])
    area, by_chance, by_a_feature = alone[has_area].T
    separates = (area == 1) & (stats.holm(by_chance) < ALPHA) & (not is_small)
    found = np.zeros(len(alone), dtype=bool)
    found[has_area] = separates | (area >= KNOWS_OUTCOME) & (stats.holm(by_a_feature) < ALPHA)
    return found


def _area_alone(
    values: NDArray[np.generic], y_true: NDArray[np.integer]
) -> tuple[float, NDArray[np.integer]] | None:
    """Return the AUC, .5 or more, of a column alone, and the outcomes of the rows that have it.

    None where it is constant, or known of one outcome only.
    """
    known = np.isfinite(values)
    try:
        area = stats.auc(y_true[known], values[known])
    except NotEstimable:
        return None
    return max(area, 1 - area), y_true[known]


def _p_by_chance(area: float, y_true: NDArray[np.integer]) -> float:
    """Return the p-value of an AUC, or of its mirror, as large as `area` if it is .5."""
    z = (area - 0.5) / _chance(y_true, is_cross_validated=False)
    return min(1.0, 2 * float(ndtr(-z)))


def _p_plausible(area: float, y_true: NDArray[np.integer]) -> float:
    """Return the p-value of an AUC as large as `area` if it is `PLAUSIBLE`.

    On the scale of the arcsine, because an AUC near 1 is skewed, and two-sided: of exponential
    scores the true share is half of it to twice, of normal ones less (simulated: 15 to 58
    positive, 20 to 143 negative patients).
    """
    n_positive = int(np.sum(y_true))
    variance = stats.hanley_mcneil_variance(PLAUSIBLE, n_positive, len(y_true) - n_positive)
    error = sqrt(variance / (4 * PLAUSIBLE * (1 - PLAUSIBLE)))
    return min(1.0, 2 * float(ndtr((asin(sqrt(PLAUSIBLE)) - asin(sqrt(area))) / error)))


def _as_number(values: pd.Series) -> np.ndarray:
    """Return numbers as they are and two levels as 0 and 1; more levels have no order: missing."""
    if pd.api.types.is_numeric_dtype(values):
        return values.to_numpy(np.float64)
    codes, levels = pd.factorize(values, sort=True)
    known = (codes >= 0) & (len(levels) == 2)
    return np.where(known, codes.astype(np.float64), np.nan)


def _title(arm: str) -> str:
    return ARM_TITLES.get(arm, arm).lower()


def mean_areas(
    name: str, judged: Sequence[ControlResult], *, is_null: bool = True
) -> pd.DataFrame:
    """Return trial (`name`), role, arm, n, auc (mean), sd, low, high of a control's repetitions.

    low and high are .5 with three standard errors of a mean under no effect. The standard
    deviation of one AUC is the known one; where `is_null`, that of the repetitions if it is larger
    (several lesions of a patient, arms that follow few columns). Otherwise there is an effect, and
    the spread of the repetitions is not that under no effect.
    """
    rows = []
    for role in ROLES:
        for arm in judged[0].signatures:
            areas = np.array([one.area(arm, role) for one in judged])
            sd = float(areas.std(ddof=1)) if len(areas) > 1 else 0.0
            spread = max(_known_sd(judged[0], role), sd if is_null else 0.0)
            limit = N_SD * spread / sqrt(len(areas))
            found = (float(areas.mean()), sd, 0.5 - limit, 0.5 + limit)
            rows.append((name, role, arm, len(areas), *found))
    columns = ["trial", "role", "arm", "n", "auc", "sd", "low", "high"]
    return pd.DataFrame(rows, columns=columns)


def null_rows(title: str, table: pd.DataFrame) -> Iterator[Row]:
    """Yield one row for each role: no arm may find what is not there (`mean_areas`)."""
    for role, arms in table.groupby("role", sort=False):
        excess = ((arms["auc"] - 0.5).abs() / (arms["high"] - 0.5)).to_numpy()
        worst = arms.iloc[int(np.argmax(excess))]
        yield (
            f"Leak in {title}, {_WORDS[str(role)]}: mean AUC of {worst['n']} repetitions",
            f"{worst['low']:.3f} to {worst['high']:.3f}",
            f"{worst['auc']:.3f} ({_title(worst['arm'])}, the farthest of {len(arms)})",
            bool((excess <= 1).all()),
        )


def power_rows(table: pd.DataFrame) -> Iterator[Row]:
    """Yield one row for each role: every arm must find a planted signal (`mean_areas`)."""
    for role, arms in table.groupby("role", sort=False):
        weakest = arms.iloc[int(np.argmin(arms["auc"] - arms["high"]))]
        yield (
            f"Power: a planted signal is found, {_WORDS[str(role)]}",
            f"above {weakest['high']:.3f}",
            f"{weakest['auc']:.3f} ({_title(weakest['arm'])}, the weakest of {len(arms)})",
            bool((arms["auc"] > arms["high"]).all()),
        )


def poison_row(before: ControlResult, after: ControlResult) -> Row:
    """Return the check that spoilt held-out rows do not change predictions of training rows."""
    moved = [arm for arm, by in changed_predictions(before, after).items() if by != 0]
    return (
        "Poison: the protocol repeated with spoilt held-out features and outcomes",
        "every prediction of a training row unchanged to the last bit",
        f"changed: {', '.join(map(_title, moved))}" if moved else "unchanged in every arm",
        not moved,
    )


def rearranged_row(before: ControlResult, after: ControlResult) -> Row:
    """Return the check that the prediction of a held-out row does not depend on the others."""
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

    table: `mean_areas` of the same controls.
    """
    areas = [stats.auc(one.training.y_true, stacked_in_sample(one, members)) for one in noise]
    mean = float(np.mean(areas))
    high = 0.5 + N_SD * _known_sd(noise[0], "out_of_fold") / sqrt(len(areas))
    ours = table[table["role"].eq("out_of_fold") & table["arm"].eq("combined")]
    other = f" where this protocol finds {ours['auc'].iloc[0]:.3f}" if len(ours) else ""
    return (
        f"Control that leaks: fusion of in-sample signatures ({' + '.join(members)}), on noise",
        f"flagged: above {high:.3f}",
        f"AUC {mean:.3f}{other}",
        mean > high,
    )


def _known_sd(judged: ControlResult, role: str) -> float:
    """Return the standard deviation of one AUC under no effect, with one row for each unit."""
    if role == "out_of_fold":
        return _chance(judged.training.y_of_units, is_cross_validated=True)
    return _chance(judged.held_out.y_of_units, is_cross_validated=False)
