"""Training of a generator that enlarges images: first by pixels, then against a discriminator."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor
from torch.nn import functional

from her2.core.settings import EnhanceSettings
from lightning_modules.networks.rrdb import RRDBGenerator
from lightning_modules.networks.unet_discriminator import DiscriminatorOutput, UNetDiscriminator
from lightning_modules.super_resolution.patches import Pair
from lightning_modules.super_resolution.rescaling import enlarged_bicubic, shrunk
from lightning_modules.torch_runtime import warmup_cosine

WARMUP = 0.05  # share of a stage in which the learning rate rises
ADVERSARIAL_SHARE = 0.25  # of the learning rate, in the adversarial stage
GRADIENT_SCALES = (1, 2, 4)
BETAS = (0.9, 0.99)
MAX_NORM = 1.0


class SuperResolution(pl.LightningModule):
    """Generator, the mean of its weights over the steps (which is used), and discriminator."""

    def __init__(
        self,
        generator: RRDBGenerator,
        discriminator: UNetDiscriminator,
        settings: EnhanceSettings,
    ) -> None:
        super().__init__()
        self.automatic_optimization = False
        # the faster layout on a CPU as on a GPU
        self.generator = generator.to(memory_format=torch.channels_last)
        self.discriminator = discriminator.to(memory_format=torch.channels_last)
        self.mean_generator = deepcopy(generator).requires_grad_(False)
        self.settings = settings
        self.n_done = 0
        self.history: list[dict[str, Any]] = []
        self._losses: dict[str, list[Tensor]] = {}
        self._validated: list[dict[str, float]] = []

    def forward(self, small: Tensor) -> Tensor:
        """Enlarge images with the mean of the weights."""
        large: Tensor = self.mean_generator(small)
        return large

    def training_step(self, batch: Pair, batch_idx: int) -> None:
        """Take one step of each network that learns in this stage."""
        for optimizer in self.optimizers():
            for group in optimizer.param_groups:
                group["lr"] = learning_rate(self.settings, self.n_done)
        learn = self._by_discriminator if self._is_adversarial(self.n_done) else self._by_pixels
        for name, loss in learn(batch).items():
            self._losses.setdefault(name, []).append(loss.detach())
        self._average()
        self.n_done += 1

    def _is_adversarial(self, step: int) -> bool:
        return step >= self.settings.max_steps_pixel

    def _by_pixels(self, batch: Pair) -> dict[str, Tensor]:
        made = self.generator(batch.small)
        pixel, gradient = functional.l1_loss(made, batch.large), gradient_loss(made, batch.large)
        self._descend(0, pixel + self.settings.loss.gradient * gradient)
        return {"pixel": pixel, "gradient": gradient}

    def _by_discriminator(self, batch: Pair) -> dict[str, Tensor]:
        made, weights = self.generator(batch.small), self.settings.loss
        pixel, gradient = functional.l1_loss(made, batch.large), gradient_loss(made, batch.large)
        self.discriminator.requires_grad_(False)
        with torch.no_grad():
            real = self.discriminator(batch.large)
        judged = self.discriminator(made)
        matching = feature_distance(judged, real)
        adversarial = functional.softplus(-judged.logits).mean()
        self._descend(
            0,
            pixel
            + weights.gradient * gradient
            + weights.feature_matching * matching
            + weights.adversarial * adversarial,
        )
        self.discriminator.requires_grad_(True)
        loss_real = functional.softplus(-self.discriminator(batch.large).logits).mean()
        loss_made = functional.softplus(self.discriminator(made.detach()).logits).mean()
        discriminator = 0.5 * (loss_real + loss_made)
        self._descend(1, discriminator)
        return {"pixel": pixel, "gradient": gradient, "feature_matching": matching,
                "adversarial": adversarial, "discriminator": discriminator}  # fmt: skip

    def _descend(self, number: int, loss: Tensor) -> None:
        optimizer = self.optimizers()[number]
        optimizer.zero_grad()
        self.manual_backward(loss)
        self.clip_gradients(optimizer, MAX_NORM, "norm")
        optimizer.step()

    @torch.no_grad()
    def _average(self) -> None:
        """Move the mean of the weights, faster in early steps, so that the start is forgotten."""
        decay = min(self.settings.ema, (1 + self.n_done) / (10 + self.n_done))
        pairs = zip(self.mean_generator.parameters(), self.generator.parameters(), strict=True)
        for mean, current in pairs:
            mean.lerp_(current, 1 - decay)

    def validation_step(self, batch: Pair, batch_idx: int) -> None:
        """Compare a frame with its enlarged quarter; this decides nothing."""
        made = {"psnr": self(batch.small), "psnr_bicubic": enlarged_bicubic(batch.small)}
        self._validated.append(
            {name: _decibels(image.clamp(0, 1), batch.large) for name, image in made.items()}
        )

    def on_train_epoch_end(self) -> None:
        """Append the epoch's mean losses and validation measures to the history."""
        stage = "adversarial" if self._is_adversarial(self.n_done - 1) else "pixel"
        row: dict[str, Any] = {"stage": stage, "step": self.n_done}
        row |= {name: float(torch.stack(each).mean()) for name, each in self._losses.items()}
        for name in self._validated[0] if self._validated else ():
            row[name] = sum(row_of[name] for row_of in self._validated) / len(self._validated)
        self.history.append(row)
        self._losses, self._validated = {}, []

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep the history and the number of steps with the weights."""
        checkpoint["history"], checkpoint["n_done"] = self.history, self.n_done

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Go on with the history and the number of steps."""
        self.history, self.n_done = list(checkpoint["history"]), int(checkpoint["n_done"])

    def configure_optimizers(self) -> list[torch.optim.Optimizer]:
        """Adam for each network; its rate is set step by step."""
        return [
            torch.optim.Adam(network.parameters(), lr=self.settings.learning_rate, betas=BETAS)
            for network in (self.generator, self.discriminator)
        ]


def learning_rate(settings: EnhanceSettings, step: int) -> float:
    """Rate of a step, numbered from 0: a cosine in each stage, lower in the second."""
    n, scale = settings.max_steps_pixel, 1.0
    if step >= n:
        step, n, scale = step - n, settings.max_steps_adversarial, ADVERSARIAL_SHARE
    return settings.learning_rate * scale * warmup_cosine(step, max(round(WARMUP * n), 1), n)


def gradient_loss(made: Tensor, large: Tensor) -> Tensor:
    """Mean absolute difference of the steps between neighbouring pixels, at several sizes.

    >>> image = torch.rand(1, 1, 8, 8)
    >>> bool(gradient_loss(image + 0.1, image) < 1e-6)  # brightness has no gradient
    True
    """
    losses = []
    for scale in GRADIENT_SCALES:
        gap = shrunk(made - large, scale)
        losses += [gap.diff(dim=axis).abs().mean() for axis in (2, 3)]
    return torch.stack(losses).mean()


def feature_distance(made: DiscriminatorOutput, real: DiscriminatorOutput) -> Tensor:
    """Mean absolute difference of the discriminator's features of made and of real images."""
    pairs = zip(made.features, real.features, strict=True)
    return torch.stack([functional.l1_loss(one, other) for one, other in pairs]).mean()


def _decibels(image: Tensor, reference: Tensor) -> float:
    return float(-10 * torch.log10(functional.mse_loss(image, reference).clamp_min(1e-10)))
