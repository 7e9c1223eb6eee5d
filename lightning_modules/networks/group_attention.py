"""CrossFormer's short- and long-distance attention over groups of tokens.

References
----------
Wang W. et al. CrossFormer: a versatile vision transformer hinging on cross-scale attention.
ICLR 2022. arXiv:2108.00154, sections 3.2 (attention) and 3.3 (dynamic position bias).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from timm.layers import DropPath, Mlp
from torch import Tensor, nn
from torch.nn import functional

# Finite, so that a group made of padding only gives a mean of its values and not NaN.
PADDED_KEY = -1e6


@dataclass(frozen=True)
class Grouping:
    """How an (H, W) grid of tokens is cut into groups of ``size * size`` tokens.

    With interval 1 a group is a window of neighbours; with interval I it is every I-th token
    of a window I times as wide. The grid is padded at the bottom and right to whole windows.

    Attributes
    ----------
    size
        Tokens along one side of a group.
    interval
        Distance of neighbours of a group in the grid.
    """

    size: int
    interval: int

    @property
    def window(self) -> int:
        """Tokens along one side of a window."""
        return self.size * self.interval

    def gather(self, x: Tensor) -> Tensor:
        """Cut a padded grid into its groups: (B, H, W, C) -> (B, n_groups, size * size, C)."""
        b, h, w, c = x.shape
        g, step = self.size, self.interval
        x = x.reshape(b, h // self.window, g, step, w // self.window, g, step, c)
        x = x.permute(0, 1, 4, 3, 6, 2, 5, 7)  # B, Rh, Rw, I, I, g, g, C
        n_groups = h * w // (g * g)  # -1 could be anything in an empty batch
        return x.reshape(b, n_groups, g * g, c)

    def scatter(self, groups: Tensor, height: int, width: int) -> Tensor:
        """Undo `gather`: (B, n_groups, size * size, C) -> (B, H, W, C)."""
        b, _, _, c = groups.shape
        g, step = self.size, self.interval
        x = groups.reshape(b, height // self.window, width // self.window, step, step, g, g, c)
        x = x.permute(0, 1, 5, 3, 2, 6, 4, 7)  # B, Rh, g, I, Rw, g, I, C
        return x.reshape(b, height, width, c)

    def key_mask(self, height: int, width: int, pad: tuple[int, int], like: Tensor) -> Tensor:
        """Additive mask of padded keys, float32 (n_groups, 1, 1, size * size)."""
        padded = torch.zeros(1, height, width, 1, device=like.device, dtype=torch.float32)
        padded[:, height - pad[0] :] = PADDED_KEY
        padded[:, :, width - pad[1] :] = PADDED_KEY
        return self.gather(padded)[0, :, None, None, :, 0]


class DynamicPositionBias(nn.Module):
    """Position bias of every pair of tokens in a group, a head each, by an MLP of their offset."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.pos_proj = nn.Linear(2, dim)
        self.pos1 = _bias_layer(dim, dim)
        self.pos2 = _bias_layer(dim, dim)
        self.pos3 = _bias_layer(dim, heads)

    def table(self, size: int) -> Tensor:
        """Bias of every offset (dy, dx), dy-major: ((2 size - 1)^2, heads)."""
        weight = self.pos_proj.weight
        steps = torch.arange(1 - size, size, device=weight.device)
        offsets = torch.cartesian_prod(steps, steps).to(weight.dtype)
        table: Tensor = self.pos3(self.pos2(self.pos1(self.pos_proj(offsets))))
        return table

    def forward(self, size: int) -> Tensor:
        """Bias of every (query, key) pair: (heads, size^2, size^2)."""
        table = self.table(size)
        index = pair_index(size).to(table.device)
        return table[index.flatten()].reshape(*index.shape, -1).permute(2, 0, 1)


def _bias_layer(dim: int, out_dim: int) -> nn.Sequential:
    return nn.Sequential(nn.LayerNorm(dim), nn.ReLU(inplace=True), nn.Linear(dim, out_dim))


def pair_index(size: int) -> Tensor:
    """Row of the offset table for every (query, key) pair of a group: (size^2, size^2).

    >>> pair_index(2).tolist()
    [[4, 3, 1, 0], [5, 4, 2, 1], [7, 6, 4, 3], [8, 7, 5, 4]]
    """
    steps = torch.arange(size)
    tokens = torch.cartesian_prod(steps, steps)  # (size^2, 2): y, x
    offset = tokens[:, None] - tokens[None] + size - 1
    return offset[..., 0] * (2 * size - 1) + offset[..., 1]


class GroupAttention(nn.Module):
    """Multi-head self-attention inside groups of tokens, with a dynamic position bias.

    The width `dim` is a multiple of 16 and of the number of heads.
    """

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.scale = (dim // heads) ** -0.5
        self.pos = DynamicPositionBias(dim // 16, heads)
        self.qkv = nn.Linear(dim, 3 * dim)
        self.proj = nn.Linear(dim, dim)

    def forward(self, groups: Tensor, size: int, mask: Tensor | None = None) -> Tensor:
        """Attend within each group; `groups` and result (B, n_groups, size^2, C)."""
        b, n_groups, n, c = groups.shape
        qkv = self.qkv(groups).reshape(b, n_groups, n, 3, self.heads, c // self.heads)
        q, k, v = qkv.permute(3, 0, 1, 4, 2, 5).unbind(0)  # each (B, n_groups, heads, n, hd)
        scores = (q * self.scale) @ k.transpose(-2, -1) + self.pos(size)
        if mask is not None:
            scores = scores + mask  # float32 mask: half-precision scores are promoted
        attended = scores.softmax(-1).to(v.dtype) @ v
        out: Tensor = self.proj(attended.transpose(2, 3).reshape(groups.shape))
        return out


class CrossFormerBlock(nn.Module):
    """Pre-norm transformer block with attention over neighbours or over distant tokens.

    interval: 1 for short-distance attention, the stage's for long-distance attention. drop_path:
    probability of skipping a branch in training.
    """

    def __init__(
        self, dim: int, heads: int, *, group_size: int, interval: int, drop_path: float
    ) -> None:
        super().__init__()
        self.group_size = group_size
        self.interval = interval
        self.norm1 = nn.LayerNorm(dim)
        self.attn = GroupAttention(dim, heads)
        self.norm2 = nn.LayerNorm(dim)
        self.mlp = Mlp(dim, 4 * dim)
        self.drop_path = DropPath(drop_path)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, H, W, C) to the same shape."""
        x = x + self.drop_path(self._attend(self.norm1(x)))
        out: Tensor = x + self.drop_path(self.mlp(self.norm2(x)))
        return out

    def grouping(self, height: int, width: int) -> Grouping:
        """Choose the groups for a grid; one no wider than a group is a single group."""
        shorter = min(height, width)
        if shorter <= self.group_size:
            return Grouping(shorter, 1)
        return Grouping(self.group_size, self.interval)

    def _attend(self, x: Tensor) -> Tensor:
        _, height, width, _ = x.shape
        grouping = self.grouping(height, width)
        pad = (-height % grouping.window, -width % grouping.window)
        mask = None
        if any(pad):
            x = functional.pad(x, (0, 0, 0, pad[1], 0, pad[0]))
            mask = grouping.key_mask(height + pad[0], width + pad[1], pad, x)
        groups = self.attn(grouping.gather(x), grouping.size, mask)
        x = grouping.scatter(groups, height + pad[0], width + pad[1])
        return x[:, :height, :width]
