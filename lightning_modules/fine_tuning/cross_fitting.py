"""Fine-tuned probabilities, out of fold in training and held out in test.

The fold that a network is judged on never stops it, selects it or tunes it; its loss is recorded
and nothing else. Where a network may stop early, an inner fold of its own rows decides.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from her2.core.errors import BadConfig, LeakageError
from lightning_modules.backbones import check_name
from lightning_modules.fine_tuned import KeptNetwork, write_model
from lightning_modules.fine_tuning.device_processes import Log, train_networks
from lightning_modules.fine_tuning.fitting import is_finished
from lightning_modules.fine_tuning.jobs import (
    REFIT,
    FloatArray,
    IntArray,
    Job,
    JobFiles,
    JobOutput,
    TrainingTask,
    plan_jobs,
    read_output,
)
from lightning_modules.fine_tuning.temperature import (
    fit_temperature,
    learned_log_odds,
    probabilities,
)
from lightning_modules.frozen_features import check_crops
from lightning_modules.weights import resolve_weights

Trained = Sequence[tuple[Job, JobOutput]]


@dataclass(frozen=True)
class FineTuned:
    """Probabilities of a fine-tuned backbone, at the prevalence of the training rows.

    Attributes
    ----------
    out_of_fold
        (n_train,), each from networks that were not trained on its fold.
    in_sample, held_out
        (n_train,) and (n_test,), from networks fitted to all training rows, or from those of all
        folds.
    history
        One row a network and epoch, columns fold (-1 for all training rows), network (from 0),
        epoch (from 1), train_loss, val_loss (of the judged fold; missing for the last network),
        inner_loss (of the inner fold; missing without one).
    notes
        What a report must say.
    features
        Penultimate features, where they were asked for: those of each fold's network,
        (n_train, width), and last those of the final one, (n_train + n_test, width).
    """

    out_of_fold: FloatArray
    in_sample: FloatArray
    held_out: FloatArray
    history: pd.DataFrame
    notes: tuple[str, ...]
    features: tuple[NDArray[np.float32], ...] = ()


def out_of_fold_training(
    task: TrainingTask,
    folds: NDArray[Any],
    train_index: NDArray[Any],
    test_index: NDArray[Any],
    *,
    wants_features: bool = False,
    log: Log | None = None,
) -> FineTuned:
    """Fine-tune networks for every fold, and for the test rows.

    folds: (n_train,) of every training row, from 0. train_index, test_index: rows of `task.crops`
    to train on, and to predict (may be empty). log: called with one line a network.

    Raises
    ------
    BadConfig
        If an argument or the accelerator cannot be used, or training diverges.
    LeakageError
        If a row is both trained on and tested.
    NotEstimable
        If the rows that a network trains on have one outcome only.
    """
    train, test = (np.asarray(index, dtype=np.int64) for index in (train_index, test_index))
    plan = _CrossFit(task, np.asarray(folds), train, test, wants_features)
    plan.check()
    trained = _train(plan.jobs(), task, log)
    signatures = _Signatures(plan, trained)
    temperature = signatures.temperature()
    in_sample, held_out = signatures.final(temperature)
    if task.model_dir is not None:
        write_model(task, signatures.kept(trained), temperature=temperature)
    rows = [row for job, output in trained for row in output.rows(job)]
    return FineTuned(
        out_of_fold=signatures.out_of_fold(),
        in_sample=in_sample,
        held_out=held_out,
        history=pd.DataFrame(rows).astype({"epoch": int}),
        notes=_notes(task, temperature),
        features=tuple(output.features for _, output in trained) if wants_features else (),
    )


def fold_predictions(task: TrainingTask, folds: IntArray) -> Iterator[tuple[IntArray, FloatArray]]:
    """Yield the rows of each fold, and their predictions by networks trained on the other folds.

    A network is trained when its fold is requested, so the caller may stop early. What was
    trained before is read from `task.folder`.

    `task` is of training patients alone, `folds` (N,) are from 0. Probabilities are at the
    prevalence of all rows; logits of `trainer.n_seeds` networks are averaged, without a
    temperature, which changes no rank. Raises as `out_of_fold_training`.
    """
    for fold in range(int(folds.max()) + 1):
        judged, learned = np.flatnonzero(folds == fold), np.flatnonzero(folds != fold)
        jobs = plan_jobs(task, learned, judged, fold=fold, predicted=judged)
        logits = np.mean([output.logits for _, output in _train(jobs, task)], axis=0)
        yield judged, probabilities(logits, 1.0, _shift(task, jobs[0], task.outcomes))


def _train(jobs: Sequence[Job], task: TrainingTask, log: Log | None = None) -> Trained:
    """Return every job with its output; what is finished already is not trained again."""
    missing = [job for job in jobs if not is_finished(JobFiles.of(job, task))]
    if log and len(missing) < len(jobs):
        log(f"{len(jobs) - len(missing)} of {len(jobs)} networks are trained already")
    train_networks(missing, task, log=log)
    trained = [(job, read_output(JobFiles.of(job, task).output)) for job in jobs]
    if not all(np.isfinite(output.logits).all() for _, output in trained):
        raise BadConfig(
            f"training of {task.backbone.name} must converge, found probabilities that are not "
            "finite; lower trainer.learning_rate"
        )
    return trained


def _shift(task: TrainingTask, job: Job, y_true: IntArray) -> float:
    """Log odds that move a network's predictions to the prevalence of other rows."""
    learned = np.asarray(task.y_true)[job.learned].astype(np.int64)
    before = learned_log_odds(
        learned, balanced=task.trainer.balance != "none", smoothing=task.trainer.label_smoothing
    )
    return learned_log_odds(y_true, balanced=False) - before


@dataclass(frozen=True)
class _CrossFit:
    """Which networks there are."""

    task: TrainingTask
    folds: NDArray[Any]
    train_index: IntArray
    test_index: IntArray
    wants_features: bool

    @property
    def averages_folds(self) -> bool:
        """Whether the folds' networks predict the test rows."""
        return self.task.trainer.refit == "folds"

    @property
    def fold_names(self) -> list[int]:
        """Numbers of the folds."""
        return [int(name) for name in np.unique(self.folds)]

    def jobs(self) -> list[Job]:
        """Return the networks of every fold, and of all training rows, in order."""
        train, everybody = self.train_index, np.concatenate([self.train_index, self.test_index])
        plan = partial(plan_jobs, self.task, wants_features=self.wants_features)
        keeps = self.averages_folds or self.task.trainer.keep == "all"
        jobs = []
        for fold in self.fold_names:
            is_judged = self.folds == fold
            predicted = everybody if self.averages_folds else train[is_judged]
            if self.wants_features:
                predicted = train
            jobs += plan(
                train[~is_judged], train[is_judged], fold=fold, predicted=predicted, is_kept=keeps
            )
        if not self.averages_folds:
            jobs += plan(train, train[:0], fold=REFIT, predicted=everybody, is_kept=True)
        return jobs

    def check(self) -> None:
        """Refuse what cannot be trained."""
        check_name(self.task.backbone.name)
        check_crops(self.task.crops)
        shared = np.intersect1d(self.train_index, self.test_index)
        if shared.size:
            raise LeakageError(
                f"training and test rows must be disjoint, found {shared.size} in both; draw the "
                f"split again"
            )
        n_folds = np.unique(self.folds).size
        if self.folds.shape != self.train_index.shape or n_folds < 2 or self.folds.min() < 0:
            raise BadConfig(
                f"folds must give one of two or more folds, numbered from 0, to each of "
                f"{self.train_index.size} training rows, found {self.folds.size} rows in "
                f"{n_folds} folds; draw them again"
            )
        trainer = self.task.trainer
        if self.wants_features and (trainer.refit != "all" or trainer.n_seeds != 1):
            raise BadConfig(
                "backbone.mode=finetune_features needs one network a fold and one of all training "
                "rows, because features of different networks are not aligned; found "
                f"trainer.refit={trainer.refit} and trainer.n_seeds={trainer.n_seeds}; use all "
                "and 1"
            )


class _Signatures:
    """Logits of every fold, averaged over seeds, and the probabilities that they give."""

    def __init__(self, plan: _CrossFit, trained: Trained) -> None:
        self.plan = plan
        self.y_true = np.asarray(plan.task.y_true)[plan.train_index].astype(np.int64)
        self.job = {job.fold: job for job, _ in trained}
        self.logits = {
            fold: np.mean([o.logits for job, o in trained if job.fold == fold], axis=0)
            for fold in self.job
        }
        self.shift = {fold: _shift(plan.task, job, self.y_true) for fold, job in self.job.items()}

    def _judged(self, fold: int) -> FloatArray:
        """Logits of the fold's own rows."""
        of_fold = self.plan.train_index[self.plan.folds == fold]
        place = {int(row): i for i, row in enumerate(self.job[fold].predicted)}
        return np.asarray(self.logits[fold][[place[int(row)] for row in of_fold]])

    def temperature(self, without: int | None = None) -> float:
        """Temperature from out-of-fold logits; `without` leaves a fold out."""
        if not self.plan.task.trainer.temperature:
            return 1.0
        names = [name for name in self.plan.fold_names if name != without]
        rows = [self.plan.folds == name for name in names]
        shifts = [np.full(r.sum(), self.shift[n]) for n, r in zip(names, rows, strict=True)]
        return fit_temperature(
            np.concatenate([self._judged(name) for name in names]),
            np.concatenate(shifts),
            np.concatenate([self.y_true[r] for r in rows]),
        )

    def out_of_fold(self) -> FloatArray:
        """Probabilities (n_train,); a fold's own outcomes do not tune its temperature."""
        found = np.zeros(len(self.y_true))
        for name in self.plan.fold_names:
            found[self.plan.folds == name] = probabilities(
                self._judged(name), self.temperature(without=name), self.shift[name]
            )
        return found

    def final(self, temperature: float) -> tuple[FloatArray, FloatArray]:
        """Probabilities of the training rows and of the test rows by the final networks."""
        folds = self.plan.fold_names if self.plan.averages_folds else [REFIT]
        logits = [self.logits[fold] / temperature + self.shift[fold] for fold in folds]
        found = probabilities(np.mean(logits, axis=0), 1.0, 0.0)
        n_train = len(self.y_true)
        return found[:n_train], found[n_train:]

    def kept(self, trained: Trained) -> list[KeptNetwork]:
        """Return the networks whose weights are kept."""
        files = [(job, JobFiles.of(job, self.plan.task).weights) for job, _ in trained]
        return [
            KeptNetwork(
                weights.name, job.fold, job.number, self.shift[job.fold],
                is_final=self.plan.averages_folds or job.fold == REFIT,
            )
            for job, weights in files if weights is not None
        ]  # fmt: skip


def _notes(task: TrainingTask, temperature: float) -> tuple[str, ...]:
    name, trainer = task.backbone.name, task.trainer
    if trainer.patience:
        notes = [
            f"{name}: every network was trained for at most {trainer.max_epochs} epochs and "
            f"stopped by an inner fold of its own training rows, never by the fold it is judged on"
        ]
    else:
        notes = [
            f"{name}: every network was trained for {trainer.max_epochs} epochs; none was "
            f"stopped or chosen by the fold it is judged on"
        ]
    if trainer.temperature:
        notes.append(
            f"{name}: logits were divided by a temperature ({temperature:.2f} for the test role) "
            "that was fitted to out-of-fold logits; that of a fold, to those of the other folds"
        )
    note = resolve_weights(name, task.backbone.weights).note
    return (*notes, note) if note else tuple(notes)
