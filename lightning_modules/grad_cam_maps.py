"""Grad-CAM maps: how much each place of an image raises or lowers a network's logit.

Works on maps of channels (N, C, H, W), on channels last (N, H, W, C) and on tokens (N, L, C).

References
----------
Selvaraju R. R. et al. Grad-CAM: visual explanations from deep networks via gradient-based
localization. Int. J. Comput. Vis. 2020;128:336. doi:10.1007/s11263-019-01228-7. Equations 1, 2.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import timm
import torch
from timm.layers import LayerNorm2d
from torch import Tensor, nn

from her2.core.errors import BadConfig
from lightning_modules.backbones import check_name, penultimate
from lightning_modules.weights import timm_name

Logit = Callable[[Tensor], Tensor]


def grad_cam(
    network: nn.Module, images: Tensor, *, layer: str, logit: Logit | None = None
) -> tuple[Tensor, Tensor]:
    """Signed Grad-CAM maps of images, at the resolution of a layer, and their logits.

    The weight of a channel is the mean of the logit's gradient over the layer's positions; the
    map is the weighted sum of the channels. Its positive part is Grad-CAM, its negative part
    lowers the logit.

    Maps (N, h, w) and logits (N,) of images (N, channels, H, W) are float32 and detached; the
    network is left as it was, in evaluation or training. Raises BadConfig unless the layer runs
    once, gives a map, and feeds the logit.

    layer: name of a module of the network; `cam_layer` finds one. logit: maps images to logits
    (N,) through the network; by default the first column of its output.
    """
    run = logit or (lambda given: network(given)[:, 0])
    activation, gradient, logits = _caught(network, images, layer, run)
    channels = _as_channels(network, activation, layer, images)
    weight = _as_channels(network, gradient, layer, images).mean(dim=(2, 3), keepdim=True)
    return (weight * channels).sum(dim=1).float(), logits.float()


def cam_layer(network: nn.Module, images: Tensor) -> str:
    """Name of the last layer whose values still belong to places of the image.

    images: a batch that the network takes; needed for networks that are not listed here.
    """
    known = _LAYERS.get(type(network).__name__)
    return _last_map(network, images) if known is None else known(network)


def check_cam_layer(name: str, layer: str) -> None:
    """Raise BadConfig unless a network of timm has a layer of this name; builds no weights."""
    check_name(name)
    with torch.device("meta"):
        network = timm.create_model(timm_name(name), num_classes=0)
    _module(network, layer)


def _caught(
    network: nn.Module, images: Tensor, layer: str, run: Logit
) -> tuple[Tensor, Tensor, Tensor]:
    """Return values of a layer, the gradient of the logits there, and the logits."""
    module = _module(network, layer)
    with evaluating(network), torch.inference_mode(False), torch.no_grad():
        given = images.clone() if images.is_inference() else images
        with _watched(module) as found:  # turns gradients on behind the layer
            logits = run(given)
        activation = _only(found, layer)
        gradient = None
        if logits.requires_grad:
            (gradient,) = torch.autograd.grad(logits.sum(), activation, allow_unused=True)
    if gradient is None:
        raise BadConfig(f"backbone.cam_layer must feed the logit, found {layer!r}, which does not")
    return activation.detach(), gradient, logits.detach()


def _module(network: nn.Module, layer: str) -> nn.Module:
    modules: dict[str, nn.Module] = dict(network.named_modules())
    if layer in modules and layer:
        return modules[layer]
    near = difflib.get_close_matches(layer, modules, n=3)
    hint = f"did you mean {', '.join(near)}?" if near else "leave it out for the last map"
    raise BadConfig(
        f"backbone.cam_layer must be a layer of {type(network).__name__}, found {layer!r}; {hint}"
    )


@contextmanager
def evaluating(network: nn.Module) -> Iterator[None]:
    """Put every module into evaluation, and restore the mode of each afterwards."""
    modes = [(module, module.training) for module in network.modules()]
    network.eval()
    try:
        yield
    finally:
        for module, mode in modes:
            module.training = mode


@contextmanager
def _watched(module: nn.Module) -> Iterator[list[Any]]:
    """Catch what a module gives, and begin the graph of gradients there.

    Nothing before the layer is kept for a backward pass, and no parameter gets a gradient.
    """
    caught: list[Any] = []

    def watch(_module: nn.Module, _inputs: Any, output: Any) -> Any:
        if not isinstance(output, Tensor) or caught:
            caught.append(output)
            return output
        torch.set_grad_enabled(True)  # until the caller's no_grad ends
        leaf = output.detach().requires_grad_()
        caught.append(leaf)
        return leaf.clone()  # an activation in place behind the layer must not meet the leaf

    handle = module.register_forward_hook(watch)
    try:
        yield caught
    finally:
        handle.remove()


def _only(caught: list[Any], layer: str) -> Tensor:
    if len(caught) != 1 or not isinstance(caught[0], Tensor):
        raise BadConfig(
            f"backbone.cam_layer must give one map in one run, found {layer!r}, which runs "
            f"{len(caught)} times or gives something else; choose the block around it"
        )
    return caught[0]


def _as_channels(network: nn.Module, values: Tensor, layer: str, images: Tensor) -> Tensor:
    """Return a layer's values as (N, C, H, W)."""
    channels = _channels(network, _module(network, layer), values, images)
    if channels is None:
        raise BadConfig(
            f"backbone.cam_layer must know places, found {layer!r}, whose values "
            f"{tuple(values.shape)} for images {tuple(images.shape)} have none that can be told "
            "from channels; choose the block around it, or an earlier layer"
        )
    return channels


def _channels(
    network: nn.Module, module: nn.Module, values: Tensor, images: Tensor
) -> Tensor | None:
    """Return a module's values as (N, C, H, W); None if they are no map of the images."""
    if len(values) != len(images):  # windows, as rows of their own
        return None
    if values.ndim == 4:
        is_last = _is_channels_last(network, module, values, images)
        if is_last is None:
            return None
        return values.permute(0, 3, 1, 2) if is_last else values
    side = _side_of_grid(network, values)
    if side is None:
        return None
    height, width = side
    tokens = values[:, values.shape[1] - height * width :]  # leading tokens belong to no place
    return tokens.permute(0, 2, 1).reshape(len(values), -1, height, width)


def _is_channels_last(
    network: nn.Module, module: nn.Module, values: Tensor, images: Tensor
) -> bool | None:
    """Whether values are (N, H, W, C) and not (N, C, H, W); None if that cannot be told.

    One network may have both. A grid of places has the proportions of the images.
    """
    first = _has_proportions(values.shape[2:], images)
    last = _has_proportions(values.shape[1:3], images)
    if first != last:
        return last
    return _gives_channels_last(network, module) if first else None


def _gives_channels_last(network: nn.Module, module: nn.Module) -> bool | None:
    """Whether a module is known to, where there are as many channels as rows and columns."""
    if isinstance(module, _CHANNELS_FIRST):
        return False
    if isinstance(module, _CHANNELS_LAST):
        return True
    if getattr(network, "output_fmt", "") == "NHWC":  # of blocks; an activation takes either
        return True if any(True for _ in module.children()) else None
    norms = [other for other in network.modules() if isinstance(other, nn.LayerNorm)]
    return False if all(isinstance(norm, _CHANNELS_FIRST) for norm in norms) else None


def _has_proportions(sides: Sequence[int], images: Tensor) -> bool:
    """Whether a grid may lie on the images: less than one place too long or too short."""
    (rows, columns), (height, width) = sides, images.shape[2:]
    return bool(abs(rows * width - columns * height) < max(height, width))


def _side_of_grid(network: nn.Module, values: Tensor) -> tuple[int, int] | None:
    """Return height and width of the grid that tokens (N, L, C) lie on; None if there is none."""
    if values.ndim != 3:
        return None
    declared = getattr(network, "num_prefix_tokens", None)
    prefixes = (0, 1) if declared is None else (declared,)  # undeclared: perhaps a class token
    grid = getattr(getattr(network, "patch_embed", None), "grid_size", None)
    for n in (values.shape[1] - n_prefix for n_prefix in prefixes):
        side = math.isqrt(max(n, 0))
        if grid is not None and math.prod(grid) == n:
            return int(grid[0]), int(grid[1])
        if side > 1 and side * side == n:
            return side, side
    return None


def _last_map(network: Any, images: Tensor) -> str:
    """Return the last layer with places on which the network's features depend.

    Not every layer does: behind the last attention only the class token may be read.
    """

    def run(given: Tensor) -> Tensor:
        return penultimate(network, given).flatten(1).square().sum(dim=1)

    for layer in _maps(network, images[:1]):
        gradient = _caught(network, images[:1], layer, run)[1]
        if _as_channels(network, gradient, layer, images[:1]).any():
            return layer
    raise BadConfig(
        f"Grad-CAM needs a layer with places, found none in {type(network).__name__}; name one "
        "with backbone.cam_layer, or choose another backbone"
    )


def _maps(network: Any, images: Tensor) -> list[str]:
    """Return the modules that run once and give a map of several places, the last one first."""
    found: list[str] = []

    def note(name: str) -> Callable[..., None]:
        def watch(module: nn.Module, _inputs: Any, output: Any) -> None:
            if isinstance(output, Tensor):
                channels = _channels(network, module, output, images)
                if channels is not None and min(channels.shape[2:]) > 1:
                    found.append(name)

        return watch

    watched = {n: m for n, m in network.named_modules() if n and not isinstance(m, _NO_MAPS)}
    handles = [module.register_forward_hook(note(name)) for name, module in watched.items()]
    try:
        with evaluating(network), torch.no_grad():
            network.forward_features(images)
    finally:
        for handle in handles:
            handle.remove()
    return [name for name in reversed(found) if found.count(name) == 1]


def _last_activation(network: Any) -> str:
    """Return the ReLU before the last pooling; it works in place, so its input is gone."""
    last = max(i for i, m in enumerate(network.features) if isinstance(m, nn.ReLU))
    return f"features.{last}"


def _last_attention(network: Any) -> str:
    """Return the norm before the last attention: behind it only the class token may be read."""
    return f"blocks.{len(network.blocks) - 1}.norm1"


_CHANNELS_FIRST = (
    nn.Conv2d, nn.BatchNorm2d, nn.GroupNorm, nn.MaxPool2d, nn.AvgPool2d, LayerNorm2d,
)  # fmt: skip
_CHANNELS_LAST = (nn.Linear, nn.LayerNorm)  # but LayerNorm2d, which is one by inheritance
_NO_MAPS = (nn.Dropout, nn.Softmax, nn.Identity)  # of attention: pairs of places, not places
_LAYERS: dict[str, Callable[[Any], str]] = {
    "ResNet": lambda network: "layer4",
    "VGG": _last_activation,
    "DenseNet": lambda network: "features.norm5",
    "EfficientNet": lambda network: "bn2",
    "CrossFormer": lambda network: "norm",
    "VisionTransformer": _last_attention,
    "VisionTransformerDistilled": _last_attention,
    "Eva": _last_attention,
    "Beit": _last_attention,
}
