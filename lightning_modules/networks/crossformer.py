"""CrossFormer: a vision transformer whose tokens see several scales at once.

Importing this module registers `crossformer_tiny`, `_small`, `_base` and `_large` with timm.
The parameter names are those of the published checkpoints, which therefore load strictly.

References
----------
Wang W. et al. CrossFormer: a versatile vision transformer hinging on cross-scale attention.
ICLR 2022. arXiv:2108.00154.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

from timm.data import IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD
from timm.layers import trunc_normal_
from timm.models import (
    build_model_with_cfg,
    checkpoint_seq,
    generate_default_cfgs,
    register_model,
)
from timm.models._features import feature_take_indices
from timm.models._manipulate import MATCH_PREV_GROUP
from torch import Tensor, nn

from her2.core.errors import BadArgument
from lightning_modules.networks.cross_scale import CrossScaleEmbedding, CrossScaleMerging
from lightning_modules.networks.group_attention import CrossFormerBlock

GROUP_SIZE = 7
INTERVALS = (8, 4, 2, 1)  # of long-distance attention, by stage
POOLINGS = ("avg", "")
BUFFERS_OF_CHECKPOINTS = (".biases", ".relative_position_index", ".attn_mask")
VARIANTS: dict[str, dict[str, Any]] = {
    "crossformer_tiny": {
        "embed_dim": 64,
        "depths": (1, 1, 8, 6),
        "num_heads": (2, 4, 8, 16),
        "drop_path_rate": 0.1,
    },
    "crossformer_small": {
        "embed_dim": 96,
        "depths": (2, 2, 6, 2),
        "num_heads": (3, 6, 12, 24),
        "drop_path_rate": 0.2,
    },
    "crossformer_base": {
        "embed_dim": 96,
        "depths": (2, 2, 18, 2),
        "num_heads": (3, 6, 12, 24),
        "drop_path_rate": 0.3,
    },
    "crossformer_large": {
        "embed_dim": 128,
        "depths": (2, 2, 18, 2),
        "num_heads": (4, 8, 16, 32),
        "drop_path_rate": 0.5,
    },
}


class CrossFormerStage(nn.Module):
    """Blocks that alternate short- and long-distance attention, then a merge (but the last)."""

    def __init__(
        self,
        dim: int,
        heads: int,
        *,
        interval: int,
        drop_paths: Sequence[float],
        merges: bool,
        proj_drop: float = 0.0,
        attn_drop: float = 0.0,
    ) -> None:
        super().__init__()
        self.grad_checkpointing = False
        self.blocks = nn.Sequential(
            *(
                CrossFormerBlock(
                    dim,
                    heads,
                    group_size=GROUP_SIZE,
                    interval=interval if j % 2 else 1,
                    drop_path=drop_path,
                    proj_drop=proj_drop,
                    attn_drop=attn_drop,
                )
                for j, drop_path in enumerate(drop_paths)
            )
        )
        self.downsample = CrossScaleMerging(dim) if merges else nn.Identity()

    def attend(self, x: Tensor) -> Tensor:
        """Run the blocks only: the feature tap of the stage, (B, H, W, C)."""
        if self.grad_checkpointing and self.training:
            x = checkpoint_seq(self.blocks, x)
        else:
            x = self.blocks(x)
        return x

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, H, W, C) to (B, H / 2, W / 2, 2 C), or to its own shape in the last stage."""
        out: Tensor = self.downsample(self.attend(x))
        return out


class CrossFormer(nn.Module):
    """CrossFormer with timm's interface; images (B, in_chans, H, W) give logits (B, num_classes).

    Parameters
    ----------
    embed_dim
        Width of the first stage; doubled by each of the following three.
    depths, num_heads
        Blocks and attention heads of each stage.
    num_classes
        Width of the head; 0 for none (the result is then the pooled features).
    in_chans
        Channels of the images.
    global_pool
        ``"avg"``, or ``""`` to keep the grid of tokens.
    drop_rate, proj_drop_rate, attn_drop_rate, drop_path_rate
        Dropout before the head, behind projections and MLPs, of attention; stochastic depth,
        rising linearly over the blocks.
    img_size
        Accepted as by timm's windowed networks, and of no effect: images of every size are taken.

    Raises
    ------
    BadArgument
        If `global_pool` is another one.
    """

    def __init__(
        self,
        *,
        embed_dim: int = 96,
        depths: Sequence[int] = (2, 2, 6, 2),
        num_heads: Sequence[int] = (3, 6, 12, 24),
        num_classes: int = 1000,
        in_chans: int = 3,
        global_pool: str = "avg",
        drop_rate: float = 0.0,
        proj_drop_rate: float = 0.0,
        attn_drop_rate: float = 0.0,
        drop_path_rate: float = 0.2,
        img_size: int | tuple[int, int] | None = None,
    ) -> None:
        super().__init__()
        widths = [embed_dim * 2**i for i in range(len(depths))]
        self.output_fmt = "NHWC"
        self.num_features = self.head_hidden_size = widths[-1]
        self.feature_info = [
            {"num_chs": width, "reduction": 4 * 2**i, "module": f"layers.{i}.blocks"}
            for i, width in enumerate(widths)
        ]
        self.patch_embed = CrossScaleEmbedding(in_chans, embed_dim)
        drops = {"proj_drop": proj_drop_rate, "attn_drop": attn_drop_rate}
        stages = _build_stages(widths, depths, num_heads, drop_path_rate, **drops)
        self.layers = nn.Sequential(*stages)
        self.norm: nn.Module = nn.LayerNorm(widths[-1])
        self.head_drop = nn.Dropout(drop_rate)
        self.reset_classifier(num_classes, global_pool)
        self.apply(_initialise)

    def reset_classifier(self, num_classes: int, global_pool: str | None = None) -> None:
        """Replace the head by a new one for `num_classes` (0: none), with the network's type."""
        if global_pool is not None:
            _check_pooling(global_pool)
            self.global_pool = global_pool
        self.num_classes = num_classes
        like = next(self.parameters())
        head = nn.Linear(self.num_features, num_classes) if num_classes else nn.Identity()
        _initialise(head)
        self.head = head.to(like.device, like.dtype)

    def _stages(self) -> list[CrossFormerStage]:
        return cast(list[CrossFormerStage], list(self.layers))

    def get_classifier(self) -> nn.Module:
        """Return the head."""
        return self.head

    def no_weight_decay(self) -> set[str]:
        """Return the matrices that timm exempts from weight decay: none.

        The published training decays those of the position bias as well, unlike Swin V2's.
        """
        return set()

    def set_grad_checkpointing(self, enable: bool = True) -> None:
        """Trade time for memory in training: recompute the blocks in the backward pass."""
        for stage in self._stages():
            stage.grad_checkpointing = enable

    def group_matcher(self, coarse: bool = False) -> dict[str, Any]:
        """Return the patterns by which timm orders parameters from stem to head (layer decay)."""
        if coarse:
            return {"stem": r"^patch_embed", "blocks": [(r"^layers\.(\d+)", None)]}
        merge_after_blocks = (r"^layers\.(\d+)\.downsample", (9999,))
        blocks = [(r"^layers\.(\d+)\.blocks\.(\d+)", None), merge_after_blocks]
        norm_with_last_block = (r"^norm", MATCH_PREV_GROUP)
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

    def forward_intermediates(
        self,
        x: Tensor,
        indices: int | Sequence[int] | None = None,
        norm: bool = False,
        stop_early: bool = False,
        output_fmt: str = "NCHW",
        intermediates_only: bool = False,
    ) -> Any:
        """Return the outputs of the stages' blocks, before their merge, for timm's getter."""
        taken, last = feature_take_indices(len(self.layers), indices)
        final = len(self.feature_info) - 1
        taps = []
        x = self.patch_embed(x)
        for i, stage in enumerate(self._stages()[: last + 1 if stop_early else None]):
            x = stage.attend(x)
            if i in taken:
                tap = self.norm(x) if norm and i == final else x
                taps.append(tap.permute(0, 3, 1, 2).contiguous() if output_fmt == "NCHW" else tap)
            x = stage.downsample(x)
        if intermediates_only:
            return taps
        return (self.norm(x) if i == final else x), taps

    def prune_intermediate_layers(
        self,
        indices: int | Sequence[int] = 1,
        prune_norm: bool = False,
        prune_head: bool = True,
    ) -> list[int]:
        """Drop what the wanted taps do not need; returns their stages."""
        taken, last = feature_take_indices(len(self.layers), indices)
        is_cut = last < len(self.layers) - 1
        self.layers = self.layers[: last + 1]
        self._stages()[-1].downsample = nn.Identity()
        if prune_norm or is_cut:
            self.norm = nn.Identity()
        if is_cut:
            self.num_features = self.head_hidden_size = self.feature_info[last]["num_chs"]
        if prune_head or is_cut:
            self.reset_classifier(0, "")
        return list(taken)


def _build_stages(
    widths: Sequence[int],
    depths: Sequence[int],
    heads: Sequence[int],
    drop_path_rate: float,
    **drops: float,
) -> list[CrossFormerStage]:
    n_blocks = sum(depths)
    rates = [drop_path_rate * j / max(n_blocks - 1, 1) for j in range(n_blocks)]
    starts = [sum(depths[:i]) for i in range(len(depths))]
    return [
        CrossFormerStage(
            width,
            n_heads,
            interval=interval,
            drop_paths=rates[start : start + depth],
            merges=i < len(depths) - 1,
            **drops,
        )
        for i, (width, n_heads, interval, start, depth) in enumerate(
            zip(widths, heads, INTERVALS, starts, depths, strict=True)
        )
    ]


def _check_pooling(global_pool: str) -> None:
    if global_pool not in POOLINGS:
        raise BadArgument(
            f"expected global_pool 'avg', or '' for the grid of tokens, found {global_pool!r}; "
            "pool the tokens of forward_features for another one"
        )


def _initialise(module: nn.Module) -> None:
    if isinstance(module, nn.Linear):
        trunc_normal_(module.weight, std=0.02)
        nn.init.zeros_(module.bias)


def checkpoint_filter_fn(state: Mapping[str, Any], model: nn.Module) -> dict[str, Any]:
    """Parameters of a published checkpoint, without its wrapper and its derived buffers."""
    state = state.get("model", state)
    return {k: v for k, v in state.items() if not k.endswith(BUFFERS_OF_CHECKPOINTS)}


def _cfg() -> dict[str, Any]:
    return {
        "url": "",
        "num_classes": 1000,
        "input_size": (3, 224, 224),
        "pool_size": (7, 7),
        "crop_pct": 0.9,
        "interpolation": "bicubic",
        "fixed_input_size": False,
        "mean": IMAGENET_DEFAULT_MEAN,
        "std": IMAGENET_DEFAULT_STD,
        "first_conv": tuple(f"patch_embed.projs.{i}" for i in range(4)),
        "classifier": "head",
        "license": "mit",
    }


default_cfgs = generate_default_cfgs({variant: _cfg() for variant in VARIANTS})


def _create(variant: str, pretrained: bool, **kwargs: Any) -> CrossFormer:
    model: CrossFormer = build_model_with_cfg(
        CrossFormer,
        variant,
        pretrained,
        pretrained_filter_fn=checkpoint_filter_fn,
        feature_cfg={"out_indices": (0, 1, 2, 3), "feature_cls": "getter"},
        **{**VARIANTS[variant], **kwargs},
    )
    return model


@register_model
def crossformer_tiny(pretrained: bool = False, **kwargs: Any) -> CrossFormer:
    """CrossFormer-T: 27.8 M parameters."""
    return _create("crossformer_tiny", pretrained, **kwargs)


@register_model
def crossformer_small(pretrained: bool = False, **kwargs: Any) -> CrossFormer:
    """CrossFormer-S: 30.7 M parameters."""
    return _create("crossformer_small", pretrained, **kwargs)


@register_model
def crossformer_base(pretrained: bool = False, **kwargs: Any) -> CrossFormer:
    """CrossFormer-B: 52.0 M parameters."""
    return _create("crossformer_base", pretrained, **kwargs)


@register_model
def crossformer_large(pretrained: bool = False, **kwargs: Any) -> CrossFormer:
    """CrossFormer-L: 92.0 M parameters."""
    return _create("crossformer_large", pretrained, **kwargs)
