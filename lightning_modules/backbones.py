"""Backbones by name: any network of timm, with weights from a known source."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import timm
import torch
from timm.data import resolve_model_data_config
from timm.models import get_pretrained_cfg
from torch import Tensor
from torch.nn import functional

from her2.core.errors import BadConfig
from her2.core.settings import BackboneSettings
from lightning_modules.weights import WeightSource, read_state, resolve_weights, timm_name


@dataclass(frozen=True)
class Normalisation:
    """Images that a network expects.

    Attributes
    ----------
    mean, std
        By channel, of grey levels 0 to 1.
    image_size
        Their side.
    by_crop
        Whether every crop gets mean 0 and standard deviation 1 of its own instead.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]
    image_size: int
    by_crop: bool = False


@dataclass(frozen=True)
class Backbone:
    """A network in evaluation mode, with the images it expects and the source of its weights.

    Attributes
    ----------
    network
        An `nn.Module` with timm's interface (`forward_features`, `forward_head`).
    normalisation
        Images that it expects.
    weights
        Where its weights come from.
    """

    network: Any
    normalisation: Normalisation
    weights: WeightSource


def build_backbone(
    settings: BackboneSettings,
    *,
    weights: str | None = None,
    num_classes: int = 0,
    drop_rate: float = 0.0,
    seed: int = 0,
) -> Backbone:
    """Build a network with a new head of `num_classes` (0: none), and load its weights strictly.

    A network of a fixed size is built for `image_size`: pretrained position embeddings are
    interpolated. With another `in_chans` than the weights', timm adapts the stem. Raises BadConfig
    or MissingWeights if there is no such network, or it cannot be had with these weights.

    Parameters
    ----------
    weights
        In place of those of the settings, see `resolve_weights`.
    seed
        Of everything that is initialised at random; the global generator is left as it was.
    """
    name, size = settings.name, settings.image_size
    check_name(name)
    check_image_size(name, size)
    source = resolve_weights(name, settings.weights if weights is None else weights)
    kwargs = {"in_chans": settings.in_chans, "drop_rate": drop_rate, **_for_size(name, size)}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        if source.kind == "none":
            network = timm.create_model(timm_name(name), num_classes=num_classes, **kwargs)
        else:
            network = _with_state(name, read_state(source), source, kwargs)
            network.reset_classifier(num_classes)
    network.to(memory_format=torch.channels_last)
    expected = replace(
        _normalisation(network, settings.in_chans), image_size=size,
        by_crop=settings.normalisation == "zscore",
    )  # fmt: skip
    return Backbone(network.eval(), expected, source)


def check_name(name: str) -> None:
    """Raise BadConfig unless timm has a network of this name, and weights of its tag."""
    if timm.is_model(name):
        try:
            get_pretrained_cfg(name)
        except RuntimeError as error:  # the tag
            raise BadConfig(
                f"backbone.name must be a network of timm with one of its tags, found {name!r}; "
                f"leave the tag out, or see timm.list_pretrained()"
            ) from error
        return
    near = difflib.get_close_matches(name, timm.list_models(), n=3)
    hint = f"did you mean {', '.join(near)}?" if near else "see timm.list_models()"
    raise BadConfig(f"backbone.name must be a network of timm, found {name!r}; {hint}")


@lru_cache(maxsize=64)
def check_image_size(name: str, image_size: int) -> None:
    """Raise BadConfig unless the network takes images of this side, without computing."""
    try:
        with torch.device("meta"), torch.inference_mode():
            network = timm.create_model(timm_name(name), **_for_size(name, image_size)).eval()
            network(torch.zeros(1, 3, image_size, image_size))
    except (AssertionError, RuntimeError, ValueError, ZeroDivisionError) as error:
        usual = _blueprint(name)[2].image_size
        raise BadConfig(
            f"backbone.image_size must be one that {name} can see, found {image_size}; set "
            f"backbone.image_size={usual}"
        ) from error


def _for_size(name: str, image_size: int) -> dict[str, int]:
    """Argument that builds a network of a fixed size for images of another one."""
    config = get_pretrained_cfg(timm_name(name))
    if config is None or not config.fixed_input_size:
        return {}
    return {} if config.input_size[-1] == image_size else {"img_size": image_size}


def _with_state(
    name: str, state: Mapping[str, Tensor], source: WeightSource, kwargs: Mapping[str, Any]
) -> Any:
    """Network whose every parameter comes from `state`, with the head that `state` has."""
    problem: Exception | None = None
    for n_classes in _head_widths(name, state):
        overlay = {"state_dict": dict(state), "num_classes": n_classes}
        try:
            network = timm.create_model(
                timm_name(name),
                pretrained=True,
                pretrained_cfg_overlay=overlay,
                num_classes=n_classes,
                **kwargs,
            )
        except (RuntimeError, KeyError) as error:
            problem = problem or error
            continue
        network.pretrained_cfg.pop("state_dict", None)
        return network
    raise BadConfig(
        f"the weights must be those of {name}, found other parameters in "
        f"{source.path.name if source.path else source.kind}; choose the backbone.name that they "
        f"belong to"
    ) from problem


def _head_widths(name: str, state: Mapping[str, Tensor]) -> tuple[int, ...]:
    """Widths of the head that the file may have, the likeliest first; 0 for none.

    torchvision's files name the head otherwise (timm renames it on loading), so a file in which
    timm's name is absent has either ImageNet's head or none.
    """
    config = get_pretrained_cfg(timm_name(name))
    head = (config.classifier if config else None) or "head"
    heads = (head,) if isinstance(head, str) else tuple(head)
    weight = state.get(f"{heads[0]}.weight")
    if weight is not None:
        return (int(weight.shape[0]),)
    return (int(config.num_classes) if config else 1000, 0)


def _normalisation(network: Any, in_chans: int) -> Normalisation:
    config = resolve_model_data_config(network)
    mean, std = (_by_channel(config[name], in_chans) for name in ("mean", "std"))
    return Normalisation(mean, std, int(config["input_size"][-1]))


def _by_channel(values: Sequence[float], channels: int) -> tuple[float, ...]:
    """Return a value a channel; where their numbers differ, the mean of all for each."""
    if len(values) == channels:
        return tuple(float(v) for v in values)
    return (sum(map(float, values)) / len(values),) * channels


@lru_cache(maxsize=16)
def _blueprint(name: str) -> tuple[int, int, Normalisation]:
    """Width, parameters and usual images of a network, built without memory for its parameters."""
    check_name(name)
    with torch.device("meta"):
        network = timm.create_model(timm_name(name), num_classes=0)
    n_parameters = sum(parameter.numel() for parameter in network.parameters())
    return int(network.head_hidden_size), n_parameters, _normalisation(network, 3)


def embedding_width(name: str) -> int:
    """Width of the penultimate layer.

    >>> embedding_width("resnet50"), embedding_width("vgg19"), embedding_width("crossformer_small")
    (2048, 4096, 768)
    """
    return _blueprint(name)[0]


def describe_backbone(settings: BackboneSettings, *, seed: int = 0) -> dict[str, Any]:
    """Return what determines a backbone's output, as JSON, for cache keys and reports.

    Builds no network, and raises what `build_backbone` does. `n_parameters` leaves out the head
    and counts three channels; `seed` is None unless the weights are random.
    """
    name = settings.name
    width, n_parameters, usual = _blueprint(name)
    source = resolve_weights(name, settings.weights)
    return {
        "name": name,
        "timm_name": timm_name(name),
        "weights": source.kind,
        "weights_sha256": source.sha256,
        "seed": seed if source.kind == "none" else None,
        "width": width,
        "n_parameters": n_parameters,
        "mean": list(usual.mean),
        "std": list(usual.std),
        "in_chans": settings.in_chans,
        "normalisation": settings.normalisation,
        "timm": timm.__version__,
        "torch": str(torch.__version__),
        "note": source.note,
    }


def network_input(crops: Tensor, normalisation: Normalisation) -> Tensor:
    """Grey crops (N, 1, H, W) of 0 to 255 as the network wants them: in every channel.

    (N, channels, image_size, image_size) float32, channels last in memory (convolutions are
    faster so); crops of another size are resized (bilinear, antialiased).
    """
    images, size = crops.float(), (normalisation.image_size, normalisation.image_size)
    if images.shape[-2:] != size:
        images = functional.interpolate(images, size=size, mode="bilinear", antialias=True)
    if normalisation.by_crop:  # of grey levels: their scale does not matter
        images = zscored(images).expand(-1, len(normalisation.mean), -1, -1)
        return images.contiguous(memory_format=torch.channels_last)
    mean, std = images.new_tensor(normalisation.mean), images.new_tensor(normalisation.std)
    # (N, S, S, 1) with (C,) gives every channel in one pass, and channels last at that
    return torch.addcmul(-mean / std, images.permute(0, 2, 3, 1), 1 / (255 * std)).permute(
        0, 3, 1, 2
    )


def zscored(images: Tensor) -> Tensor:
    """Give every image (N, 1, H, W) mean 0 and standard deviation 1; one of one grey level is 0.

    >>> zscored(torch.tensor([[[[0.0, 2.0]]], [[[5.0, 5.0]]]])).flatten().tolist()
    [-1.0, 1.0, 0.0, 0.0]
    """
    std, mean = torch.std_mean(images, dim=(1, 2, 3), correction=0, keepdim=True)
    return (images - mean) / torch.where(std > 0, std, torch.ones_like(std))


def penultimate(network: Any, images: Tensor) -> Tensor:
    """Features (N, width) before the head."""
    features: Tensor = network.forward_head(network.forward_features(images), pre_logits=True)
    return features
