"""Generator of residual-in-residual dense blocks that enlarges grey images four times.

References
----------
Wang X. et al. ESRGAN: enhanced super-resolution generative adversarial networks. ECCV workshops
2018. arXiv:1809.00219, section 3.1 (the blocks).
Shi W. et al. Real-time single image and video super-resolution using an efficient sub-pixel
convolutional neural network. CVPR 2016. doi:10.1109/CVPR.2016.207 (the way up: no convolution
runs at the full size, where a clinical frame has millions of pixels).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from her2.core.errors import BadConfig
from lightning_modules.super_resolution.rescaling import back_projected, enlarged_bicubic

SLOPE = 0.2
RESIDUAL = 0.2  # share of a block's output that is added to its input
N_CONVOLUTIONS = 5  # of a dense block
N_DENSE = 3  # dense blocks of a block
_BACK_PROJECTION_REACH = 8


class DenseBlock(nn.Module):
    """Five convolutions, each of which sees all that came before; a part is added to the input."""

    def __init__(self, n_channels: int, growth: int) -> None:
        super().__init__()
        outputs = [growth] * (N_CONVOLUTIONS - 1) + [n_channels]
        self.convs = nn.ModuleList(
            nn.Conv2d(n_channels + i * growth, out, 3, padding=1) for i, out in enumerate(outputs)
        )

    def forward(self, features: Tensor) -> Tensor:
        """Map (B, C, H, W) to the same shape."""
        seen = features
        *growing, last = self.convs
        for conv in growing:
            seen = torch.cat([seen, functional.leaky_relu(conv(seen), SLOPE)], dim=1)
        out: Tensor = features + RESIDUAL * last(seen)
        return out


class ResidualInResidual(nn.Module):
    """Three dense blocks, a part of whose output is added to the input."""

    def __init__(self, n_channels: int, growth: int) -> None:
        super().__init__()
        self.blocks = nn.Sequential(*(DenseBlock(n_channels, growth) for _ in range(N_DENSE)))

    def forward(self, features: Tensor) -> Tensor:
        """Map (B, C, H, W) to the same shape."""
        out: Tensor = features + RESIDUAL * self.blocks(features)
        return out


class RRDBGenerator(nn.Module):
    """Enlarges grey images four times: bicubic, and what the network adds to it.

    The last layer begins with zeros, so an untrained generator is bicubic enlargement (back-
    projected, if that is on). It normalises nothing over a batch or an image, so a tile is
    enlarged as the whole image is, `reach` pixels away from the tile's edge.

    n_blocks: residual-in-residual; 6 have 4.5 million parameters, 23 are ESRGAN's. n_channels: an
    even number; each dense convolution adds half of it. back_projection: whether the result,
    shrunk, is exactly the image that went in. Raises BadConfig if a size is out of range.

    >>> network = RRDBGenerator(n_blocks=1, n_channels=4)
    >>> network(torch.zeros(2, 1, 5, 6)).shape
    torch.Size([2, 1, 20, 24])
    """

    def __init__(self, n_blocks: int, n_channels: int, *, back_projection: bool = True) -> None:
        super().__init__()
        if n_blocks < 1 or n_channels < 2 or n_channels % 2:
            raise BadConfig(
                "expected enhance.generator.n_blocks of at least 1 and n_channels even, found "
                f"{n_blocks} and {n_channels}; 6 and 64 are usual"
            )
        self.n_blocks = n_blocks
        self.back_projection = back_projection
        self.architecture = {
            "n_blocks": n_blocks, "n_channels": n_channels, "back_projection": back_projection,
        }  # fmt: skip
        self.first = nn.Conv2d(1, n_channels, 3, padding=1)
        growth = n_channels // 2
        self.body = nn.Sequential(*(ResidualInResidual(n_channels, growth)
                                    for _ in range(n_blocks)))  # fmt: skip
        self.after_body = nn.Conv2d(n_channels, n_channels, 3, padding=1)
        self.twice = nn.Conv2d(n_channels, 4 * n_channels, 3, padding=1)
        self.refine = nn.Conv2d(n_channels, n_channels, 3, padding=1)
        self.last = nn.Conv2d(n_channels, 4, 3, padding=1)
        _start_small(self)

    @property
    def reach(self) -> int:
        """Pixels of the input, in each direction, that a pixel of the output depends on.

        First layer, body and the one after it, three on the way up (rounded up), bicubic, and the
        back-projection.
        """
        body = N_DENSE * N_CONVOLUTIONS * self.n_blocks
        return 1 + body + 1 + 3 + 2 + (_BACK_PROJECTION_REACH if self.back_projection else 0)

    def forward(self, small: Tensor) -> Tensor:
        """Map (B, 1, H, W) with grey levels in [0, 1] to (B, 1, 4 H, 4 W)."""
        features = self.first(small)
        features = features + self.after_body(self.body(features))
        larger = functional.pixel_shuffle(self.twice(features), 2)
        larger = functional.leaky_relu(self.refine(functional.leaky_relu(larger, SLOPE)), SLOPE)
        added = functional.pixel_shuffle(self.last(larger), 2)
        large: Tensor = enlarged_bicubic(small) + added
        return back_projected(large, small) if self.back_projection else large


def _start_small(network: RRDBGenerator) -> None:
    """Scale the blocks' initial weights down, as ESRGAN does, and set the last layer to zero."""
    for module in network.body.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, a=SLOPE)
            module.weight.data.mul_(0.1)
            nn.init.zeros_(module.bias)  # type: ignore[arg-type]
    nn.init.zeros_(network.last.weight)
    nn.init.zeros_(network.last.bias)  # type: ignore[arg-type]
