"""Fine-tuning of a backbone to a binary outcome."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import pytorch_lightning as pl
import torch
from timm.optim import param_groups_layer_decay
from torch import Tensor, nn
from torch.nn import functional

from lightning_modules.backbones import Backbone, network_input
from lightning_modules.data import Batch

SMALL_BATCH = 16  # up to here a batch's own statistics are worse than the pretrained ones


@dataclass(frozen=True)
class EpochLoss:
    """Mean losses of an epoch (numbered from 1); `judged` is None where nothing was judged."""

    epoch: int
    train: float
    judged: float | None


class LesionClassifier(pl.LightningModule):
    """A network with one logit, trained by cross-entropy with a weight on the rarer class.

    Parameters
    ----------
    backbone
        Network with a head of width 1.
    image_size
        Side at which the network sees the crops.
    positive_weight
        Weight of a positive lesion in the loss; a negative one has 1.
    learning_rate
        Of the head at the end of the warm-up; it then falls to 0 along a cosine.
    weight_decay
        Of AdamW; biases and norms have none.
    layer_decay
        Factor of the learning rate from each layer to the one before it.
    warmup
        Share of the steps in which the learning rate rises.
    freezes_batch_norm
        Keep the pretrained statistics of batch norm instead of the batch's own.
    """

    def __init__(
        self,
        backbone: Backbone,
        *,
        image_size: int,
        positive_weight: float,
        learning_rate: float,
        weight_decay: float = 0.05,
        layer_decay: float = 0.75,
        warmup: float = 0.1,
        freezes_batch_norm: bool = False,
    ) -> None:
        super().__init__()
        self.network = backbone.network
        self.normalisation = backbone.normalisation
        self.image_size = image_size
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.layer_decay = layer_decay
        self.warmup = warmup
        self.freezes_batch_norm = freezes_batch_norm
        self.losses: list[EpochLoss] = []
        self.positive_weight: Tensor
        self.register_buffer("positive_weight", torch.tensor(positive_weight), persistent=False)

    def forward(self, crops: Tensor) -> Tensor:
        """Logits (B,) of crops (B, 1, S, S) with grey levels 0 to 255."""
        images = network_input(crops, self.normalisation, self.image_size)
        logits: Tensor = self.network(images)[:, 0]
        return logits

    def on_train_epoch_start(self) -> None:
        """Hold batch norm at its pretrained statistics, where it is frozen."""
        if self.freezes_batch_norm:
            for module in self.modules():
                if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
                    module.eval()

    def _loss(self, batch: Batch) -> Tensor:
        return functional.binary_cross_entropy_with_logits(
            self(batch.crops), batch.y_true, pos_weight=self.positive_weight
        )

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Loss of a batch."""
        loss = self._loss(batch)
        self.log("train_loss", loss, on_step=False, on_epoch=True, batch_size=len(batch.y_true))
        return loss

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Record the loss of a judged batch; nothing is decided by it."""
        loss = self._loss(batch)
        self.log("judged_loss", loss, batch_size=len(batch.y_true))

    def predict_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Probabilities (B,) of the positive outcome."""
        return torch.sigmoid(self(batch.crops))

    def on_train_epoch_end(self) -> None:
        """Keep the epoch's losses."""
        metrics = self.trainer.callback_metrics
        judged = metrics.get("judged_loss")
        self.losses.append(
            EpochLoss(
                epoch=self.current_epoch + 1,
                train=float(metrics["train_loss"]),
                judged=None if judged is None else float(judged),
            )
        )

    def configure_optimizers(self) -> dict[str, Any]:
        """AdamW with layer decay, and a warm-up and cosine that advance every step."""
        groups = param_groups_layer_decay(
            self.network, weight_decay=self.weight_decay, layer_decay=self.layer_decay
        )
        for group in groups:
            group["lr"] = self.learning_rate * group.pop("lr_scale")
        optimizer = torch.optim.AdamW(groups, lr=self.learning_rate)
        n_steps = int(self.trainer.estimated_stepping_batches)
        n_warmup = max(round(self.warmup * n_steps), 1)
        schedule = torch.optim.lr_scheduler.LambdaLR(
            optimizer, lambda step: warmup_cosine(step, n_warmup, n_steps)
        )
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": schedule, "interval": "step"},
        }


def warmup_cosine(step: int, n_warmup: int, n_steps: int) -> float:
    """Share of the learning rate at a step: a linear rise, then half a cosine down to 0.

    >>> [round(warmup_cosine(step, 2, 6), 3) for step in range(7)]
    [0.5, 1.0, 1.0, 0.854, 0.5, 0.146, 0.0]
    """
    if step < n_warmup:
        return (step + 1) / n_warmup
    done = (step - n_warmup) / max(n_steps - n_warmup, 1)
    return 0.5 * (1 + math.cos(math.pi * min(done, 1.0)))
