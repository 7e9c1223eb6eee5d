"""Frozen features: the penultimate layer of a network that is not trained, cached by lesion."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from her2.core.errors import BadConfig
from her2.core.parallel import in_threads
from her2.core.settings import BackboneSettings
from her2.core.store import Store, content_key
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
from lightning_modules.torch_runtime import torch_threads, version_of

CHUNK = 64  # lesions between two reports of progress
_SOURCES = (
    "backbones.py", "frozen_features.py", "torch_runtime.py", "weights.py", "networks/*.py",
)  # fmt: skip


def embed(
    crops: NDArray[np.uint8], backbone: BackboneSettings, *, seed: int = 0, n_threads: int = 1
) -> NDArray[np.float32]:
    """Penultimate features of every crop (N, S, S), (N, `embedding_width`) float32.

    Images go through the network one at a time, each on one CPU thread. The bytes of a row then
    do not depend on the other crops of the call, so it can be cached by image. Larger batches do
    not promise that, and on a CPU they are no faster. n_threads: images at the same time.
    """
    check_crops(crops)
    name = backbone.name
    features = np.zeros((len(crops), embedding_width(name)), dtype=np.float32)
    if len(crops) == 0:
        return features
    built = build_backbone(backbone, seed=seed)
    with torch_threads(1):
        one = partial(_embed_one, built)
        features[:] = np.stack(list(in_threads(one, crops, n_threads=n_threads)))
    if not np.isfinite(features).all():
        raise BadConfig(f"features of {name} must be finite, found others; check its weights")
    return features


def _embed_one(backbone: Backbone, crop: NDArray[np.uint8]) -> NDArray[np.float32]:
    with torch.inference_mode():  # of this thread
        images = network_input(torch.tensor(crop)[None, None], backbone.normalisation)
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
    """Return the frozen features of n lesions and their crops (n, S, S), from the cache if known.

    advance: called with the number of lesions that are done.
    """
    described = describe_backbone(backbone, seed=seed)
    version = version_of(_SOURCES, ("torch", "timm", "torchvision"))
    keys = [content_key([crop, described, version]) for crop in crops]
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
