"""Controls of a protocol on data whose truth is known: whether it finds what is not there.

A control is a study's own material with one thing changed. A protocol turns it into signatures:
an honest one finds nothing in noise, finds a planted signal, and gives training rows the same
predictions whatever stands in the held-out rows. Two that leak show that the checks can fail.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from warnings import catch_warnings

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning

from her2.core.seeds import generator
from her2.models.fusion import signature_regression
from her2.models.nested_cv import Arm, Signature, TrainingSet, run_in_order
from her2.models.resampling import POISON, shuffled_outcomes
from her2.models.splits import Rows
from her2.selection import fit_chain, no_selection
from her2.stats import auc

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

ROLES = ("out_of_fold", "held_out")
PLANTED_SHARE = 0.05  # of an arm's columns, but
FEWEST_PLANTED, MOST_PLANTED = 3, 20  # so that a thousand columns are not all but a label
PLANTED_ERRORS = 6.0  # standard errors by which the means of the two outcomes differ


@dataclass(frozen=True)
class Control:
    """The material that a protocol is given.

    Attributes
    ----------
    arms
        Their features hold training and held-out rows.
    training
        Rows to learn from.
    held_out
        Rows that no fit may see.
    seed, number
        Of the random numbers, and of this repetition.
    """

    arms: tuple[Arm, ...]
    training: TrainingSet
    held_out: Rows
    seed: int
    number: int = 0

    def random(self, *names: str) -> np.random.Generator:
        """Return the generator of this repetition for a purpose."""
        return generator(self.seed, "trial", *names, self.number)  # the name of the stream


Protocol = Callable[[Control], Mapping[str, Signature]]
Change = Callable[[Control], Control]


@dataclass(frozen=True)
class ControlResult:
    """The signatures that a protocol made of a control.

    Attributes
    ----------
    signatures
        By arm.
    training, held_out
        Rows of the two `ROLES`, with the outcomes of the control.
    """

    signatures: Mapping[str, Signature]
    training: Rows
    held_out: Rows

    def area(self, arm: str, role: str) -> float:
        """Return the AUC of an arm in one of `ROLES`; .5 of an arm that tells nobody apart."""
        signature = self.signatures[arm]
        if role == "out_of_fold":
            return _area(self.training.y_true, signature.out_of_fold)
        probability = np.array([signature.held_out[key] for key in self.held_out.keys])
        return _area(self.held_out.y_true, probability)


def run_controls(
    plan: Sequence[tuple[Protocol, Change, int]],
    control: Control,
    *,
    n_workers: int = 1,
    advance: Callable[[int], None] = lambda done: None,
) -> list[ControlResult]:
    """Return the results of the plan (protocol, change, number of repetition), in its order."""
    calls = ((protocol, change, replace(control, number=n)) for protocol, change, n in plan)
    return run_in_order(_run_one, calls, n_workers=n_workers, advance=advance)


def unchanged(control: Control) -> Control:
    """Return the control as it is."""
    return control


def shuffled(control: Control) -> Control:
    """Return the control after patients have swapped outcomes, within their fold or held out.

    Whole patients swap, not rows: lesions of one patient resemble each other, and a shuffle of
    rows would destroy a dependence that the real data have.
    """
    rows = control.held_out
    as_one_fold = TrainingSet(rows.keys, rows.y_true, rows.groups, np.zeros_like(rows.groups))
    y_train = shuffled_outcomes(control.training, control.random("shuffle"))
    y_held_out = shuffled_outcomes(as_one_fold, control.random("shuffle held out"))
    return replace(
        control,
        training=replace(control.training, y_true=y_train),
        held_out=replace(rows, y_true=y_held_out),
    )


def noise(control: Control) -> Control:
    """Return the control with every feature replaced by independent standard normal numbers."""
    return _with_values(control, lambda arm: _standard_normal(control, arm))


def planted(control: Control) -> Control:
    """Return noise in which three to twenty columns of every arm tell the outcome.

    Clearly enough for any cohort that can be split at all: about one standard deviation among 200
    patients, two among 30.
    """
    y = control.training.y_true
    shift = PLANTED_ERRORS * float(np.sqrt(1 / y.sum() + 1 / (len(y) - y.sum())))
    outcomes: dict[str, int] = {}
    for rows in (control.training, control.held_out):
        outcomes |= dict(zip(rows.keys, rows.y_true.tolist(), strict=True))

    def values(arm: Arm) -> FloatArray:
        found = _standard_normal(control, arm)
        n_columns = found.shape[1]
        share = round(PLANTED_SHARE * n_columns)
        n_planted = min(n_columns, max(FEWEST_PLANTED, min(MOST_PLANTED, share)))
        chosen = control.random("planted", arm.name).permutation(n_columns)[:n_planted]
        outcome = np.array([outcomes[str(key)] for key in arm.features.index])
        found[:, chosen] += shift * outcome[:, np.newaxis]
        return found

    return _with_values(control, values)


def poisoned(control: Control) -> Control:
    """Return the control with absurd features and inverted outcomes in the held-out rows."""
    keys = list(control.held_out.keys)

    def spoilt(arm: Arm) -> Arm:
        features = arm.features.copy()
        numeric = features.select_dtypes("number").columns
        features[numeric] = features[numeric].astype(np.float64)
        features.loc[keys, numeric] = POISON
        features.loc[keys, features.columns.difference(numeric)] = "poison"
        return replace(arm, features=features)

    inverted = replace(control.held_out, y_true=1 - control.held_out.y_true)
    return replace(control, arms=tuple(spoilt(arm) for arm in control.arms), held_out=inverted)


def rearranged(control: Control) -> Control:
    """Return the control with the held-out rows in another order, and one of them gone."""
    rows = control.held_out
    order = control.random("order").permutation(len(rows.keys))[1:]
    kept = Rows(tuple(rows.keys[i] for i in order), rows.y_true[order], rows.groups[order])
    keys = [*control.training.keys, *kept.keys]
    arms = tuple(replace(arm, features=arm.features.loc[keys]) for arm in control.arms)
    return replace(control, arms=arms, held_out=kept)


def selected_before_split(protocol: Protocol) -> Protocol:
    """Return a protocol that leaks: its preparation and selection learn from all rows.

    The error "select features, then split": on noise it reports an AUC of .8 to .9.

    References
    ----------
    Ambroise and McLachlan (2002), PNAS 99:6562, doi:10.1073/pnas.102102699.
    """
    return partial(_select_before_split, protocol)


def _select_before_split(protocol: Protocol, control: Control) -> Mapping[str, Signature]:
    keys = [*control.training.keys, *control.held_out.keys]
    y = np.concatenate([control.training.y_true, control.held_out.y_true])
    groups = np.concatenate([control.training.groups, control.held_out.groups])

    def leaking(arm: Arm) -> Arm:
        X = arm.rows(keys)
        prepared = fit_chain(arm.preparation, X, y, groups).transform(X)
        features = pd.DataFrame(np.asarray(prepared), index=keys)
        return Arm(arm.name, features, no_selection(), arm.points)

    return protocol(replace(control, arms=tuple(leaking(arm) for arm in control.arms)))


def stacked_in_sample(result: ControlResult, members: Sequence[str]) -> FloatArray:
    """Return predictions that leak, (n_train,): the fusion of in-sample signatures.

    Every member has seen the rows, the regression has too, and they are judged on them.
    """
    signatures = np.column_stack([result.signatures[m].in_sample for m in members])
    with catch_warnings(action="ignore", category=ConvergenceWarning):
        regression = signature_regression().fit(signatures, result.training.y_true)
    return np.asarray(regression.predict_proba(signatures)[:, 1])


def changed_predictions(before: ControlResult, after: ControlResult) -> dict[str, float]:
    """Return by arm how far predictions of training rows moved at most; 0: to the last bit."""
    moved = {}
    for arm, old in before.signatures.items():
        new = after.signatures[arm]
        parts = ((old.repeats, new.repeats), (old.in_sample, new.in_sample))
        moved[arm] = max(_largest(*part) for part in parts)
    return moved


def changed_held_out(before: ControlResult, after: ControlResult) -> dict[str, float]:
    """Return by arm how far predictions moved at most, of held-out rows that both have."""
    moved = {}
    for arm, signature in after.signatures.items():
        first = np.array([before.signatures[arm].held_out[key] for key in signature.held_out])
        moved[arm] = _largest(first, np.array(list(signature.held_out.values())))
    return moved


def _run_one(protocol: Protocol, change: Change, control: Control) -> ControlResult:
    # regressions may end where a planted signal, or a leak, separates the outcomes
    with catch_warnings(action="ignore", category=ConvergenceWarning):
        changed = change(control)
        signatures = dict(protocol(changed))
    return ControlResult(signatures, changed.training, changed.held_out)


def _with_values(control: Control, values: Callable[[Arm], FloatArray]) -> Control:
    def changed(arm: Arm) -> Arm:
        index, columns = arm.features.index, arm.features.columns
        return replace(arm, features=pd.DataFrame(values(arm), index, columns))

    return replace(control, arms=tuple(map(changed, control.arms)))


def _standard_normal(control: Control, arm: Arm) -> FloatArray:
    return control.random("noise", arm.name).standard_normal(arm.features.shape)


def _largest(first: FloatArray, second: FloatArray) -> float:
    return float(np.max(np.abs(first - second), initial=0.0))


def _area(y_true: IntArray, probability: FloatArray) -> float:
    """Return the AUC; a constant model has one of .5, which only `stats.auc` would not say."""
    return auc(y_true, probability) if np.ptp(probability) > 0 else 0.5
