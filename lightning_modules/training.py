"""Fine-tuned probabilities that are honest: out of fold in training, held out in test.

The fold that a network is judged on never stops it, selects it or tunes it; its loss is recorded
and nothing else. Where a network may stop early, an inner fold of its own rows decides.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from her2.core.errors import BadConfig, LeakageError
from her2.core.settings import BackboneSettings, TrainerSettings
from lightning_modules.backbones import check_name, resolve_weights
from lightning_modules.device_processes import run_jobs
from lightning_modules.embedding import check_crops
from lightning_modules.fine_tuned import KeptNetwork, write_model
from lightning_modules.fitting import is_finished
from lightning_modules.jobs import (
    REFIT,
    IntArray,
    Job,
    Material,
    Output,
    Places,
    Record,
    plan_job,
    read_output,
)
from lightning_modules.temperature import fit_temperature, prevalence_shift, probabilities

__all__ = ["REFIT", "FineTuned", "out_of_fold_training"]

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class FineTuned:
    """Probabilities of a fine-tuned backbone, at the prevalence of the training rows.

    out_of_fold: (n_train,), each from networks that were not trained on its fold;
    in_sample, held_out: (n_train,) and (n_test,), from networks fitted to all training rows, or
    from those of all folds;
    history: one row a network and epoch, columns fold (-1 for all training rows), network (from
    0), epoch (from 1), train_loss, val_loss (of the judged fold; missing for the last network),
    inner_loss (of the inner fold, missing where none may stop it);
    notes: what a report must say;
    features: penultimate features, where they were asked for: those of each fold's network,
    (n_train, width), and last those of the final one, (n_train + n_test, width).
    """

    out_of_fold: FloatArray
    in_sample: FloatArray
    held_out: FloatArray
    history: pd.DataFrame
    notes: tuple[str, ...]
    features: tuple[NDArray[np.float32], ...] = ()


def out_of_fold_training(
    crops: NDArray[np.uint8],
    y_true: NDArray[Any],
    folds: NDArray[Any],
    train_index: NDArray[Any],
    test_index: NDArray[Any],
    *,
    backbone: BackboneSettings,
    trainer: TrainerSettings,
    groups: NDArray[Any] | None = None,
    seed: int = 0,
    folder: Path | None = None,
    model_dir: Path | None = None,
    wants_features: bool = False,
    record: Record | None = None,
    log: Callable[[str], None] | None = None,
) -> FineTuned:
    """Fine-tune networks for every fold, and for the test rows.

    Parameters
    ----------
    crops
        (N, S, S) uint8.
    y_true
        (N,) outcomes 0 or 1; those of `test_index` are never read.
    folds
        (n_train,) fold of every training row, from 0, in the order of `train_index`.
    train_index, test_index
        Rows of `crops` to train on, and to predict (may be empty).
    backbone, trainer
        What is trained, and how.
    groups
        (N,) units (patients) that an inner fold keeps together; each row its own by default.
    seed
        Of heads, order, augmentation and dropout; each network draws from its own stream. On a
        CPU the same seed and `trainer.n_threads` give the same bytes.
    folder
        Where outputs and checkpoints lie, so that a killed call can be repeated and goes on; by
        default they are temporary.
    model_dir
        Where the final networks are kept, see `load_fine_tuned`; None keeps none.
    wants_features
        Also return penultimate features.
    record
        Called with the losses of every epoch by name, and its number.
    log
        Called with one line a network.

    Raises
    ------
    BadConfig
        If an argument or the accelerator cannot be used, or training diverges.
    LeakageError
        If a row is both trained on and tested.
    NotEstimable
        If the rows that a network trains on have one outcome only.
    """
    train_index, test_index = (np.asarray(i, dtype=np.int64) for i in (train_index, test_index))
    folds = np.asarray(folds)
    units = np.arange(len(crops)) if groups is None else np.asarray(groups)
    _check(backbone, trainer, crops, folds, train_index, test_index)
    if wants_features:
        _check_features(trainer)
    with tempfile.TemporaryDirectory() as temporary:
        of = Material(
            crops, y_true, units, backbone, trainer, seed, folder or Path(temporary), model_dir,
            record,
        )  # fmt: skip
        plan = _Plan(of, folds, train_index, test_index, wants_features)
        outputs = _train(plan.jobs(), of, log)
        return _assemble(plan, outputs)


@dataclass(frozen=True)
class _Plan:
    """Which networks there are."""

    of: Material
    folds: NDArray[Any]
    train_index: IntArray
    test_index: IntArray
    wants_features: bool

    @property
    def everybody(self) -> IntArray:
        """Training rows, then test rows."""
        return np.concatenate([self.train_index, self.test_index])

    @property
    def averages_folds(self) -> bool:
        """Whether the folds' networks judge the test rows."""
        return self.of.trainer.refit == "folds"

    def jobs(self) -> list[Job]:
        """Return the networks of every fold, and of all training rows, in order."""
        names = [int(name) for name in np.unique(self.folds)]
        jobs = [job for name in names for job in self._of_fold(name)]
        if not self.averages_folds:
            jobs += self._of_all()
        return jobs

    def _of_fold(self, fold: int) -> list[Job]:
        is_judged = self.folds == fold
        judged = self.train_index[is_judged]
        predicted = self.everybody if self.averages_folds else judged
        if self.wants_features:
            predicted = self.train_index
        keeps = self.averages_folds or self.of.trainer.keep == "all"
        return self._networks(fold, self.train_index[~is_judged], judged, predicted, keeps)

    def _of_all(self) -> list[Job]:
        nobody = self.train_index[:0]
        return self._networks(REFIT, self.train_index, nobody, self.everybody, True)

    def _networks(
        self, fold: int, learned: IntArray, judged: IntArray, predicted: IntArray, keeps: bool
    ) -> list[Job]:
        return [
            plan_job(
                self.of, learned, judged, fold=fold, number=number, predicted=predicted,
                wants_features=self.wants_features, is_kept=keeps,
            )
            for number in range(self.of.trainer.n_seeds)
        ]  # fmt: skip


def _train(
    jobs: Sequence[Job], of: Material, log: Callable[[str], None] | None
) -> list[tuple[Job, Output]]:
    """Return every job with its output; what is finished already is not trained again."""
    missing = [job for job in jobs if not is_finished(Places.of(job, of))]
    if log and len(missing) < len(jobs):
        log(f"{len(jobs) - len(missing)} of {len(jobs)} networks are trained already")
    run_jobs(missing, of, log=log)
    outputs = [(job, read_output(Places.of(job, of).output)) for job in jobs]
    if not all(np.isfinite(output.logits).all() for _, output in outputs):
        raise BadConfig(
            f"training of {of.backbone.name} must converge, found probabilities that are not "
            "finite; lower trainer.learning_rate"
        )
    return outputs


def _assemble(plan: _Plan, outputs: Sequence[tuple[Job, Output]]) -> FineTuned:
    """Return probabilities from logits: averaged over seeds, tempered, moved to one prevalence."""
    signatures = _Signatures(plan, outputs)
    temperature = signatures.temperature()
    in_sample, held_out = signatures.final(temperature)
    if plan.of.model_dir is not None:
        _write_model(plan, outputs, signatures, temperature)
    features = [output.features for _, output in outputs] if plan.wants_features else []
    rows = [row for job, output in outputs for row in output.rows(job)]
    return FineTuned(
        out_of_fold=signatures.out_of_fold(),
        in_sample=in_sample,
        held_out=held_out,
        history=pd.DataFrame(rows).astype({"epoch": int}),
        notes=_notes(plan.of, temperature),
        features=tuple(features),
    )


class _Signatures:
    """Logits of every fold, with what turns them into probabilities."""

    def __init__(self, plan: _Plan, outputs: Sequence[tuple[Job, Output]]) -> None:
        self.plan = plan
        self.y_true = np.asarray(plan.of.y_true)[plan.train_index].astype(np.int64)
        self.names = [int(name) for name in np.unique(plan.folds)]
        self.job = {job.fold: job for job, _ in outputs}
        self.mean = {
            fold: np.mean([o.logits for j, o in outputs if j.fold == fold], axis=0)
            for fold in self.job
        }

    def shift(self, fold: int) -> float:
        """Log odds that move a fold's answers to the prevalence of all training rows."""
        trainer = self.plan.of.trainer
        return prevalence_shift(
            np.asarray(self.plan.of.y_true)[self.job[fold].learned].astype(np.int64),
            self.y_true,
            balanced=trainer.balance != "none",
            smoothing=trainer.label_smoothing,
        )

    def _judged(self, fold: int) -> FloatArray:
        """Logits of the fold's own rows."""
        job, of_fold = self.job[fold], self.plan.train_index[self.plan.folds == fold]
        place = {int(row): i for i, row in enumerate(job.predicted)}
        return np.asarray(self.mean[fold][[place[int(row)] for row in of_fold]])

    def temperature(self, without: int | None = None) -> float:
        """Temperature from out-of-fold logits; `without` leaves a fold out."""
        if not self.plan.of.trainer.temperature:
            return 1.0
        names = [name for name in self.names if name != without]
        rows = [self.plan.folds == name for name in names]
        return fit_temperature(
            np.concatenate([self._judged(name) for name in names]),
            np.concatenate(
                [np.full(r.sum(), self.shift(n)) for n, r in zip(names, rows, strict=True)]
            ),
            np.concatenate([self.y_true[r] for r in rows]),
        )

    def out_of_fold(self) -> FloatArray:
        """Probabilities (n_train,); a fold's own outcomes do not tune its temperature."""
        found = np.zeros(len(self.y_true))
        for name in self.names:
            judged = self._judged(name)
            found[self.plan.folds == name] = probabilities(
                judged, self.temperature(without=name), self.shift(name)
            )
        return found

    def final(self, temperature: float) -> tuple[FloatArray, FloatArray]:
        """Probabilities of the training rows and of the test rows by the final networks."""
        folds = self.names if self.plan.averages_folds else [REFIT]
        logits = [self.mean[fold] / temperature + self.shift(fold) for fold in folds]
        found = probabilities(np.mean(logits, axis=0), 1.0, 0.0)
        n_train = len(self.y_true)
        return found[:n_train], found[n_train:]


def _write_model(
    plan: _Plan,
    outputs: Sequence[tuple[Job, Output]],
    signatures: _Signatures,
    temperature: float,
) -> None:
    final = (lambda job: True) if plan.averages_folds else (lambda job: job.fold == REFIT)
    kept = [
        KeptNetwork(weights.name, job.fold, job.number, signatures.shift(job.fold), final(job))
        for job, weights in ((job, Places.of(job, plan.of).weights) for job, _ in outputs)
        if weights is not None
    ]
    write_model(plan.of, kept, temperature=temperature)


def _check(
    backbone: BackboneSettings,
    trainer: TrainerSettings,
    crops: NDArray[np.uint8],
    folds: NDArray[Any],
    train_index: IntArray,
    test_index: IntArray,
) -> None:
    check_name(backbone.name)
    check_crops(crops)
    shared = np.intersect1d(train_index, test_index)
    if shared.size:
        raise LeakageError(
            f"training and test rows must be disjoint, found {shared.size} in both; draw the "
            f"split again"
        )
    n_folds = np.unique(folds).size
    if folds.shape != train_index.shape or n_folds < 2 or folds.min() < 0:
        raise BadConfig(
            f"folds must give one of two or more folds, numbered from 0, to each of "
            f"{train_index.size} training rows, found {folds.size} rows in {n_folds} folds; "
            f"draw them again"
        )


def _check_features(trainer: TrainerSettings) -> None:
    if trainer.refit != "all" or trainer.n_seeds != 1:
        raise BadConfig(
            "backbone.mode=finetune_features needs one network a fold and one of all training "
            "rows, because features of different networks are not aligned; found trainer.refit="
            f"{trainer.refit} and trainer.n_seeds={trainer.n_seeds}; use all and 1"
        )


def _notes(of: Material, temperature: float) -> tuple[str, ...]:
    name, trainer = of.backbone.name, of.trainer
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
    note = resolve_weights(name, of.backbone.weights).note
    return (*notes, note) if note else tuple(notes)
