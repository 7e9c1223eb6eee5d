"""CrossFormer: a vision transformer whose tokens see several scales at once.

Importing this module registers `crossformer_tiny`, `_small`, `_base` and `_large` with timm.
The parameter names are those of the published checkpoints, which therefore load strictly.

References
----------
Wang W. et al. CrossFormer: a versatile vision transformer hinging on cross-scale attention.
ICLR 2022. arXiv:2108.00154. Section 3.1: embedding and merging of tokens.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
from timm.data import IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD
from timm.layers import trunc_normal_
from timm.models import build_model_with_cfg, generate_default_cfgs, register_model
from torch import Tensor, nn

from her2.core.errors import BadArgument
from lightning_modules.networks.group_attention import CrossFormerBlock

GROUP_SIZE = 7
INTERVALS = (8, 4, 2, 1)  # of long-distance attention, by stage
POOLINGS = ("avg", "")
BUFFERS_OF_CHECKPOINTS = (".biases", ".relative_position_index", ".attn_mask")
WITH_PREVIOUS_GROUP = (99999,)  # as timm's own networks have it in `group_matcher`


class StageSizes(NamedTuple):
    """Width of the first stage (doubled by each later one); blocks and heads of every stage."""

    embed_dim: int
    depths: tuple[int, ...]
    num_heads: tuple[int, ...]


VARIANTS: dict[str, dict[str, Any]] = {  # of 27.8, 30.7, 52.0 and 92.0 M parameters
    "crossformer_tiny": {
        "sizes": StageSizes(64, (1, 1, 8, 6), (2, 4, 8, 16)), "drop_path_rate": 0.1,
    },
    "crossformer_small": {
        "sizes": StageSizes(96, (2, 2, 6, 2), (3, 6, 12, 24)), "drop_path_rate": 0.2,
    },
    "crossformer_base": {
        "sizes": StageSizes(96, (2, 2, 18, 2), (3, 6, 12, 24)), "drop_path_rate": 0.3,
    },
    "crossformer_large": {
        "sizes": StageSizes(128, (2, 2, 18, 2), (4, 8, 16, 32)), "drop_path_rate": 0.5,
    },
}  # fmt: skip


class CrossScaleEmbedding(nn.Module):
    """Tokens: 1/2, 1/4, 1/8 and 1/8 of their width from kernels 4, 8, 16 and 32 side by side."""

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


class CrossFormerStage(nn.Module):
    """Blocks that alternate short- and long-distance attention, then a merge (but the last)."""

    def __init__(
        self, dim: int, heads: int, *, interval: int, drop_paths: Sequence[float], merges: bool
    ) -> None:
        super().__init__()
        self.blocks = nn.Sequential(
            *(
                CrossFormerBlock(
                    dim, heads, group_size=GROUP_SIZE, interval=interval if j % 2 else 1,
                    drop_path=drop_path,
                )
                for j, drop_path in enumerate(drop_paths)
            )
        )  # fmt: skip
        self.downsample = CrossScaleMerging(dim) if merges else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, H, W, C) to (B, H / 2, W / 2, 2 C), or to its own shape in the last stage."""
        out: Tensor = self.downsample(self.blocks(x))
        return out


class CrossFormer(nn.Module):
    """CrossFormer with timm's interface; images (B, in_chans, H, W) give logits (B, num_classes).

    num_classes: width of the head; 0 for none (the result is then the pooled features).
    global_pool: ``"avg"``, or ``""`` to keep the grid of tokens. drop_path_rate: stochastic depth,
    rising linearly over the blocks.
    """

    def __init__(
        self,
        sizes: StageSizes,
        *,
        num_classes: int = 1000,
        in_chans: int = 3,
        global_pool: str = "avg",
        drop_rate: float = 0.0,
        drop_path_rate: float = 0.2,
    ) -> None:
        super().__init__()
        widths = [sizes.embed_dim * 2**i for i in range(len(sizes.depths))]
        self.output_fmt = "NHWC"
        self.num_features = self.head_hidden_size = widths[-1]
        self.feature_info = [
            {"num_chs": width, "reduction": 4 * 2**i, "module": f"layers.{i}.blocks"}
            for i, width in enumerate(widths)
        ]
        self.patch_embed = CrossScaleEmbedding(in_chans, sizes.embed_dim)
        self.layers = nn.Sequential(*_stages(widths, sizes, drop_path_rate))
        self.norm = nn.LayerNorm(widths[-1])
        self.head_drop = nn.Dropout(drop_rate)
        self.reset_classifier(num_classes, global_pool)
        self.apply(_initialise)

    def reset_classifier(self, num_classes: int, global_pool: str | None = None) -> None:
        """Replace the head by a new one for `num_classes` (0: none), with the network's type."""
        if global_pool is not None:
            if global_pool not in POOLINGS:
                raise BadArgument(
                    f"expected global_pool 'avg', or '' for the grid of tokens, found "
                    f"{global_pool!r}; pool the tokens of forward_features for another one"
                )
            self.global_pool = global_pool
        self.num_classes = num_classes
        like = next(self.parameters())
        head = nn.Linear(self.num_features, num_classes) if num_classes else nn.Identity()
        _initialise(head)
        self.head = head.to(like.device, like.dtype)

    def get_classifier(self) -> nn.Module:
        """Return the head."""
        return self.head

    def no_weight_decay(self) -> set[str]:
        """Return the matrices that timm exempts from weight decay: none.

        The published training decays those of the position bias as well, unlike Swin V2's.
        """
        return set()

    def group_matcher(self, coarse: bool = False) -> dict[str, Any]:
        """Return the patterns by which timm orders parameters from stem to head (layer decay)."""
        if coarse:
            return {"stem": r"^patch_embed", "blocks": [(r"^layers\.(\d+)", None)]}
        merge_after_blocks = (r"^layers\.(\d+)\.downsample", (9999,))
        blocks = [(r"^layers\.(\d+)\.blocks\.(\d+)", None), merge_after_blocks]
        norm_with_last_block = (r"^norm", WITH_PREVIOUS_GROUP)
        return {"stem": r"^patch_embed", "blocks": [*blocks, norm_with_last_block]}

    def forward_features(self, images: Tensor) -> Tensor:
        """Normalised tokens of the last stage: (B, H / 32, W / 32, num_features)."""
        out: Tensor = self.norm(self.layers(self.patch_embed(images)))
        return out

    def forward_head(self, x: Tensor, pre_logits: bool = False) -> Tensor:
        """Pool and classify; with `pre_logits` the pooled features (B, num_features)."""
        if self.global_pool:
            x = x.mean(dim=(1, 2))
        x = self.head_drop(x)
        return x if pre_logits else self.head(x)

    def forward(self, images: Tensor) -> Tensor:
        """Logits (B, num_classes)."""
        return self.forward_head(self.forward_features(images))


def _stages(
    widths: Sequence[int], sizes: StageSizes, drop_path_rate: float
) -> list[CrossFormerStage]:
    n_blocks = sum(sizes.depths)
    rates = [drop_path_rate * j / max(n_blocks - 1, 1) for j in range(n_blocks)]
    starts = [sum(sizes.depths[:i]) for i in range(len(sizes.depths))]
    return [
        CrossFormerStage(
            widths[i], sizes.num_heads[i], interval=INTERVALS[i],
            drop_paths=rates[starts[i] : starts[i] + depth], merges=i < len(sizes.depths) - 1,
        )
        for i, depth in enumerate(sizes.depths)
    ]  # fmt: skip


def _initialise(module: nn.Module) -> None:
    if isinstance(module, nn.Linear):
        trunc_normal_(module.weight, std=0.02)
        nn.init.zeros_(module.bias)


def checkpoint_filter_fn(state: Mapping[str, Any], model: nn.Module) -> dict[str, Any]:
    """Parameters of a published checkpoint, without its wrapper and its derived buffers."""
    state = state.get("model", state)
    return {k: v for k, v in state.items() if not k.endswith(BUFFERS_OF_CHECKPOINTS)}


CONFIG = {
    "url": "", "num_classes": 1000, "input_size": (3, 224, 224), "pool_size": (7, 7),
    "crop_pct": 0.9, "interpolation": "bicubic", "fixed_input_size": False,
    "mean": IMAGENET_DEFAULT_MEAN, "std": IMAGENET_DEFAULT_STD,
    "first_conv": tuple(f"patch_embed.projs.{i}" for i in range(4)),
    "classifier": "head", "license": "mit",
}  # fmt: skip
default_cfgs = generate_default_cfgs({variant: dict(CONFIG) for variant in VARIANTS})


def _register(variant: str) -> None:
    def create(pretrained: bool = False, **kwargs: Any) -> CrossFormer:
        model: CrossFormer = build_model_with_cfg(
            CrossFormer,
            variant,
            pretrained,
            pretrained_filter_fn=checkpoint_filter_fn,
            feature_cfg={"out_indices": (0, 1, 2, 3), "feature_cls": "hook"},
            **{**VARIANTS[variant], **kwargs},
        )
        return model

    create.__name__ = variant  # under which timm has it
    register_model(create)


for _variant in VARIANTS:
    _register(_variant)
