"""Frozen features: the penultimate layer of a network that is not trained, cached by lesion."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from her2.core.errors import BadConfig
from her2.core.parallel import in_threads
from her2.core.settings import BackboneSettings
from her2.core.store import Store, code_version, content_key
from her2.core.types import Lesion
from her2.radiomics.feature_table import FeatureTable
from lightning_modules.backbones import (
    Backbone,
    build_backbone,
    describe_backbone,
    embedding_width,
    network_input,
    penultimate,
)
from lightning_modules.torch_runtime import torch_threads

CHUNK = 64  # lesions between two reports of progress
_SOURCES = ("backbones.py", "frozen_features.py", "torch_runtime.py", "weights.py")


def embed(
    crops: NDArray[np.uint8], backbone: BackboneSettings, *, seed: int = 0, n_threads: int = 1
) -> NDArray[np.float32]:
    """Penultimate features of every crop, (N, `embedding_width(backbone.name)`) float32.

    Images go through the network one at a time, each on one CPU thread. The bytes of a row then
    do not depend on the other crops of the call, so it can be cached by image. Larger batches do
    not promise that, and on a CPU they are no faster.

    Parameters
    ----------
    crops
        (N, S, S) uint8.
    backbone
        Network and weights as in `build_backbone`; crops are resized to `image_size`.
    seed
        Of the weights, where they are random.
    n_threads
        Images that go through the network at the same time.

    Raises
    ------
    BadConfig
        If the crops are not (N, S, S) uint8, or the features are not finite.
    """
    check_crops(crops)
    name = backbone.name
    features = np.zeros((len(crops), embedding_width(name)), dtype=np.float32)
    if len(crops) == 0:
        return features
    built = build_backbone(backbone, seed=seed)
    with torch_threads(1):
        one = partial(_embed_one, built, backbone.image_size)
        features[:] = np.stack(list(in_threads(one, crops, n_threads=n_threads)))
    if not np.isfinite(features).all():
        raise BadConfig(f"features of {name} must be finite, found others; check its weights")
    return features


def _embed_one(
    backbone: Backbone, image_size: int, crop: NDArray[np.uint8]
) -> NDArray[np.float32]:
    with torch.inference_mode():  # of this thread
        images = torch.tensor(crop)[None, None]
        images = network_input(images, backbone.normalisation, image_size)
        row: NDArray[np.float32] = penultimate(backbone.network, images)[0].numpy()
        return row


def check_crops(crops: NDArray[np.uint8]) -> None:
    """Raise BadConfig unless crops are (N, S, S) uint8."""
    if crops.dtype != np.uint8 or crops.ndim != 3:
        raise BadConfig(
            f"crops must be uint8 of shape (N, S, S), found {crops.dtype} of shape {crops.shape}; "
            f"make them with lesion_crop"
        )


def embed_cohort(
    lesions: Sequence[Lesion],
    crops: NDArray[np.uint8],
    backbone: BackboneSettings,
    *,
    store: Store,
    seed: int = 0,
    n_threads: int = 1,
    advance: Callable[[int], None] = lambda done: None,
) -> FeatureTable:
    """Return the frozen features of every lesion, one row each, from the cache where known.

    Parameters
    ----------
    lesions, crops
        n lesions and their crops (n, S, S) uint8, S being `backbone.image_size`.
    backbone, seed, n_threads
        As in `embed`; the features do not depend on the number of threads.
    store
        The cache.
    advance
        Called with the number of lesions that are done.
    """
    described = describe_backbone(
        backbone.name, backbone.weights, in_chans=backbone.in_chans,
        normalisation=backbone.normalisation, seed=seed,
    )  # fmt: skip
    keys = [content_key([crop, described, _code_version()]) for crop in crops]
    rows = [store.read(key) for key in keys]
    missing = [i for i, values in enumerate(rows) if values is None]
    n_done = len(rows) - len(missing)
    for start in range(0, len(missing), CHUNK):
        chunk = missing[start : start + CHUNK]
        features = embed(crops[chunk], backbone, seed=seed, n_threads=n_threads)
        for i, vector in zip(chunk, features, strict=True):
            values = {f"deep_{j}": float(v) for j, v in enumerate(vector)}
            store.write(keys[i], values)
            rows[i] = values
        n_done += len(chunk)
        advance(n_done)
    table = pd.DataFrame(rows, index=[lesion.key for lesion in lesions], dtype=np.float64)
    return FeatureTable(table, len(missing), len(rows) - len(missing))


@lru_cache(maxsize=1)
def _code_version() -> str:
    here = Path(__file__).parent
    sources = [*(here / name for name in _SOURCES), *sorted((here / "networks").glob("*.py"))]
    return code_version(sources, ("torch", "timm", "torchvision"))
