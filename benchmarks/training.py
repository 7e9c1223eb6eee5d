"""Overhead of an epoch of fine-tuning, against a plain Lightning DataLoader loop.

Usage: python benchmarks/training.py [overhead|memory|gpu|gpu-rehearsal ...]   (default: overhead,
memory, and gpu where there is a CUDA device)

overhead: 147 images of 256 pixels, a network of one weight, so that what is timed is everything
but the network. The plain loop is that of a tutorial: a dataset that opens each image's file (PNG
of 400 x 500), crops, resizes and changes it with torchvision, and a DataLoader of 4 workers, or of
none; beside it the same with images that are cropped and in memory already. Runs alternate;
medians of an epoch after the first: wall seconds, and CPU seconds of all processes.
memory: the largest resident memory of a process that trains at 224 pixels, batches of 16.
gpu: 5 backbones x 5 folds, 50 epochs each, and the out-of-fold AUC: this project, the plain loop
(images in memory), and that loop tuned (workers that stay, pinned memory, channels_last, bf16,
nothing logged in a step). `gpu-rehearsal` runs the same lines on any machine, one network for one
epoch at 64 pixels; its numbers mean nothing.
"""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms import v2

from her2.core.settings import BackboneSettings, TrainerSettings
from her2.pipeline.cost import peak_memory_mb
from her2.stats.discrimination import auc
from lightning_modules.backbones import Backbone, Normalisation, build_backbone, network_input
from lightning_modules.fine_tuning.augmentation import AUGMENTATIONS
from lightning_modules.fine_tuning.classifier import LesionClassifier
from lightning_modules.fine_tuning.cross_fitting import FineTuned, out_of_fold_training
from lightning_modules.fine_tuning.data import LesionDataModule, Shuffling
from lightning_modules.fine_tuning.jobs import TrainingTask
from lightning_modules.lightning_trainer import EpochEnd, fine_tuning_trainer

N_IMAGES, SIDE, BATCH = 147, 256, 16
EPOCHS, TURNS = 8, 3
MEMORY_OF = ("resnet50", "vgg19", "crossformer_small")
MEMORY_LIMIT_GB = 6.0
BACKBONES = ("resnet50", "resnet101", "vgg19", "densenet121", "crossformer_small")
N_FOLDS = 5


class OneWeight(nn.Module):
    """A network whose time does not count."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(1, 1)

    def group_matcher(self, coarse: bool = False) -> dict[str, Any]:
        """Return timm's description of the layers: there is one."""
        return {"stem": r"^head"}

    def get_classifier(self) -> nn.Module:
        return self.head

    def forward(self, images: Tensor) -> Tensor:
        return self.head(images[:, :1, 0, 0])


def trivial() -> Backbone:
    normalisation = Normalisation((0.5,) * 3, (0.5,) * 3, SIDE)
    return Backbone(OneWeight(), normalisation, None)  # type: ignore[arg-type]


def cohort(side: int = SIDE) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (N_IMAGES, side, side), dtype=np.uint8), np.arange(N_IMAGES) % 2


class Images(Dataset[tuple[Tensor, Tensor]]):
    """Images in memory, each changed alone."""

    def __init__(self, crops: np.ndarray, y_true: np.ndarray) -> None:
        self.crops, self.y_true = torch.from_numpy(crops)[:, None], torch.from_numpy(y_true)
        self.change = v2.Compose(
            [
                v2.RandomAffine(degrees=7, translate=(0.1, 0.1), scale=(0.9, 1.1)),
                v2.RandomHorizontalFlip(),
                v2.ColorJitter(brightness=0.1, contrast=0.1),
            ]
        )

    def __len__(self) -> int:
        return len(self.y_true)

    def read(self, i: int) -> Tensor:
        return self.crops[i]

    def __getitem__(self, i: int) -> tuple[Tensor, Tensor]:
        image = self.change(self.read(i).repeat(3, 1, 1))  # grey as RGB, as tutorials have it
        return (image.float() / 255 - 0.5) / 0.5, self.y_true[i].float()


class Files(Images):
    """The same from files, as a plain loop has it: opened, cropped and resized every time."""

    def __init__(self, folder: Path, crops: np.ndarray, y_true: np.ndarray) -> None:
        super().__init__(crops, y_true)
        self.folder = folder
        speckle = np.random.default_rng(1)
        for i in range(len(y_true)):
            frame = speckle.integers(0, 256, (400, 500), dtype=np.uint8)
            Image.fromarray(frame).save(folder / f"{i}.png")

    def read(self, i: int) -> Tensor:
        with Image.open(self.folder / f"{i}.png") as frame:
            crop = frame.convert("L").crop((100, 50, 400, 350)).resize((SIDE, SIDE))
        return v2.functional.pil_to_tensor(crop)


class Plain(pl.LightningModule):
    """The module of a tutorial, which logs the loss in every step."""

    def __init__(self, network: nn.Module, *, logs: bool = True) -> None:
        super().__init__()
        self.network = network
        self.logs = logs

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        images, y_true = batch
        logits = self.network(images)[:, 0]
        loss = nn.functional.binary_cross_entropy_with_logits(logits, y_true)
        if self.logs:
            self.log("train_loss", loss, on_step=True, on_epoch=True)
        return loss

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.AdamW(self.parameters(), lr=3e-4, weight_decay=0.05)


def cpu_seconds() -> float:
    """CPU seconds of this process and of its workers that have ended."""
    return sum(os.times()[:4])


class Clock(pl.Callback):
    """Wall and CPU seconds of every epoch but the first."""

    def __init__(self) -> None:
        self.ends: list[tuple[float, float]] = []

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self.ends.append((perf_counter(), cpu_seconds()))

    def seconds(self) -> list[tuple[float, float]]:
        pairs = zip(self.ends, self.ends[1:], strict=False)
        return [(b[0] - a[0], b[1] - a[1]) for a, b in pairs]


def plain_epochs(images: Images, n_workers: int) -> list[tuple[float, float]]:
    clock = Clock()
    loader = DataLoader(images, batch_size=BATCH, shuffle=True, num_workers=n_workers)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        trainer = pl.Trainer(
            max_epochs=EPOCHS, accelerator="cpu", callbacks=[clock], logger=False,
            enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False,
        )  # fmt: skip
        trainer.fit(Plain(OneWeight()), loader)
    return clock.seconds()


class Ticking(EpochEnd):
    """The clock where the project's own callback stands; its checkpoint is not written."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self.clock.on_train_epoch_end(trainer, pl_module)


def own_epochs(epochs: int = EPOCHS) -> list[tuple[float, float]]:
    clock = Clock()
    crops, y_true = cohort()
    rows = torch.from_numpy(crops)[:, None], torch.from_numpy(y_true).float()
    shuffling = Shuffling(0, AUGMENTATIONS["default"])
    data = LesionDataModule(rows, [], batch_size=BATCH, shuffling=shuffling)
    settings = TrainerSettings(
        max_epochs=epochs, accelerator="cpu", n_threads=1, learning_rate=3e-4, ema=0.99,
        layer_decay=1.0,
    )  # fmt: skip
    module = LesionClassifier(trivial(), settings).train()
    with fine_tuning_trainer(settings, Ticking(clock), watches=False) as trainer:
        trainer.fit(module, datamodule=data)
    return clock.seconds()


def overhead() -> None:
    """Print seconds an epoch of the loops, and their ratios."""
    torch.set_num_threads(1)
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    with tempfile.TemporaryDirectory() as folder:
        files, in_memory = Files(Path(folder), *cohort()), Images(*cohort())
        ways = {
            "plain, 4 workers": lambda: plain_epochs(files, 4),
            "plain, no workers": lambda: plain_epochs(files, 0),
            "in memory, no workers": lambda: plain_epochs(in_memory, 0),
            "resident batches": own_epochs,
        }
        found: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
        for _ in range(TURNS):
            for name, way in ways.items():
                found[name] += way()
    wall, cpu = ({k: median(s[i] for s in v) for k, v in found.items()} for i in (0, 1))
    own = list(ways)[-1]
    print(f"overhead: {os.cpu_count()} cores, {N_IMAGES} images of {SIDE} px, batches of {BATCH}")
    for name in ways:
        ratios = f"{wall[name] / wall[own]:5.1f} x wall, {cpu[name] / cpu[own]:5.1f} x CPU"
        print(f"{name:>22s}: {wall[name]:.3f} s wall, {cpu[name]:.3f} s CPU; {ratios}")


def _trained(
    crops: np.ndarray,
    y_true: np.ndarray,
    folds: np.ndarray,
    backbone: BackboneSettings,
    trainer: TrainerSettings,
) -> FineTuned:
    """Train on the rows that have a fold; the others are held out."""
    rows = np.arange(len(crops))
    with tempfile.TemporaryDirectory() as folder:
        task = TrainingTask(crops, y_true, rows, backbone, trainer, 0, Path(folder))
        return out_of_fold_training(task, folds, rows[: len(folds)], rows[len(folds) :])


def train_at_224(name: str) -> None:
    """Train one epoch of two batches, and print the largest resident memory in GB."""
    rng = np.random.default_rng(0)
    crops = rng.integers(0, 256, (3 * BATCH, 224, 224), dtype=np.uint8)
    y_true, rows = np.arange(len(crops)) % 2, np.arange(2 * BATCH)
    trainer = TrainerSettings(max_epochs=1, batch_size=BATCH, accelerator="cpu")
    _trained(crops, y_true, rows // 2 % 2, BackboneSettings(name=name, weights="none"), trainer)
    print(peak_memory_mb() / 1024)


def memory() -> None:
    """Print what training takes at 224 pixels; fail above the limit."""
    print("memory: 224 px, batches of 16, averaged weights, CPU; largest resident set")
    worst = 0.0
    for name in MEMORY_OF:
        done = subprocess.run(
            [sys.executable, __file__, "--memory-of", name],
            check=True, capture_output=True, text=True,
        )  # fmt: skip
        gigabytes = float(done.stdout.splitlines()[-1])
        worst = max(worst, gigabytes)
        print(f"{name:>18s}: {gigabytes:.2f} GB")
    if worst >= MEMORY_LIMIT_GB:
        sys.exit(f"more than {MEMORY_LIMIT_GB:g} GB")


@dataclass(frozen=True)
class Course:
    """What is trained by every way of training."""

    backbones: tuple[str, ...] = BACKBONES
    epochs: int = 50
    side: int = 224
    accelerator: str = "gpu"


def gpu() -> None:
    """Print seconds of 5 backbones x 5 folds on a GPU, the three ways, and their AUCs."""
    if not torch.cuda.is_available():
        print("gpu: not measured, there is no CUDA device")
        return
    print(f"gpu: {torch.cuda.get_device_name()}")
    race(Course())


def rehearsal() -> None:
    """Run the lines of `gpu` where there is none."""
    print("rehearsal on a CPU: these numbers mean nothing")
    race(Course(("resnet50",), epochs=1, side=64, accelerator="cpu"))


def race(course: Course) -> None:
    """Print seconds and out-of-fold AUC of each way, backbone by backbone, and the ratios."""
    print(f"{course.epochs} epochs, {N_FOLDS} folds, {course.side} px, {N_IMAGES} images")
    crops, y_true = cohort(course.side)
    part = slice(course.side * 2 // 7, course.side * 5 // 7)
    crops[y_true == 1, part, part] //= 2  # something to learn
    ways = {"own": _own, "plain": partial(_loop, tuned=False), "tuned": partial(_loop, tuned=True)}
    totals = dict.fromkeys(ways, 0.0)
    for name in course.backbones:
        found = {way: train(name, crops, y_true, course) for way, train in ways.items()}
        for way, (seconds, _) in found.items():
            totals[way] += seconds
        shown = "; ".join(f"{way} {s:.1f} s, AUC {a:.3f}" for way, (s, a) in found.items())
        print(f"{name:>18s}: {shown}")
    ratios = ", ".join(f"{totals[way] / totals['own']:.1f} x {way}" for way in ("plain", "tuned"))
    print(f"{'all':>18s}: {totals['own']:.1f} s; as long as that: {ratios}")


def _own(name: str, crops: np.ndarray, y_true: np.ndarray, course: Course) -> tuple[float, float]:
    rows, start = np.arange(len(crops)), perf_counter()
    trainer = TrainerSettings(
        max_epochs=course.epochs, batch_size=BATCH, refit="folds", accelerator=course.accelerator
    )
    backbone = BackboneSettings(name=name, weights="none", image_size=course.side)
    found = _trained(crops, y_true, rows % N_FOLDS, backbone, trainer)
    return perf_counter() - start, auc(y_true, found.out_of_fold)


def _loop(
    name: str, crops: np.ndarray, y_true: np.ndarray, course: Course, *, tuned: bool
) -> tuple[float, float]:
    found, start = np.zeros(len(crops)), perf_counter()
    for fold in range(N_FOLDS):
        judged = np.arange(len(crops)) % N_FOLDS == fold
        found[judged] = _loop_fold(name, crops, y_true, judged, course, tuned=tuned)
    return perf_counter() - start, auc(y_true, found)


def _loop_fold(
    name: str,
    crops: np.ndarray,
    y_true: np.ndarray,
    judged: np.ndarray,
    course: Course,
    *,
    tuned: bool,
) -> np.ndarray:
    built = build_backbone(BackboneSettings(name=name, weights="none"), num_classes=1)
    kept: dict[str, Any] = {"persistent_workers": True, "pin_memory": True} if tuned else {}
    loader = DataLoader(
        Images(crops[~judged], y_true[~judged]), batch_size=BATCH, shuffle=True, num_workers=4,
        **kept,
    )  # fmt: skip
    has_gpu = course.accelerator == "gpu"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        trainer = pl.Trainer(
            max_epochs=course.epochs, accelerator=course.accelerator, devices=1, logger=False,
            precision="bf16-mixed" if tuned and has_gpu else "32-true",
            enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False,
        )  # fmt: skip
        layout = torch.channels_last if tuned else torch.contiguous_format
        module = Plain(built.network.to(memory_format=layout), logs=not tuned).train()
        trainer.fit(module, loader)
    network = module.network.eval().to("cuda" if has_gpu else "cpu")
    return np.concatenate(list(_plain_logits(network, built.normalisation, crops[judged])))


def _plain_logits(
    network: nn.Module, normalisation: Normalisation, crops: np.ndarray
) -> Iterator[np.ndarray]:
    device = next(network.parameters()).device
    expected = replace(normalisation, image_size=crops.shape[-1])
    with torch.inference_mode():
        for start in range(0, len(crops), BATCH):
            part = torch.from_numpy(crops[start : start + BATCH])[:, None].to(device)
            images = network_input(part, expected).float()
            yield network(images)[:, 0].cpu().numpy()


DEFAULT = {"overhead": overhead, "memory": memory, "gpu": gpu}
PARTS = {**DEFAULT, "gpu-rehearsal": rehearsal}


def main(arguments: list[str]) -> None:
    if arguments[:1] == ["--memory-of"]:
        train_at_224(arguments[1])
        return
    for name in arguments or DEFAULT:
        PARTS[name]()


if __name__ == "__main__":
    main(sys.argv[1:])
