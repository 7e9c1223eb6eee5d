"""Discriminator that classifies every pixel as real or generated.

References
----------
Wang X. et al. Real-ESRGAN: training real-world blind super-resolution with pure synthetic data.
ICCV workshops 2021. arXiv:2107.10833, section 3.4 (U-Net with spectral norm).
Miyato T. et al. Spectral normalization for generative adversarial networks. ICLR 2018.
arXiv:1802.05957.
"""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.parametrizations import spectral_norm

SLOPE = 0.2
N_LEVELS = 3  # the sides of an image must be multiples of 2 ** N_LEVELS


class DiscriminatorOutput(NamedTuple):
    """Logits (B, 1, H, W), above 0 where a pixel looks real, and the features of every layer."""

    logits: Tensor
    features: tuple[Tensor, ...]


class UNetDiscriminator(nn.Module):
    """U-Net of three levels; every layer but the first and the last is spectrally normalised.

    n_channels: width at full size; doubled at every level.

    >>> import torch
    >>> UNetDiscriminator(4)(torch.zeros(1, 1, 16, 24)).logits.shape
    torch.Size([1, 1, 16, 24])
    """

    def __init__(self, n_channels: int) -> None:
        super().__init__()
        widths = [n_channels * 2**level for level in range(N_LEVELS + 1)]
        self.first = nn.Conv2d(1, n_channels, 3, padding=1)
        self.down = nn.ModuleList(
            spectral_norm(nn.Conv2d(width, 2 * width, 4, stride=2, padding=1, bias=False))
            for width in widths[:-1]
        )
        self.up = nn.ModuleList(
            spectral_norm(nn.Conv2d(width, width // 2, 3, padding=1, bias=False))
            for width in widths[:0:-1]
        )
        self.after = spectral_norm(nn.Conv2d(n_channels, n_channels, 3, padding=1, bias=False))
        self.last = nn.Conv2d(n_channels, 1, 3, padding=1)

    def forward(self, images: Tensor) -> DiscriminatorOutput:
        """Judge images (B, 1, H, W), sides multiples of 8."""
        levels = [_bent(self.first(images))]
        for conv in self.down:
            levels.append(_bent(conv(levels[-1])))
        features = list(levels)
        current = levels.pop()
        for conv in self.up:
            larger = functional.interpolate(current, scale_factor=2.0, mode="bilinear")
            current = _bent(conv(larger)) + levels.pop()
            features.append(current)
        current = _bent(self.after(current))
        return DiscriminatorOutput(self.last(current), tuple(features))


def _bent(values: Tensor) -> Tensor:
    return functional.leaky_relu(values, SLOPE)
