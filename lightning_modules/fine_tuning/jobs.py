"""Which networks a cross-fit trains, on which rows, and what each of them leaves in a file."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from her2.core.errors import NotEstimable
from her2.core.settings import BackboneSettings, TrainerSettings
from her2.core.store import content_key, write_atomic
from her2.models.splits import grouped_folds
from lightning_modules.backbones import describe_backbone
from lightning_modules.torch_runtime import version_of

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

REFIT = -1  # the fold number of the network that is fitted to all training rows
LOSSES = ("epoch", "train_loss", "val_loss", "inner_loss")
_NO_EFFECT = ("keep",)  # settings of the trainer that change no number
_SOURCES = (
    "backbones.py", "lightning_trainer.py", "torch_runtime.py", "weights.py", "fine_tuning/*.py",
    "networks/*.py",
)  # fmt: skip
_PACKAGES = ("torch", "timm", "torchvision", "pytorch-lightning")

Record = Callable[[Mapping[str, float], int], None]


@dataclass(frozen=True)
class TrainingTask:
    """Data and settings that all networks of a cross-fit have in common.

    Attributes
    ----------
    crops
        (N, S, S) uint8.
    y_true
        (N,) outcomes 0 or 1; those of held-out rows are never read.
    groups
        (N,) patients, whose rows an inner fold keeps together.
    backbone, trainer
        What is trained, and how.
    seed
        Of heads, order, augmentation and dropout; each network draws from its own stream. On a
        CPU the same seed and `trainer.n_threads` give the same bytes.
    folder
        Where outputs and checkpoints are written; an interrupted call can be repeated and
        resumes. File names contain a hash of what made them, so tasks can share a folder.
    model_dir
        Where kept networks are written, see `load_fine_tuned`; None keeps none.
    record
        Called with the losses of every epoch by name, and the number of the epoch.
    """

    crops: NDArray[np.uint8]
    y_true: NDArray[Any]
    groups: NDArray[Any]
    backbone: BackboneSettings
    trainer: TrainerSettings
    seed: int
    folder: Path
    model_dir: Path | None = None
    record: Record | None = None

    @property
    def outcomes(self) -> IntArray:
        """Outcomes (N,) as integers; to be read where every row may be learned from."""
        return np.asarray(self.y_true).astype(np.int64)

    @cached_property
    def described(self) -> list[Any]:
        """What determines every network beside its rows, as JSON."""
        backbone = self.backbone
        names = ("name", "image_size", "in_chans", "normalisation")
        network = {name: getattr(backbone, name) for name in names}
        trainer = {k: v for k, v in asdict(self.trainer).items() if k not in _NO_EFFECT}
        weights = describe_backbone(backbone, seed=self.seed)
        return [network, trainer, weights, self.seed, version_of(_SOURCES, _PACKAGES)]


@dataclass(frozen=True)
class Job:
    """A network to train; rows are numbers of crops.

    Attributes
    ----------
    fold
        That it is not trained on; `REFIT` for none.
    number
        Of the networks that differ in their seed alone.
    learned
        Rows that it learns from.
    judged
        Rows of its fold, whose loss is recorded and decides nothing.
    inner
        Rows that may stop it.
    predicted
        Rows that it predicts.
    wants_features
        Whether it gives the features of these rows as well.
    is_kept
        Whether its weights are kept.
    """

    fold: int
    number: int
    learned: IntArray
    judged: IntArray
    inner: IntArray
    predicted: IntArray
    wants_features: bool = False
    is_kept: bool = False

    @property
    def title(self) -> str:
        """Name for people."""
        fold = "all training rows" if self.fold == REFIT else f"fold {self.fold + 1}"
        return f"{fold}, network {self.number + 1}"

    @property
    def stem(self) -> str:
        """Name for files."""
        fold = "all" if self.fold == REFIT else f"fold{self.fold}"
        return f"{fold}-network{self.number}"

    def key(self, task: TrainingTask) -> str:
        """Content address of the job: same key, same output."""
        rows = [
            part
            for index in (self.learned, self.inner, self.judged)
            for part in (task.crops[index], np.asarray(task.y_true)[index].astype(np.float64))
        ]
        own = [self.fold, self.number, self.wants_features]
        return content_key([*task.described, *own, *rows, task.crops[self.predicted]])


def plan_jobs(
    task: TrainingTask, training: IntArray, judged: IntArray, *, fold: int, **wanted: Any
) -> list[Job]:
    """Return a fold's `n_seeds` jobs; an inner fold that may stop its networks is set aside.

    training, judged: rows outside and inside the fold. wanted: further fields of the `Job`.
    """
    inner = np.zeros(len(training), dtype=bool)
    y_true = np.asarray(task.y_true)[training].astype(np.int64)
    if task.trainer.patience:
        inner_fold = grouped_folds(
            y_true, task.groups[training], n_folds=task.trainer.inner_folds, seed=task.seed,
            name=f"inner {fold}", setting="trainer.inner_folds",
        )  # fmt: skip
        inner = inner_fold == 0
    n_rows, n_positive = int((~inner).sum()), int(y_true[~inner].sum())
    if n_positive in (0, n_rows):
        raise NotEstimable(
            f"a network needs both outcomes to train on, found {n_positive} positives among "
            f"{n_rows} rows; use fewer folds"
        )
    rows = (training[~inner], judged, training[inner])
    return [Job(fold, number, *rows, **wanted) for number in range(task.trainer.n_seeds)]


@dataclass(frozen=True)
class JobOutput:
    """Output of a trained network.

    Attributes
    ----------
    logits
        (n_predicted,).
    features
        (n_predicted, width) float32, or (0, 0).
    losses
        (n_epochs, 4), columns `LOSSES`; NaN where a network has no such rows.
    """

    logits: FloatArray
    features: NDArray[np.float32]
    losses: FloatArray

    def rows(self, job: Job) -> list[dict[str, Any]]:
        """Return the history of the network, one row an epoch."""
        return [
            {"fold": job.fold, "network": job.number, **dict(zip(LOSSES, row, strict=True))}
            for row in self.losses.tolist()
        ]

    @property
    def summary(self) -> str:
        """Losses of the last epoch as a sentence."""
        epoch, train, judged, _ = self.losses[-1]
        also = "" if np.isnan(judged) else f", judged loss {judged:.3f}"
        return f"training loss {train:.3f}{also} after {epoch:.0f} epochs"


@dataclass(frozen=True)
class JobFiles:
    """Files of a job; their names contain its key, so that no other job's files are taken.

    Attributes
    ----------
    output
        What `write_output` writes.
    checkpoint
        State of the training while it runs.
    weights
        The network, None if it is not kept.
    key
        `Job.key`.
    """

    output: Path
    checkpoint: Path
    weights: Path | None
    key: str

    @classmethod
    def of(cls, job: Job, task: TrainingTask) -> JobFiles:
        """Return the files of a job."""
        key = job.key(task)
        stem = f"{job.stem}-{key[:16]}"
        kept = task.model_dir if job.is_kept else None
        weights = None if kept is None else kept / f"deep_learning-{job.stem}.safetensors"
        return cls(task.folder / f"{stem}.npz", task.folder / f"{stem}.ckpt", weights, key)


def write_output(path: Path, output: JobOutput) -> None:
    """Write an output, whole or not at all."""
    buffer = io.BytesIO()
    np.savez(buffer, logits=output.logits, features=output.features, losses=output.losses)
    write_atomic(path, buffer.getvalue())


def read_output(path: Path) -> JobOutput:
    """Read an output."""
    with np.load(path, allow_pickle=False) as content:
        return JobOutput(content["logits"], content["features"], content["losses"])
