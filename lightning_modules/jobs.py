"""Which networks a cross-fit trains, on which rows, and what each of them leaves in a file."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from her2.core.errors import NotEstimable
from her2.core.settings import BackboneSettings, TrainerSettings
from her2.core.store import code_version, content_key, write_atomic
from her2.models.splits import grouped_folds
from lightning_modules.backbones import describe_backbone

IntArray = NDArray[np.int64]

REFIT = -1  # the fold number of the network that is fitted to all training rows
LOSSES = ("epoch", "train_loss", "val_loss", "inner_loss")
_FREE = ("keep",)  # settings of the trainer that change no number
_SOURCES = (
    "augmentation.py", "backbones.py", "classifier.py", "data.py", "fitting.py", "jobs.py",
    "prediction.py", "reproducible.py", "temperature.py", "trainer.py", "weights.py",
)  # fmt: skip

Record = Callable[[Mapping[str, float], int], None]


@dataclass(frozen=True)
class Material:
    """What all networks of a cross-fit have in common.

    crops: (N, S, S) uint8; y_true: (N,), those of held-out rows are never read; groups: (N,)
    units that an inner fold keeps together; folder: where networks leave their outputs and
    checkpoints; model_dir: where kept networks go, None to keep none; record: told the losses of
    every epoch.
    """

    crops: NDArray[np.uint8]
    y_true: NDArray[Any]
    groups: IntArray
    backbone: BackboneSettings
    trainer: TrainerSettings
    seed: int
    folder: Path
    model_dir: Path | None = None
    record: Record | None = None

    @cached_property
    def described(self) -> list[Any]:
        """What determines every network beside its rows, as JSON."""
        backbone = asdict(self.backbone)
        network = {
            name: backbone[name] for name in ("name", "image_size", "in_chans", "normalisation")
        }
        trainer = {k: v for k, v in asdict(self.trainer).items() if k not in _FREE}
        weights = describe_backbone(
            self.backbone.name, self.backbone.weights, in_chans=self.backbone.in_chans,
            normalisation=self.backbone.normalisation, seed=self.seed,
        )  # fmt: skip
        return [network, trainer, weights, self.seed, _code_version()]


@lru_cache(maxsize=1)
def _code_version() -> str:
    here = Path(__file__).parent
    sources = [*(here / name for name in _SOURCES), *sorted((here / "networks").glob("*.py"))]
    return code_version(sources, ("torch", "timm", "torchvision", "pytorch-lightning"))


@dataclass(frozen=True)
class Job:
    """A network to train; rows are numbers of crops.

    fold: that it is not trained on, `REFIT` for none; number: of those that differ in their seed
    alone; learned: rows it learns from; judged: rows of its fold, whose loss is recorded and
    decides nothing; inner: rows that may stop it; predicted: rows it predicts;
    wants_features: whether it describes them as well; is_kept: whether its weights are.
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

    def key(self, of: Material) -> str:
        """Content address of what the job does: same key, same output."""
        rows = [
            part
            for index in (self.learned, self.inner, self.judged)
            for part in (of.crops[index], np.asarray(of.y_true)[index].astype(np.float64))
        ]
        own = [self.fold, self.number, self.wants_features]
        return content_key([*of.described, *own, *rows, of.crops[self.predicted]])


def plan_job(
    of: Material, training: IntArray, judged: IntArray, *, fold: int, number: int, **wanted: Any
) -> Job:
    """Return the job of a fold, with the inner fold that may stop its network set aside.

    training: rows outside the fold.

    Raises
    ------
    NotEstimable
        If the rows that the network would learn from have one outcome only.
    BadCohort
        If an outcome has fewer patients than inner folds.
    """
    inner = np.zeros(len(training), dtype=bool)
    y_true = np.asarray(of.y_true)[training].astype(np.int64)
    if of.trainer.patience:
        inner_fold = grouped_folds(
            y_true, of.groups[training], n_folds=of.trainer.inner_folds, seed=of.seed,
            name=f"inner {fold}", setting="trainer.inner_folds",
        )  # fmt: skip
        inner = inner_fold == 0
    n_rows, n_positive = int((~inner).sum()), int(y_true[~inner].sum())
    if n_positive in (0, n_rows):
        raise NotEstimable(
            f"a network needs both outcomes to train on, found {n_positive} positives among "
            f"{n_rows} rows; use fewer folds"
        )
    return Job(fold, number, training[~inner], judged, training[inner], **wanted)


@dataclass(frozen=True)
class Output:
    """What a trained network leaves.

    logits: (n_predicted,); features: (n_predicted, width) float32, or (0, 0); losses:
    (n_epochs, 4), columns `LOSSES`, NaN where a network has no such rows.
    """

    logits: NDArray[np.float64]
    features: NDArray[np.float32]
    losses: NDArray[np.float64]

    def rows(self, job: Job) -> list[dict[str, Any]]:
        """Return the history of the network."""
        return [
            {"fold": job.fold, "network": job.number, **dict(zip(LOSSES, row, strict=True))}
            for row in self.losses.tolist()
        ]

    @property
    def summary(self) -> str:
        """Last losses, for a person to read."""
        epoch, train, judged, _ = self.losses[-1]
        also = "" if np.isnan(judged) else f", judged loss {judged:.3f}"
        return f"training loss {train:.3f}{also} after {epoch:.0f} epochs"


@dataclass(frozen=True)
class Places:
    """Files of a job: its output, its checkpoint while it runs, its weights if they are kept."""

    output: Path
    checkpoint: Path
    weights: Path | None
    key: str

    @classmethod
    def of(cls, job: Job, material: Material) -> Places:
        """Return the places; their names hold the key, so that no file of another recipe fits."""
        key = job.key(material)
        stem = f"{job.stem}-{key[:16]}"
        kept = material.model_dir if job.is_kept else None
        weights = None if kept is None else kept / f"deep_learning-{job.stem}.safetensors"
        return cls(material.folder / f"{stem}.npz", material.folder / f"{stem}.ckpt", weights, key)


def write_output(path: Path, output: Output) -> None:
    """Write an output, whole or not at all."""
    buffer = io.BytesIO()
    np.savez(buffer, **{name: getattr(output, name) for name in ("logits", "features", "losses")})
    write_atomic(path, buffer.getvalue())


def read_output(path: Path) -> Output:
    """Read an output."""
    with np.load(path, allow_pickle=False) as content:
        return Output(content["logits"], content["features"], content["losses"])
