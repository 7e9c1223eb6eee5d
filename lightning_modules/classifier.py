"""Fine-tuning of a backbone to a binary outcome."""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import pytorch_lightning as pl
import torch
from timm.optim import param_groups_layer_decay
from torch import Tensor, nn
from torch.nn import functional

from lightning_modules.backbones import Backbone, network_input
from lightning_modules.data import Batch, child_seed

SMALL_BATCH = 16  # up to here a batch's own statistics are worse than the pretrained ones
KEPT = "her2"  # what a checkpoint holds beyond Lightning's own


@dataclass(frozen=True)
class EpochLoss:
    """Mean losses of an epoch (numbered from 1), None where there are no such rows.

    judged: of the fold that the network is judged on; inner: of the inner fold that may stop it.
    """

    epoch: int
    train: float
    judged: float | None
    inner: float | None = None


@dataclass(frozen=True)
class Recipe:
    """How a network is fitted; the settings of `trainer`, with what follows from rows and weights.

    positive_weight: of a positive lesion in the loss (a negative one has 1), whatever its label
    is smoothed to; first_logit: of every lesion before the first step, as near as the head comes;
    watches: names of the watched rows in order, ``judged`` and ``inner``; patience: epochs without
    a better inner loss, 0 for no limit; seed: of dropout.
    """

    image_size: int
    learning_rate: float
    positive_weight: float = 1.0
    first_logit: float = 0.0
    weight_decay: float = 0.05
    layer_decay: float = 1.0
    warmup: float = 0.1
    label_smoothing: float = 0.0
    ema: float = 0.0
    freezes_batch_norm: bool = False
    watches: tuple[str, ...] = ()
    patience: int = 0
    compiles: bool = False
    seed: int = 0


class LesionClassifier(pl.LightningModule):
    """A network with one logit, trained by cross-entropy.

    No step waits for the device: losses are summed there and read once an epoch. Every epoch
    draws dropout from a stream of its own, so that a resumed fit gives the same bytes.

    Parameters
    ----------
    backbone
        Network with a head of width 1.
    recipe
        How it is fitted.
    """

    def __init__(self, backbone: Backbone, recipe: Recipe) -> None:
        super().__init__()
        self.network = backbone.network
        _start_at(self.network, recipe.first_logit)
        self.normalisation = backbone.normalisation
        self.recipe = recipe
        self.averaged: nn.Module | None = _frozen_copy(self.network) if recipe.ema else None
        self.losses: list[EpochLoss] = []
        self.best: dict[str, Tensor] | None = None  # weights at the lowest inner loss
        self.positive_weight: Tensor
        self.register_buffer(
            "positive_weight", torch.tensor(recipe.positive_weight), persistent=False
        )
        self._sums: dict[str, Tensor] = {}
        self._counts: dict[str, int] = {}
        # in a tuple, so that it is no second module whose weights are saved as well
        self._run = (torch.compile(self.network) if recipe.compiles else self.network,)
        self._pairs: tuple[list[Tensor], list[Tensor]] = ([], [])

    @property
    def judge(self) -> nn.Module:
        """The network whose predictions count: that of the averaged weights, if they are kept."""
        found: nn.Module = self.network if self.averaged is None else self.averaged
        return found

    def forward(self, crops: Tensor) -> Tensor:
        """Logits (B,) of crops (B, 1, S, S) with grey levels 0 to 255."""
        return self._logits(self._run[0] if self.training else self.judge, crops)

    def _logits(self, network: Any, crops: Tensor) -> Tensor:
        images = network_input(crops, self.normalisation, self.recipe.image_size)
        logits: Tensor = network(images)[:, 0]
        return logits

    def on_train_start(self) -> None:
        """Pair averaged weights and statistics with their sources, where they now lie."""
        if self.averaged is not None:
            self._pairs = floating_pairs(self.averaged, self.network)

    def on_train_epoch_start(self) -> None:
        """Draw from the epoch's own stream, and hold batch norm where it is frozen."""
        torch.manual_seed(child_seed(self.recipe.seed, self.current_epoch, self.global_rank))
        self._sums, self._counts = {}, {}
        if self.recipe.freezes_batch_norm:
            for module in self.modules():
                if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
                    module.eval()

    def _losses(self, batch: Batch, *, smoothing: float = 0.0) -> Tensor:
        """Loss of every row of a batch, (B,)."""
        target = batch.y_true * (1 - smoothing) + smoothing / 2
        weight = torch.lerp(torch.ones_like(batch.y_true), self.positive_weight, batch.y_true)
        return functional.binary_cross_entropy_with_logits(
            self(batch.crops), target, weight, reduction="none"
        )

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Loss of a batch; devices that share it add up to its mean."""
        losses = self._losses(batch, smoothing=self.recipe.label_smoothing)
        self._add("train", losses)
        loss: Tensor = losses.sum() * (batch.share * self.trainer.world_size)
        return loss

    def on_train_batch_end(self, outputs: Any, batch: Batch, batch_idx: int) -> None:
        """Move the averaged weights towards those of this step."""
        if self.averaged is not None:
            decay = min(self.recipe.ema, (1 + self.global_step) / (10 + self.global_step))
            with torch.no_grad():
                torch._foreach_lerp_(*self._pairs, 1 - decay)

    def validation_step(self, batch: Batch, batch_idx: int, dataloader_idx: int = 0) -> None:
        """Add to the loss of watched rows; those of the judged fold decide nothing."""
        self._add(self.recipe.watches[dataloader_idx], self._losses(batch))

    def _add(self, name: str, losses: Tensor) -> None:
        total = losses.detach().sum()
        self._sums[name] = self._sums[name] + total if name in self._sums else total
        self._counts[name] = self._counts.get(name, 0) + len(losses)

    def on_train_epoch_end(self) -> None:
        """Keep the epoch's losses, and the best weights where an inner fold may stop the fit."""
        means = {name: self._mean(name) for name in ("train", *self.recipe.watches)}
        loss = EpochLoss(
            self.current_epoch + 1, means["train"], means.get("judged"), means.get("inner")
        )
        self.losses.append(loss)
        if loss.inner is not None:
            self._stop_or_keep()

    def _mean(self, name: str) -> float:
        """Mean loss over all rows and devices: the epoch's one look at the device."""
        pair = torch.stack([self._sums[name].double(), self._counted(name)])
        total, count = self.trainer.strategy.reduce(pair, reduce_op="sum").tolist()
        return float(total / count)

    def _counted(self, name: str) -> Tensor:
        return torch.tensor(self._counts[name], dtype=torch.float64, device=self.device)

    def _stop_or_keep(self) -> None:
        inner = [loss.inner for loss in self.losses if loss.inner is not None]
        best = inner.index(min(inner))
        if best == len(inner) - 1:
            self.best = {k: v.detach().clone() for k, v in self.judge.state_dict().items()}
        elif len(inner) - 1 - best >= self.recipe.patience:
            self.trainer.should_stop = True

    def finish(self) -> nn.Module:
        """Return the fitted network in evaluation mode: the best, the averaged or the last."""
        network = self.judge
        if self.best is not None:
            network.load_state_dict(self.best)
        return network.eval()

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add losses and best weights."""
        checkpoint[KEPT] = {"losses": [asdict(loss) for loss in self.losses], "best": self.best}

    def on_load_checkpoint(self, checkpoint: Mapping[str, Any]) -> None:
        """Take losses and best weights back."""
        kept = checkpoint[KEPT]
        self.losses = [EpochLoss(**loss) for loss in kept["losses"]]
        self.best = kept["best"]

    def configure_optimizers(self) -> dict[str, Any]:
        """AdamW with layer decay, and a warm-up and cosine that advance every step."""
        recipe = self.recipe
        spared: Any = getattr(self.network, "no_weight_decay", set)()
        groups = param_groups_layer_decay(
            self.network,
            weight_decay=recipe.weight_decay,
            no_weight_decay_list=spared,
            layer_decay=recipe.layer_decay,
        )
        for group in groups:
            group["lr"] = recipe.learning_rate * group.pop("lr_scale")
        optimizer = torch.optim.AdamW(groups, lr=recipe.learning_rate, fused=True)
        n_steps = int(self.trainer.estimated_stepping_batches)
        n_warmup = max(round(recipe.warmup * n_steps), 1)
        schedule = torch.optim.lr_scheduler.LambdaLR(
            optimizer, lambda step: warmup_cosine(step, n_warmup, n_steps)
        )
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": schedule, "interval": "step"},
        }


def _start_at(network: Any, logit: float) -> None:
    """Set the intercept of the head, or of all heads that are averaged."""
    found = network.get_classifier()
    for head in found if isinstance(found, tuple | list) else (found,):
        if isinstance(getattr(head, "bias", None), Tensor):
            nn.init.constant_(head.bias, logit)


def _frozen_copy(network: nn.Module) -> nn.Module:
    return copy.deepcopy(network).requires_grad_(False).eval()


def floating_pairs(averaged: nn.Module, network: nn.Module) -> tuple[list[Tensor], list[Tensor]]:
    """Return weights and running statistics of two equal networks, in one order.

    Counters are left out: nothing reads those of an averaged network.
    """
    pairs = zip(averaged.state_dict().values(), network.state_dict().values(), strict=True)
    floating = [(old, new) for old, new in pairs if old.is_floating_point()]
    return [old for old, _ in floating], [new for _, new in floating]


def warmup_cosine(step: int, n_warmup: int, n_steps: int) -> float:
    """Share of the learning rate at a step: a linear rise, then half a cosine down to 0.

    >>> [round(warmup_cosine(step, 2, 6), 3) for step in range(7)]
    [0.5, 1.0, 1.0, 0.854, 0.5, 0.146, 0.0]
    """
    if step < n_warmup:
        return (step + 1) / n_warmup
    done = (step - n_warmup) / max(n_steps - n_warmup, 1)
    return 0.5 * (1 + math.cos(math.pi * min(done, 1.0)))
