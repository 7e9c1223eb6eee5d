"""Trials of a protocol on data whose truth is known: whether it finds what is not there.

A trial is a study's own material with one thing changed: its outcomes shuffled, its features
replaced by noise, a signal planted, the held-out rows spoilt. A protocol turns it into
signatures. An honest one finds nothing in noise, finds a planted signal, and gives training rows
the same predictions whatever stands in the held-out rows. The controls below do what papers get
wrong, so that a check which could not fail would be noticed.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from joblib import delayed
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from threadpoolctl import threadpool_limits

from her2.core.parallel import run_jobs
from her2.core.seeds import generator
from her2.models.fusion import signature_regression
from her2.models.nested_cv import Arm, Signature, TrainingSet
from her2.models.resampling import POISON, shuffled_outcomes
from her2.selection import fit_chain, no_selection
from her2.stats import auc

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

ROLES = ("out_of_fold", "held_out")
PLANTED_SHARE = 0.05  # of an arm's columns, but
FEWEST_PLANTED, MOST_PLANTED = 3, 20  # so that a thousand columns are not all but a label
PLANTED_ERRORS = 6.0  # standard errors by which the means of the two outcomes differ


@dataclass(frozen=True)
class Rows:
    """Rows in a fixed order: keys, outcomes (n,), units (n,)."""

    keys: tuple[str, ...]
    y_true: IntArray
    groups: IntArray

    @property
    def y_of_units(self) -> IntArray:
        """Outcomes of the units, (n_units,): positive if one of its rows is."""
        return np.array([self.y_true[self.groups == g].max() for g in np.unique(self.groups)])


@dataclass(frozen=True)
class Trial:
    """What a protocol is given.

    arms: their features hold training and held-out rows; held_out: rows that no fit may see;
    number: of this repetition.
    """

    arms: tuple[Arm, ...]
    training: TrainingSet
    held_out: Rows
    seed: int
    number: int = 0

    def random(self, *names: str) -> np.random.Generator:
        """Return the generator of this repetition for a purpose."""
        return generator(self.seed, "trial", *names, self.number)


Protocol = Callable[[Trial], Mapping[str, Signature]]
Change = Callable[[Trial], Trial]


@dataclass(frozen=True)
class Judged:
    """What a protocol made of a trial, with the rows of the two `ROLES` and their outcomes."""

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


def run_trials(
    plan: Sequence[tuple[Protocol, Change, int]],
    trial: Trial,
    *,
    n_workers: int = 1,
    advance: Callable[[int], None] = lambda done: None,
) -> list[Judged]:
    """Return what each protocol made of the changed trial, in the order of the plan.

    Parameters
    ----------
    plan
        Protocol, what is changed before it sees the trial, and the number of the repetition.
    trial
        The study's own material.
    n_workers
        Processes; the result does not depend on it.
    """
    jobs = (
        delayed(_run_one)(i, protocol, change, replace(trial, number=number))
        for i, (protocol, change, number) in enumerate(plan)
    )
    found: dict[int, Judged] = {}
    for i, judged in run_jobs(jobs, n_workers=n_workers):
        found[i] = judged
        advance(len(found))
    return [found[i] for i in range(len(plan))]


def unchanged(trial: Trial) -> Trial:
    """Return the trial as it is."""
    return trial


def shuffled(trial: Trial) -> Trial:
    """Return the trial after patients have swapped outcomes, within their fold or held out.

    Whole patients swap, not rows: lesions of one patient resemble each other, and a shuffle of
    rows would destroy a dependence that the real data have.
    """
    rows = trial.held_out
    as_one_fold = TrainingSet(rows.keys, rows.y_true, rows.groups, np.zeros_like(rows.groups))
    y_train = shuffled_outcomes(trial.training, trial.random("shuffle"))
    y_held_out = shuffled_outcomes(as_one_fold, trial.random("shuffle held out"))
    return replace(
        trial,
        training=replace(trial.training, y_true=y_train),
        held_out=replace(rows, y_true=y_held_out),
    )


def noise(trial: Trial) -> Trial:
    """Return the trial with every feature replaced by independent standard normal numbers."""
    return _with_values(trial, lambda arm: _standard_normal(trial, arm))


def planted(trial: Trial) -> Trial:
    """Return noise in which three to twenty columns of every arm tell the outcome.

    Clearly enough for any cohort that can be split at all: about one standard deviation among 200
    patients, two among 30.
    """
    y = trial.training.y_true
    shift = PLANTED_ERRORS * float(np.sqrt(1 / y.sum() + 1 / (len(y) - y.sum())))
    rows = dict(zip(trial.training.keys, trial.training.y_true.tolist(), strict=True))
    rows |= dict(zip(trial.held_out.keys, trial.held_out.y_true.tolist(), strict=True))

    def values(arm: Arm) -> FloatArray:
        found = _standard_normal(trial, arm)
        n_columns = found.shape[1]
        share = round(PLANTED_SHARE * n_columns)
        n_planted = min(n_columns, max(FEWEST_PLANTED, min(MOST_PLANTED, share)))
        chosen = trial.random("planted", arm.name).permutation(n_columns)[:n_planted]
        outcome = np.array([rows[str(key)] for key in arm.features.index])
        found[:, chosen] += shift * outcome[:, np.newaxis]
        return found

    return _with_values(trial, values)


def poisoned(trial: Trial) -> Trial:
    """Return the trial with absurd features and inverted outcomes in the held-out rows."""
    keys = list(trial.held_out.keys)

    def spoilt(arm: Arm) -> Arm:
        features = arm.features.copy()
        numeric = features.select_dtypes("number").columns
        features[numeric] = features[numeric].astype(np.float64)
        features.loc[keys, numeric] = POISON
        features.loc[keys, features.columns.difference(numeric)] = "poison"
        return replace(arm, features=features)

    inverted = replace(trial.held_out, y_true=1 - trial.held_out.y_true)
    return replace(trial, arms=tuple(spoilt(arm) for arm in trial.arms), held_out=inverted)


def rearranged(trial: Trial) -> Trial:
    """Return the trial with the held-out rows in another order, and one of them gone."""
    rows = trial.held_out
    order = trial.random("order").permutation(len(rows.keys))[1:]
    kept = Rows(tuple(rows.keys[i] for i in order), rows.y_true[order], rows.groups[order])
    keys = [*trial.training.keys, *kept.keys]
    arms = tuple(replace(arm, features=arm.features.loc[keys]) for arm in trial.arms)
    return replace(trial, arms=arms, held_out=kept)


def selected_before_split(protocol: Protocol) -> Protocol:
    """Return a control that leaks: preparation and selection learn from all rows, then `protocol`.

    The sin of "select features, then split": on noise it reports an AUC of .8 to .9.

    References
    ----------
    Ambroise and McLachlan (2002), PNAS 99:6562, doi:10.1073/pnas.102102699.
    """
    return _SelectedBeforeSplit(protocol)


@dataclass(frozen=True)
class _SelectedBeforeSplit:
    protocol: Protocol

    def __call__(self, trial: Trial) -> Mapping[str, Signature]:
        keys = [*trial.training.keys, *trial.held_out.keys]
        y = np.concatenate([trial.training.y_true, trial.held_out.y_true])
        groups = np.concatenate([trial.training.groups, trial.held_out.groups])

        def leaking(arm: Arm) -> Arm:
            X = arm.rows(keys)
            prepared = fit_chain(arm.preparation, X, y, groups).transform(X)
            features = pd.DataFrame(np.asarray(prepared), index=keys)
            return Arm(arm.name, features, no_selection(), arm.points)

        return self.protocol(replace(trial, arms=tuple(leaking(arm) for arm in trial.arms)))


def stacked_in_sample(judged: Judged, members: Sequence[str]) -> FloatArray:
    """Return a second control that leaks, (n_train,): fusion of in-sample signatures.

    Every member has seen the rows, the regression has too, and they are judged on them.
    """
    signatures = np.column_stack([judged.signatures[m].in_sample for m in members])
    with _separable():
        regression = signature_regression().fit(signatures, judged.training.y_true)
    return np.asarray(regression.predict_proba(signatures)[:, 1])


def changed_predictions(before: Judged, after: Judged) -> dict[str, float]:
    """Return by arm how far predictions of training rows moved at most; 0: to the last bit."""
    return {
        arm: max(
            _largest(before.signatures[arm].repeats, after.signatures[arm].repeats),
            _largest(before.signatures[arm].in_sample, after.signatures[arm].in_sample),
        )
        for arm in before.signatures
    }


def changed_held_out(before: Judged, after: Judged) -> dict[str, float]:
    """Return by arm how far predictions moved at most of held-out rows that both trials have."""
    moved = {}
    for arm, signature in after.signatures.items():
        first = np.array([before.signatures[arm].held_out[key] for key in signature.held_out])
        moved[arm] = _largest(first, np.array(list(signature.held_out.values())))
    return moved


def _run_one(
    position: int, protocol: Protocol, change: Change, trial: Trial
) -> tuple[int, Judged]:
    with threadpool_limits(1), _separable():
        changed = change(trial)
        signatures = dict(protocol(changed))
        learned = changed.training
    rows = Rows(learned.keys, learned.y_true, learned.groups)
    return position, Judged(signatures, rows, changed.held_out)


@contextmanager
def _separable() -> Iterator[None]:
    """Let regressions end where a planted signal, or a leak, separates the outcomes."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        yield


def _with_values(trial: Trial, values: Callable[[Arm], FloatArray]) -> Trial:
    return replace(
        trial,
        arms=tuple(
            replace(
                arm,
                features=pd.DataFrame(
                    values(arm), index=arm.features.index, columns=arm.features.columns
                ),
            )
            for arm in trial.arms
        ),
    )


def _standard_normal(trial: Trial, arm: Arm) -> FloatArray:
    return trial.random("noise", arm.name).standard_normal(arm.features.shape)


def _largest(first: FloatArray, second: FloatArray) -> float:
    return float(np.max(np.abs(first - second), initial=0.0))


def _area(y_true: IntArray, probability: FloatArray) -> float:
    """Return the AUC; a constant model has one of .5, which only `stats.auc` would not say."""
    return auc(y_true, probability) if np.ptp(probability) > 0 else 0.5
