"""Everything that the weights of a fitted generator depend on, beside the images."""

from __future__ import annotations

from dataclasses import dataclass, field

from her2.core.errors import BadConfig
from lightning_modules.networks.rrdb import RRDBGenerator
from lightning_modules.networks.unet_discriminator import N_LEVELS
from lightning_modules.super_resolution.degradation import Degradation
from lightning_modules.super_resolution.rescaling import FACTOR
from lightning_modules.torch_runtime import warmup_cosine

WARMUP = 0.05  # share of a stage in which the learning rate rises
ADVERSARIAL_SHARE = 0.25  # of the learning rate, in the adversarial stage


@dataclass(frozen=True)
class Architecture:
    """Sizes of a generator; see `RRDBGenerator`.

    Attributes
    ----------
    n_blocks, n_channels
        Residual-in-residual blocks and their width.
    back_projection
        Whether the result, shrunk, is exactly the image that went in.
    """

    n_blocks: int
    n_channels: int
    back_projection: bool = True

    def build(self) -> RRDBGenerator:
        """Return a network of these sizes with initial weights."""
        return RRDBGenerator(self.n_blocks, self.n_channels, back_projection=self.back_projection)


@dataclass(frozen=True)
class Schedule:
    """Stages, learning rate and losses of a fit.

    Attributes
    ----------
    pixel_steps, adversarial_steps
        Steps of the two stages.
    learning_rate
        At the top of the first stage.
    ema
        Decay of the mean of the weights that is kept.
    gradient, feature_matching, adversarial
        Weights of these losses; that of the pixels has 1.
    """

    pixel_steps: int
    adversarial_steps: int
    learning_rate: float = 2e-4
    ema: float = 0.999
    gradient: float = 0.5
    feature_matching: float = 0.5
    adversarial: float = 0.01

    @property
    def n_steps(self) -> int:
        """Steps of both stages."""
        return self.pixel_steps + self.adversarial_steps

    def is_adversarial(self, step: int) -> bool:
        """Whether a step, numbered from 0, belongs to the second stage."""
        return step >= self.pixel_steps

    def rate(self, step: int) -> float:
        """Return the learning rate of a step: a cosine in each stage, lower in the second."""
        if self.is_adversarial(step):
            step, n, scale = step - self.pixel_steps, self.adversarial_steps, ADVERSARIAL_SHARE
        else:
            n, scale = self.pixel_steps, 1.0
        n_warmup = max(round(WARMUP * n), 1)
        return self.learning_rate * scale * warmup_cosine(step, n_warmup, n)


@dataclass(frozen=True)
class FittingPlan:
    """Everything that the fitted weights depend on, beside the images.

    Attributes
    ----------
    architecture, discriminator_channels
        Sizes of the networks.
    schedule
        Stages, learning rate and losses.
    patch_size
        Side of the small patches in pixels.
    batch_size
        Patches of a step.
    steps_per_epoch
        Steps between two checkpoints, and between two evaluations of validation frames.
    seed
        Of weights and patches.
    n_threads
        Of the CPU; the last bits depend on it, so it is not left to the machine.
    accelerator
        Of Lightning.
    degradation
        How small patches are made of large ones.
    """

    architecture: Architecture
    schedule: Schedule
    discriminator_channels: int = 64
    patch_size: int = 32
    batch_size: int = 8
    steps_per_epoch: int = 200
    seed: int = 0
    n_threads: int = 1
    accelerator: str = "auto"
    degradation: Degradation = field(default_factory=Degradation)

    def __post_init__(self) -> None:
        least = {
            "batch_size": self.batch_size, "steps_per_epoch": self.steps_per_epoch,
            "n_threads": self.n_threads, "max_steps_pixel": self.schedule.pixel_steps,
        }  # fmt: skip
        wrong = [f"enhance.{name}={value}" for name, value in least.items() if value < 1]
        if self.schedule.adversarial_steps < 0:
            wrong.append(f"enhance.max_steps_adversarial={self.schedule.adversarial_steps}")
        if wrong:
            raise BadConfig(
                f"expected numbers of steps, images and threads of at least 1 (adversarial steps: "
                f"0), found {', '.join(wrong)}; raise them"
            )
        if self.patch_size < 8 or self.patch_size * FACTOR % 2**N_LEVELS:
            raise BadConfig(
                "expected enhance.patch_size of at least 8 and even, found "
                f"{self.patch_size}; 32 is usual"
            )
