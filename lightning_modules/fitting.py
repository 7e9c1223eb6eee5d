"""One network from its rows to its file; a fit that was killed goes on from its last epoch."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytorch_lightning as pl
import torch
from numpy.typing import NDArray
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, distributed, nn

from her2.core.errors import BadConfig
from her2.core.settings import TrainerSettings
from lightning_modules.augmentation import AUGMENTATIONS
from lightning_modules.backbones import Backbone, build_backbone
from lightning_modules.classifier import SMALL_BATCH, LesionClassifier, Recipe
from lightning_modules.data import LesionDataModule, Shuffling, as_rows, child_seed
from lightning_modules.interrupting import interruptible
from lightning_modules.jobs import REFIT, Job, Material, Output, Places, write_output
from lightning_modules.prediction import Predictor
from lightning_modules.reproducible import seeded
from lightning_modules.temperature import learned_log_odds
from lightning_modules.trainer import EpochEnd, partial_of, quiet_trainer, resolved_precision


def is_finished(places: Places) -> bool:
    """Whether a job's output is there, and its weights where they are kept."""
    if not places.output.is_file():
        return False
    if places.weights is None:
        return True
    return places.weights.is_file() and _key_of(places.weights) == places.key


def _key_of(weights: Path) -> str | None:
    with safe_open(weights, framework="pt") as content:
        return (content.metadata() or {}).get("key")


def run_job(
    job: Job,
    of: Material,
    *,
    is_shared: bool = False,
    advance: Callable[[int], None] = lambda epoch: None,
) -> None:
    """Train a network and write its output; from its checkpoint, if there is one.

    Parameters
    ----------
    job, of
        What is trained.
    is_shared
        Whether this process is one of several that train the network together; the first of them
        writes.
    advance
        Called with the number of epochs that are done.
    """
    places = Places.of(job, of)
    of.folder.mkdir(parents=True, exist_ok=True)
    try:
        _fit_and_write(job, of, places, is_shared, advance)
    finally:
        gc.collect()  # Lightning's trainer and module hold each other: the network would stay


def _fit_and_write(
    job: Job, of: Material, places: Places, is_shared: bool, advance: Callable[[int], None]
) -> None:
    module = fit_network(job, of, places.checkpoint, is_shared=is_shared, advance=advance)
    if is_shared:
        check_agreement(module.network, module.trainer.strategy.root_device)
    if module.global_rank:
        return
    network = module.finish()
    output = _predict(network, module, job, of)
    if places.weights is not None:
        save_network(places.weights, network, key=places.key)
    write_output(places.output, output)
    for left in (places.checkpoint, partial_of(places.checkpoint)):
        left.unlink(missing_ok=True)


def fit_network(
    job: Job,
    of: Material,
    checkpoint: Path,
    *,
    is_shared: bool = False,
    advance: Callable[[int], None] = lambda epoch: None,
) -> LesionClassifier:
    """Return the classifier after its last epoch."""
    seed = child_seed(of.seed, job.fold - REFIT, job.number)
    train = as_rows(of.crops, of.y_true, job.learned)
    watched = {"judged": job.judged, "inner": job.inner}
    watched = {name: rows for name, rows in watched.items() if len(rows)}
    settings = of.trainer
    data = LesionDataModule(
        train,
        [as_rows(of.crops, of.y_true, rows) for rows in watched.values()],
        batch_size=settings.batch_size,
        shuffling=Shuffling(
            seed, AUGMENTATIONS[settings.augmentation], balanced=settings.balance == "sampler"
        ),
    )
    module: LesionClassifier = LesionClassifier(
        _backbone(of, seed), _recipe(of, train[1], tuple(watched), seed)
    ).train()
    _check_batches(module, len(job.learned), settings)
    end = EpochEnd(checkpoint, lambda fitted: _tell(fitted, job, of, advance))
    fit = _fit_trainer(of, end, bool(watched), is_shared)
    with seeded(seed), fit as trainer, interruptible():
        start = str(checkpoint) if checkpoint.is_file() else None
        trainer.fit(module, datamodule=data, ckpt_path=start, weights_only=True)
    return module


def check_agreement(network: nn.Module, device: torch.device) -> None:
    """Raise RuntimeError unless all processes ended with the same weights, to the last bit.

    device: over which they talk; Lightning has taken the network off it.
    """
    sums = [parameter.detach().double().sum() for parameter in network.parameters()]
    own = torch.stack(sums).to(device)
    lowest, highest = own.clone(), own.clone()
    distributed.all_reduce(lowest, op=distributed.ReduceOp.MIN)
    distributed.all_reduce(highest, op=distributed.ReduceOp.MAX)
    if not torch.equal(lowest, highest):
        raise RuntimeError("processes that trained a network together have other weights each")


@contextmanager
def _fit_trainer(
    of: Material, end: EpochEnd, watches: bool, is_shared: bool
) -> Iterator[pl.Trainer]:
    with quiet_trainer(
        of.trainer, watches=watches, callbacks=[end], is_shared=is_shared
    ) as trainer:
        yield trainer


def _tell(
    module: LesionClassifier, job: Job, of: Material, advance: Callable[[int], None]
) -> None:
    loss = module.losses[-1]
    advance(loss.epoch)
    if of.record is not None:
        named = {"train_loss": loss.train, "val_loss": loss.judged, "inner_loss": loss.inner}
        prefix = f"training/{job.stem}"
        found = {f"{prefix}/{k}": float(v) for k, v in named.items() if v is not None}
        of.record(found, loss.epoch)


def _backbone(of: Material, seed: int) -> Backbone:
    return build_backbone(
        of.backbone.name,
        weights=of.backbone.weights,
        num_classes=1,
        in_chans=of.backbone.in_chans,
        drop_rate=of.trainer.dropout,
        image_size=of.backbone.image_size,
        normalisation=of.backbone.normalisation,
        seed=seed,
    )


def _recipe(of: Material, y_true: Tensor, watches: tuple[str, ...], seed: int) -> Recipe:
    settings = of.trainer
    is_pretrained = of.backbone.weights != "none"
    n_positive = float((y_true == 1).sum())
    recipe = Recipe(
        image_size=of.backbone.image_size,
        learning_rate=settings.learning_rate,
        weight_decay=settings.weight_decay,
        warmup=settings.warmup,
        label_smoothing=settings.label_smoothing,
        ema=settings.ema,
        freezes_batch_norm=is_pretrained and _on_a_device(settings) <= SMALL_BATCH,
        watches=watches,
        patience=settings.patience,
        first_logit=learned_log_odds(
            y_true.numpy(),
            balanced=settings.balance != "none",
            smoothing=settings.label_smoothing,
        ),
        compiles=settings.compile,
        seed=seed,
    )
    if is_pretrained:
        recipe = replace(recipe, layer_decay=settings.layer_decay)
    if settings.balance == "weights":
        recipe = replace(recipe, positive_weight=(len(y_true) - n_positive) / n_positive)
    return recipe


def _check_batches(module: LesionClassifier, n_rows: int, settings: TrainerSettings) -> None:
    """Refuse batches of one row where a network learns from the statistics of a batch."""
    n_batches = -(-n_rows // settings.batch_size)
    smallest = int(_on_a_device(replace(settings, batch_size=n_rows // n_batches)))
    has_batch_norm = any(isinstance(m, nn.BatchNorm1d | nn.BatchNorm2d) for m in module.modules())
    if smallest < 2 and has_batch_norm and not module.recipe.freezes_batch_norm:
        raise BadConfig(
            f"trainer.batch_size must give every device two rows or more, because the network "
            f"has batch norm and random weights; found {settings.batch_size} for {n_rows} rows; "
            f"set it to 4 or more"
        )


def _on_a_device(settings: TrainerSettings) -> float:
    """Rows of a batch on each of the devices that share it."""
    return settings.batch_size / (settings.devices if settings.strategy == "ddp" else 1)


def _predict(network: nn.Module, module: LesionClassifier, job: Job, of: Material) -> Output:
    device = module.trainer.strategy.root_device
    predictor = Predictor(
        module.normalisation,
        image_size=of.backbone.image_size,
        batch_size=of.trainer.batch_size,
        device=device,
        in_bf16=resolved_precision(of.trainer) == "bf16-mixed",
        mirrors=of.trainer.test_time_augmentation,
        n_threads=of.trainer.n_threads,
    )
    crops = of.crops[job.predicted]
    features = np.zeros((0, 0), dtype=np.float32)
    network.to(device)
    if job.wants_features:
        features = predictor.features(network, crops)
    logits = predictor.logits(network, crops)
    return Output(logits, features, _losses(module))


def _losses(module: LesionClassifier) -> NDArray[np.float64]:
    """Return the losses of every epoch, (n_epochs, 4)."""
    rows = [(loss.epoch, loss.train, loss.judged, loss.inner) for loss in module.losses]
    return np.array([[np.nan if v is None else v for v in row] for row in rows], dtype=np.float64)


def save_network(path: Path, network: nn.Module, *, key: str) -> None:
    """Write a network's weights as safetensors, whole or not at all."""
    state = {name: tensor.detach().cpu().contiguous() for name, tensor in
             network.state_dict().items()}  # fmt: skip
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = partial_of(path)
    save_file(state, partial, metadata={"key": key})
    partial.replace(path)
