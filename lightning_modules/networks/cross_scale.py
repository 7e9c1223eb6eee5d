"""CrossFormer's embedding and merging of tokens by kernels of several sizes.

References
----------
Wang W. et al. CrossFormer: a versatile vision transformer hinging on cross-scale attention.
ICLR 2022. arXiv:2108.00154, section 3.1 (cross-scale embedding layer).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


class CrossScaleEmbedding(nn.Module):
    """Tokens of an image from four kernel sizes side by side.

    Parameters
    ----------
    in_chans
        Channels of the image.
    dim
        Width of a token: 1/2, 1/4, 1/8 and 1/8 of it from kernels 4, 8, 16 and 32.
    """

    def __init__(self, in_chans: int, dim: int) -> None:
        super().__init__()
        shares = {4: dim // 2, 8: dim // 4, 16: dim // 8, 32: dim // 8}
        self.projs = nn.ModuleList(
            nn.Conv2d(in_chans, share, kernel, stride=4, padding=(kernel - 4) // 2)
            for kernel, share in shares.items()
        )
        self.norm = nn.LayerNorm(dim)

    def forward(self, images: Tensor) -> Tensor:
        """Map (B, in_chans, H, W) to (B, H / 4, W / 4, dim)."""
        tokens = torch.cat([proj(images) for proj in self.projs], dim=1)
        out: Tensor = self.norm(tokens.permute(0, 2, 3, 1))
        return out


class CrossScaleMerging(nn.Module):
    """Half the grid at twice the width, from two kernel sizes side by side."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(dim)
        self.reductions = nn.ModuleList(
            nn.Conv2d(dim, dim, kernel, stride=2, padding=(kernel - 2) // 2) for kernel in (2, 4)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, H, W, C) to (B, H / 2, W / 2, 2 C)."""
        x = self.norm(x).permute(0, 3, 1, 2)
        merged = torch.cat([reduction(x) for reduction in self.reductions], dim=1)
        return merged.permute(0, 2, 3, 1)
