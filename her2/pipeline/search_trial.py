"""Trials of a search: training patients alone, evaluated by cross-validation among them.

Everything here begins with `open_training`, which returns a run of the training patients only:
their lesions, features and outcomes. What a trial computes cannot depend on a test patient,
because there is none in its run.
"""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, is_dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from her2.core.errors import BadCohort, BadConfig, NotEstimable
from her2.core.run_folder import RunFolder
from her2.core.settings import StudySettings, check_rules
from her2.core.types import Cohort
from her2.models.classifiers import rank_auc
from her2.models.nested_cv import TrainingSet
from her2.models.splits import Split
from her2.pipeline.load_cohort import attention, frozen_split, open_cohort, record_cohort
from her2.pipeline.run import OpenRun, cohort_of, training_set
from her2.stats import brier_score, integrated_calibration_index

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

METRICS = ("auc", "log_loss", "brier", "calibration")
BY_FOLD = ("auc", "log_loss", "brier")  # the others need more patients than a fold has

# numbers of a fold's training rows, and their probabilities by a model that has not seen them at
# the prevalence of all training rows, (n_fold,) each
Judged = tuple[IntArray, FloatArray]
# takes the number of a fold, its value, and the mean so far; True: the trial may stop
Report = Callable[[int, float, float], bool]


@dataclass(frozen=True)
class Request:
    """What a search asks of a trial.

    Attributes
    ----------
    metrics
        Among `METRICS`; the first one is reported by fold.
    report
        Takes the value of each fold, None where nothing may stop the trial.
    facts
        Hashes that the search began with.
    is_rehearsal
        Check settings and data, and fit nothing.
    """

    metrics: tuple[str, ...]
    report: Report | None = None
    facts: Mapping[str, str] = field(default_factory=dict)
    is_rehearsal: bool = False

    def __post_init__(self) -> None:
        unknown = [name for name in self.metrics if name not in METRICS]
        if unknown:
            raise BadConfig(
                f"expected hydra.sweeper.metrics among {', '.join(METRICS)}, found "
                f"{', '.join(unknown)}"
            )
        if self.report is not None and self.metrics[0] not in BY_FOLD:
            raise BadConfig(
                f"expected a metric among {', '.join(BY_FOLD)} for a pruner, which sees it fold "
                f"by fold, found {self.metrics[0]}; use hydra.sweeper.pruner=none"
            )


@dataclass(frozen=True)
class Answer:
    """Results of a trial.

    Attributes
    ----------
    state
        complete, pruned or ready (a rehearsal).
    values
        One for each metric.
    folds
        Values by metric and fold; the AUC is always among them.
    facts
        Hashes of the data and the split.
    """

    state: str
    values: tuple[float, ...] = ()
    folds: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    facts: Mapping[str, str] = field(default_factory=dict)


def cross_validate(folds: Iterable[Judged], training: TrainingSet, request: Request) -> Answer:
    """Return the metrics of models of all folds, or of fewer where the search stops the trial.

    Every fold is reported; the last one cannot stop the trial, which is complete then. folds: the
    folds of a repeat together, each made only when it is asked for. NotEstimable where a fold, or
    a repeat, does not determine a metric.
    """
    y_true, n_folds = training.y_true, training.n_folds
    n_steps = sum(training.repeat(r).n_folds for r in range(training.n_repeats))
    judged: list[Judged] = []
    names = dict.fromkeys([*request.metrics, "auc"])  # .5 in every fold: the model is constant
    scores: dict[str, list[float]] = {name: [] for name in names if name in BY_FOLD}
    for step, fold in enumerate(folds):
        judged.append(fold)
        for name, found in scores.items():
            found.append(metric(name, y_true[fold[0]], fold[1]))
        if request.report is not None:
            first = scores[request.metrics[0]]
            is_stopped = request.report(step, first[-1], float(np.mean(first)))
            if is_stopped and step + 1 < n_steps:
                return Answer("pruned", folds={k: tuple(v) for k, v in scores.items()})
    values = tuple(
        float(np.mean(scores[name] if name in scores else _pooled(name, y_true, judged, n_folds)))
        for name in request.metrics
    )
    return Answer("complete", values, {k: tuple(v) for k, v in scores.items()})


def metric(name: str, y_true: IntArray, probability: FloatArray) -> float:
    """Return a metric of probabilities (n,) of outcomes (n,).

    auc, .5 where all probabilities are equal; log_loss and brier, per patient; calibration: the
    mean distance of the predictions from a smooth curve of the outcome (ICI).

    Examples
    --------
    >>> metric("auc", np.array([0, 1, 1]), np.array([0.2, 0.3, 0.9]))
    1.0
    """
    if len(np.unique(y_true)) < 2:
        raise NotEstimable(
            f"expected both outcomes among the {len(y_true)} patients of a fold, found one; use "
            "fewer folds"
        )
    if name == "auc":
        return rank_auc(y_true, probability)
    if name == "brier":
        return float(brier_score(y_true, probability))
    if name == "calibration":
        return float(integrated_calibration_index(y_true, probability))
    eps = np.finfo(np.float64).eps
    inside = np.clip(probability.astype(np.float64), eps, 1 - eps)
    return float(-np.mean(np.log(np.where(y_true == 1, inside, 1 - inside))))


def open_training(command: str, settings: StudySettings, folder: Path) -> OpenRun:
    """Return a run of the training patients alone, with folds of its own.

    The cohort is read and verified as a whole and split as the study splits it; then all other
    patients are left out. The folds are not those on which the best trial is reported.
    """
    check_rules(command, settings)
    place = RunFolder(folder)
    folder.mkdir(parents=True, exist_ok=True)
    whole = open_cohort(settings, place)
    frozen = frozen_split(place, whole, settings)
    flow = record_cohort(place, whole, frozen)
    warning = attention(whole, settings.cohort.max_quarantine)
    patients, alone = only_training(whole, frozen), replace(frozen, test=(), external={})
    draws = [f"search {r}" for r in range(settings.evaluation.n_repeats)]
    training = training_set(patients, alone, settings, draws=draws)
    return OpenRun(command, settings.untracked(), place, patients, alone, training, flow, warning)


def only_training(cohort: Cohort, split: Split) -> Cohort:
    """Return a cohort without the lesions of the other roles: no row, no image, no outcome."""
    return replace(cohort_of(cohort, set(split.train)), thumbnails=None)


def checked_facts(run: OpenRun, expected: Mapping[str, str]) -> dict[str, str]:
    """Return what identifies a search's data; refuse data changed while the search went on.

    The split's hash is of training patients only.
    """
    facts = {
        "data_sha256": run.cohort.data_sha256,
        "training_sha256": run.split.sha256,
        "n_train": str(len(run.training.keys)),
        "simulated": str(run.cohort.simulated),
    }
    changed = [name for name, value in expected.items() if facts.get(name) != value]
    if changed:
        raise BadCohort(
            f"expected the data with which the search began, found another {changed[0]} "
            f"({expected[changed[0]][:12]} -> {facts.get(changed[0], 'none')[:12]}); give another "
            "hydra.sweeper.study_name for changed data"
        )
    return facts


class Remembered:
    """Results that this process has computed already, by the settings they depend on.

    Trials of a search differ in few settings; cohort, features and selected columns are the same.
    """

    def __init__(self, most: int = 128) -> None:
        self.most = most
        self._kept: OrderedDict[str, Any] = OrderedDict()

    def get(self, parts: Sequence[object], make: Callable[[], Any]) -> Any:
        """Return the earlier result of equal parts, else what `make` returns."""
        key = json.dumps([_plain(part) for part in parts], sort_keys=True, default=str)
        if key not in self._kept:
            self._kept[key] = make()
        self._kept.move_to_end(key)
        while len(self._kept) > self.most:
            self._kept.popitem(last=False)
        return self._kept[key]


def _plain(part: object) -> object:
    return asdict(part) if is_dataclass(part) and not isinstance(part, type) else part


def _pooled(name: str, y_true: IntArray, judged: Sequence[Judged], n_folds: int) -> list[float]:
    """Return a metric of all folds of each repeat together."""
    found = []
    for i in range(0, len(judged), n_folds):
        rows, probability = (np.concatenate(x) for x in zip(*judged[i : i + n_folds], strict=True))
        found.append(metric(name, y_true[rows], probability))
    return found
