"""Training of one network, from its rows to its files; an interrupted fit resumes."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import safe_open
from safetensors.torch import save
from torch import Tensor, distributed, nn

from her2.core.errors import BadConfig
from her2.core.settings import TrainerSettings
from her2.core.store import write_atomic
from lightning_modules.backbones import Normalisation, build_backbone, network_input, penultimate
from lightning_modules.fine_tuning.augmentation import AUGMENTATIONS
from lightning_modules.fine_tuning.classifier import SMALL_BATCH, LesionClassifier
from lightning_modules.fine_tuning.data import LesionDataModule, Shuffling, as_rows
from lightning_modules.fine_tuning.jobs import (
    LOSSES,
    REFIT,
    Job,
    JobFiles,
    JobOutput,
    TrainingTask,
    write_output,
)
from lightning_modules.fine_tuning.temperature import learned_log_odds
from lightning_modules.lightning_trainer import (
    EpochEnd,
    fine_tuning_trainer,
    partial_of,
    resolved_precision,
)
from lightning_modules.torch_runtime import child_seed, interruptible, seeded, torch_threads

Advance = Callable[[int], None]


def is_finished(files: JobFiles) -> bool:
    """Whether a job's output is there, and its weights where they are kept."""
    if not files.output.is_file():
        return False
    if files.weights is None:
        return True
    if not files.weights.is_file():
        return False
    with safe_open(files.weights, framework="pt") as content:
        return bool((content.metadata() or {}).get("key") == files.key)


def train_network(job: Job, task: TrainingTask, *, is_shared: bool, advance: Advance) -> None:
    """Train a network and write its output; from its checkpoint, if there is one.

    is_shared: whether this process is one of several that train the network together; the first
    of them writes. advance: called with the number of epochs that are done.
    """
    files = JobFiles.of(job, task)
    task.folder.mkdir(parents=True, exist_ok=True)
    is_first = not gc.get_freeze_count()
    if is_first:
        gc.freeze()  # what is there before costs the collection below nothing
    try:
        module = _fitted(job, task, files.checkpoint, is_shared=is_shared, advance=advance)
        if is_shared:
            check_agreement(module.network, module.trainer.strategy.root_device)
        if module.global_rank == 0:
            _write(module, job, task, files)
    finally:
        gc.collect()  # Lightning's trainer and module hold each other: the network would stay
        if is_first:
            gc.unfreeze()


def _write(module: LesionClassifier, job: Job, task: TrainingTask, files: JobFiles) -> None:
    network = module.finish()
    output = _output(network, module, job, task)
    if files.weights is not None:
        state = {k: v.detach().cpu().contiguous() for k, v in network.state_dict().items()}
        write_atomic(files.weights, save(state, metadata={"key": files.key}))
    write_output(files.output, output)
    for left in (files.checkpoint, partial_of(files.checkpoint)):
        left.unlink(missing_ok=True)


def _fitted(
    job: Job, task: TrainingTask, checkpoint: Path, *, is_shared: bool, advance: Advance
) -> LesionClassifier:
    """Return the classifier after its last epoch."""
    seed = child_seed(task.seed, job.fold - REFIT, job.number)
    settings = task.trainer
    train = as_rows(task.crops, task.y_true, job.learned)
    watched = {"val_loss": job.judged, "inner_loss": job.inner}
    watched = {name: rows for name, rows in watched.items() if len(rows)}
    data = LesionDataModule(
        train,
        [as_rows(task.crops, task.y_true, rows) for rows in watched.values()],
        batch_size=settings.batch_size,
        shuffling=Shuffling(
            seed, AUGMENTATIONS[settings.augmentation], balanced=settings.balance == "sampler"
        ),
    )
    module = _classifier(task, train[1], tuple(watched), seed)
    _check_batches(module, len(job.learned), settings)
    end = EpochEnd(checkpoint, lambda fitted: _report_epoch(fitted, job, task, advance))
    fit = fine_tuning_trainer(settings, end, watches=bool(watched), is_shared=is_shared)
    with seeded(seed), fit as trainer, interruptible():
        start = str(checkpoint) if checkpoint.is_file() else None
        trainer.fit(module, datamodule=data, ckpt_path=start, weights_only=True)
    return module


def check_agreement(network: nn.Module, device: torch.device) -> None:
    """Raise RuntimeError unless all processes ended with the same weights, to the last bit.

    Lightning has taken the network off the device over which the processes communicate.
    """
    sums = [parameter.detach().double().sum() for parameter in network.parameters()]
    own = torch.stack(sums).to(device)
    lowest, highest = own.clone(), own.clone()
    distributed.all_reduce(lowest, op=distributed.ReduceOp.MIN)
    distributed.all_reduce(highest, op=distributed.ReduceOp.MAX)
    if not torch.equal(lowest, highest):
        raise RuntimeError("processes that trained a network together have other weights each")


def _report_epoch(
    module: LesionClassifier, job: Job, task: TrainingTask, advance: Advance
) -> None:
    losses, epoch = module.losses[-1], len(module.losses)
    advance(epoch)
    if task.record is not None:
        told = ("train_loss", *module.watches)
        task.record({f"training/{job.stem}/{name}": losses[name] for name in told}, epoch)


def _classifier(
    task: TrainingTask, y_true: Tensor, watches: tuple[str, ...], seed: int
) -> LesionClassifier:
    settings = task.trainer
    is_pretrained = task.backbone.weights != "none"
    n_positive = float((y_true == 1).sum())
    weighs = settings.balance == "weights"
    module = LesionClassifier(
        build_backbone(task.backbone, num_classes=1, drop_rate=settings.dropout, seed=seed),
        settings if is_pretrained else replace(settings, layer_decay=1.0),
        positive_weight=(len(y_true) - n_positive) / n_positive if weighs else 1.0,
        first_logit=learned_log_odds(
            y_true.numpy(),
            balanced=settings.balance != "none",
            smoothing=settings.label_smoothing,
        ),
        freezes_batch_norm=is_pretrained
        and settings.batch_size / _n_sharing(settings) <= SMALL_BATCH,
        watches=watches,
        seed=seed,
    )
    module.train()
    return module


def _check_batches(module: LesionClassifier, n_rows: int, settings: TrainerSettings) -> None:
    """Refuse batches of one row where a network learns from the statistics of a batch."""
    n_batches = -(-n_rows // settings.batch_size)
    smallest = n_rows // n_batches // _n_sharing(settings)
    has_batch_norm = any(isinstance(m, nn.BatchNorm1d | nn.BatchNorm2d) for m in module.modules())
    if smallest < 2 and has_batch_norm and not module.freezes_batch_norm:
        raise BadConfig(
            f"trainer.batch_size must give every device two rows or more, because the network "
            f"has batch norm and random weights; found {settings.batch_size} for {n_rows} rows; "
            f"set it to 4 or more"
        )


def _n_sharing(settings: TrainerSettings) -> int:
    """Devices that share a batch."""
    return settings.devices if settings.strategy == "ddp" else 1


def _output(
    network: nn.Module, module: LesionClassifier, job: Job, task: TrainingTask
) -> JobOutput:
    device, settings = module.trainer.strategy.root_device, task.trainer
    predictor = Predictor(
        module.normalisation, settings.batch_size, device,
        in_bf16=resolved_precision(settings) == "bf16-mixed",
        mirrors=settings.test_time_augmentation, n_threads=settings.n_threads,
    )  # fmt: skip
    crops = task.crops[job.predicted]
    features = np.zeros((0, 0), dtype=np.float32)
    network.to(device)
    if job.wants_features:
        features = predictor.features(network, crops)
    losses = [[row[name] for name in LOSSES] for row in module.losses]
    return JobOutput(predictor.logits(network, crops), features, np.array(losses, np.float64))


@dataclass(frozen=True)
class Predictor:
    """How crops go through a fitted network, in batches.

    Attributes
    ----------
    normalisation
        Images that the network expects.
    batch_size
        Crops in a batch.
    device
        Where the network is.
    in_bf16
        Whether in mixed precision.
    mirrors
        Whether logits are averaged over a crop and its mirror image.
    n_threads
        Of torch on a CPU.
    """

    normalisation: Normalisation
    batch_size: int
    device: torch.device
    in_bf16: bool = False
    mirrors: bool = False
    n_threads: int = 1

    def logits(self, network: nn.Module, crops: NDArray[np.uint8]) -> NDArray[np.float64]:
        """Logits (n,) of crops (n, S, S); the network is in evaluation mode on `device`."""
        if len(crops) == 0:
            return np.zeros(0)
        with torch.inference_mode(), torch_threads(self.n_threads):
            parts = [self._logits(network, images) for images in self._batches(crops)]
            found: NDArray[np.float64] = torch.cat(parts).double().cpu().numpy()
        return found

    def features(self, network: Any, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Penultimate features (n, width) of crops (n, S, S)."""
        if len(crops) == 0:
            return np.zeros((0, int(network.head_hidden_size)), dtype=np.float32)
        with torch.inference_mode(), torch_threads(self.n_threads):
            parts = []
            for images in self._batches(crops):
                with self._precision():
                    parts.append(penultimate(network, images))
            found: NDArray[np.float32] = torch.cat(parts).float().cpu().numpy()
        return found

    def _batches(self, crops: NDArray[np.uint8]) -> Iterator[Tensor]:
        for start in range(0, len(crops), self.batch_size):
            part = np.ascontiguousarray(crops[start : start + self.batch_size])
            yield network_input(
                torch.from_numpy(part).to(self.device)[:, None], self.normalisation
            )

    def _logits(self, network: nn.Module, images: Tensor) -> Tensor:
        with self._precision():
            logits: Tensor = network(images)[:, 0].float()
            if self.mirrors:
                logits = (logits + network(images.flip(-1))[:, 0].float()) / 2
        return logits

    def _precision(self) -> AbstractContextManager[Any]:
        if not self.in_bf16:
            return nullcontext()
        return torch.autocast(self.device.type, dtype=torch.bfloat16)
