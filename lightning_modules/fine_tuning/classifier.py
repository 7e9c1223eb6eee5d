"""The classifier that Lightning trains: a backbone with one logit."""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping
from typing import Any

import pytorch_lightning as pl
import torch
from timm.optim import param_groups_layer_decay
from torch import Tensor, nn
from torch.nn import functional
from torch.optim.swa_utils import get_ema_multi_avg_fn

from her2.core.settings import TrainerSettings
from lightning_modules.backbones import Backbone, network_input
from lightning_modules.fine_tuning.data import Batch
from lightning_modules.fine_tuning.jobs import LOSSES
from lightning_modules.torch_runtime import child_seed, warmup_cosine

SMALL_BATCH = 16  # up to here a batch's own statistics are worse than the pretrained ones
OWN_STATE = "her2"  # key of what a checkpoint holds beyond Lightning's own


class LesionClassifier(pl.LightningModule):
    """A network with one logit, trained by cross-entropy.

    No step waits for the device: losses are summed there and read once an epoch. Every epoch
    draws dropout from a stream of its own, so that a resumed fit gives the same bytes.

    Parameters
    ----------
    backbone
        Network with a head of width 1.
    settings
        How it is fitted.
    positive_weight
        Of a positive lesion in the loss (a negative one has 1), also if labels are smoothed.
    first_logit
        Intercept of the head before the first step.
    freezes_batch_norm
        Whether the statistics of batch norm stay as they are.
    watches
        Those of `LOSSES` that are of further rows, in their order.
    seed
        Of dropout.
    """

    def __init__(
        self,
        backbone: Backbone,
        settings: TrainerSettings,
        *,
        positive_weight: float = 1.0,
        first_logit: float = 0.0,
        freezes_batch_norm: bool = False,
        watches: tuple[str, ...] = (),
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.network = backbone.network
        _start_at(self.network, first_logit)
        self.normalisation = backbone.normalisation
        self.settings = settings
        self.freezes_batch_norm = freezes_batch_norm
        self.watches = watches
        self.seed = seed
        self.averaged: nn.Module | None = None
        if settings.ema:
            self.averaged = copy.deepcopy(self.network).requires_grad_(False).eval()
        self.losses: list[dict[str, float]] = []  # of every epoch, by the names of `LOSSES`
        self.best: dict[str, Tensor] | None = None  # weights at the lowest inner loss
        self.positive_weight: Tensor
        self.register_buffer("positive_weight", torch.tensor(positive_weight), persistent=False)
        self._sums: dict[str, Tensor] = {}
        self._counts: dict[str, int] = {}
        # in a tuple, so that it is no second module whose weights are saved as well
        self._run = (torch.compile(self.network) if settings.compile else self.network,)
        self._pairs: tuple[list[Tensor], list[Tensor]] = ([], [])

    @property
    def judge(self) -> nn.Module:
        """The network that predicts: that of the averaged weights, if there is one."""
        return self.network if self.averaged is None else self.averaged

    def forward(self, crops: Tensor) -> Tensor:
        """Logits (B,) of crops (B, 1, S, S) with grey levels 0 to 255."""
        return self._logits(self._run[0] if self.training else self.judge, crops)

    def _logits(self, network: Any, crops: Tensor) -> Tensor:
        logits: Tensor = network(network_input(crops, self.normalisation))[:, 0]
        return logits

    def on_train_start(self) -> None:
        """Pair averaged weights and statistics with their sources, where they now lie."""
        if self.averaged is not None:
            self._pairs = floating_pairs(self.averaged, self.network)

    def on_train_epoch_start(self) -> None:
        """Draw from the epoch's own stream, and hold batch norm where it is frozen."""
        torch.manual_seed(child_seed(self.seed, self.current_epoch, self.global_rank))
        self._sums, self._counts = {}, {}
        if self.freezes_batch_norm:
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
        losses = self._losses(batch, smoothing=self.settings.label_smoothing)
        self._add("train_loss", losses)
        loss: Tensor = losses.sum() * (batch.share * self.trainer.world_size)
        return loss

    def on_train_batch_end(self, outputs: Any, batch: Batch, batch_idx: int) -> None:
        """Move the averaged weights towards those of this step."""
        if self.averaged is not None:
            decay = min(self.settings.ema, (1 + self.global_step) / (10 + self.global_step))
            average: Any = get_ema_multi_avg_fn(decay)  # type: ignore[no-untyped-call]
            average(*self._pairs, self.global_step)

    def validation_step(self, batch: Batch, batch_idx: int, dataloader_idx: int = 0) -> None:
        """Add to the loss of watched rows; those of the judged fold decide nothing."""
        self._add(self.watches[dataloader_idx], self._losses(batch))

    def _add(self, name: str, losses: Tensor) -> None:
        total = losses.detach().sum()
        self._sums[name] = self._sums[name] + total if name in self._sums else total
        self._counts[name] = self._counts.get(name, 0) + len(losses)

    def on_train_epoch_end(self) -> None:
        """Keep the epoch's losses, and the best weights where an inner fold may stop the fit."""
        means = {name: self._mean(name) for name in ("train_loss", *self.watches)}
        epoch = {"epoch": self.current_epoch + 1}
        self.losses.append(dict.fromkeys(LOSSES, math.nan) | epoch | means)
        if "inner_loss" in self.watches:
            self._stop_or_keep()

    def _mean(self, name: str) -> float:
        """Mean loss over all rows and devices; the one time an epoch that the device is read."""
        counted = torch.tensor(self._counts[name], dtype=torch.float64, device=self.device)
        pair = torch.stack([self._sums[name].double(), counted])
        total, count = self.trainer.strategy.reduce(pair, reduce_op="sum").tolist()
        return float(total / count)

    def _stop_or_keep(self) -> None:
        inner = [losses["inner_loss"] for losses in self.losses]
        best = inner.index(min(inner))
        if best == len(inner) - 1:
            self.best = {k: v.detach().clone() for k, v in self.judge.state_dict().items()}
        elif len(inner) - 1 - best >= self.settings.patience:
            self.trainer.should_stop = True

    def finish(self) -> nn.Module:
        """Return the fitted network in evaluation mode: the best, the averaged or the last."""
        network = self.judge
        if self.best is not None:
            network.load_state_dict(self.best)
        return network.eval()

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add losses and best weights."""
        checkpoint[OWN_STATE] = {"losses": self.losses, "best": self.best}

    def on_load_checkpoint(self, checkpoint: Mapping[str, Any]) -> None:
        """Take losses and best weights back."""
        self.losses, self.best = (checkpoint[OWN_STATE][name] for name in ("losses", "best"))

    def configure_optimizers(self) -> dict[str, Any]:
        """AdamW with layer decay, and a warm-up and cosine that advance every step."""
        settings = self.settings
        spared: Any = getattr(self.network, "no_weight_decay", set)()
        groups = param_groups_layer_decay(
            self.network,
            weight_decay=settings.weight_decay,
            no_weight_decay_list=spared,
            layer_decay=settings.layer_decay,
        )
        for group in groups:
            group["lr"] = settings.learning_rate * group.pop("lr_scale")
        optimizer = torch.optim.AdamW(groups, lr=settings.learning_rate, fused=True)
        n_steps = int(self.trainer.estimated_stepping_batches)
        n_warmup = max(round(settings.warmup * n_steps), 1)
        schedule = torch.optim.lr_scheduler.LambdaLR(
            optimizer, lambda step: warmup_cosine(step, n_warmup, n_steps)
        )
        by_step = {"scheduler": schedule, "interval": "step"}
        return {"optimizer": optimizer, "lr_scheduler": by_step}


def _start_at(network: Any, logit: float) -> None:
    """Set the intercept of the head, or of all heads that are averaged."""
    found = network.get_classifier()
    for head in found if isinstance(found, tuple | list) else (found,):
        if isinstance(getattr(head, "bias", None), Tensor):
            nn.init.constant_(head.bias, logit)


def floating_pairs(averaged: nn.Module, network: nn.Module) -> tuple[list[Tensor], list[Tensor]]:
    """Return weights and running statistics of two equal networks, in one order.

    Counters are left out: nothing reads those of an averaged network.
    """
    pairs = zip(averaged.state_dict().values(), network.state_dict().values(), strict=True)
    floating = [(old, new) for old, new in pairs if old.is_floating_point()]
    return [old for old, _ in floating], [new for _, new in floating]
