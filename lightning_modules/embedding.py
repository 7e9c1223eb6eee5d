"""Frozen features: the penultimate layer of a network that is not trained here."""

from __future__ import annotations

from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from her2.core.errors import BadConfig
from her2.core.parallel import in_threads
from lightning_modules.backbones import (
    Backbone,
    build_backbone,
    describe_backbone,
    embedding_width,
    network_input,
)
from lightning_modules.reproducible import torch_threads

__all__ = ["describe_backbone", "embed", "embedding_width"]


def embed(
    crops: NDArray[np.uint8],
    *,
    backbone: str,
    weights: str,
    image_size: int = 224,
    in_chans: int = 3,
    normalisation: str = "backbone",
    seed: int = 0,
    n_threads: int = 1,
) -> NDArray[np.float32]:
    """Penultimate features of every crop, (N, `embedding_width(backbone)`) float32.

    Images go through the network one at a time, each on one CPU thread: a row then has the same
    bytes whatever other crops are in the call (so that it can be cached by image), which no
    larger batch promises; and on a CPU it is no slower.

    Parameters
    ----------
    crops
        (N, S, S) uint8.
    backbone, weights, in_chans, normalisation
        As in `build_backbone`.
    image_size
        Side at which the network sees the crops.
    seed
        Of the weights, where they are random.
    n_threads
        Images on their way at the same time.

    Raises
    ------
    BadConfig
        If the crops are not (N, S, S) uint8, or the features are not finite.
    """
    check_crops(crops)
    features = np.zeros((len(crops), embedding_width(backbone)), dtype=np.float32)
    if len(crops) == 0:
        return features
    built = build_backbone(
        backbone, weights=weights, in_chans=in_chans, image_size=image_size,
        normalisation=normalisation, seed=seed,
    )  # fmt: skip
    with torch_threads(1):
        rows = in_threads(partial(_embed_one, built, image_size), crops, n_threads=n_threads)
        features[:] = np.stack(list(rows))
    if not np.isfinite(features).all():
        raise BadConfig(f"features of {backbone} must be finite, found others; check its weights")
    return features


def check_crops(crops: NDArray[np.uint8]) -> None:
    """Raise BadConfig unless crops are (N, S, S) uint8."""
    if crops.dtype != np.uint8 or crops.ndim != 3:
        raise BadConfig(
            f"crops must be uint8 of shape (N, S, S), found {crops.dtype} of shape {crops.shape}; "
            f"make them with lesion_crop"
        )


def _embed_one(
    backbone: Backbone, image_size: int, crop: NDArray[np.uint8]
) -> NDArray[np.float32]:
    with torch.inference_mode():  # of this thread
        images = torch.tensor(crop)[None, None]
        images = network_input(images, backbone.normalisation, image_size)
        tokens = backbone.network.forward_features(images)
        features: Tensor = backbone.network.forward_head(tokens, pre_logits=True)
        return features[0].numpy()
