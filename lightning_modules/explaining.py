"""Networks as `her2.explain.saliency` wants them: maps, probabilities, randomised copies."""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import expit
from torch import Tensor

from her2.cohort import load_lesion
from her2.core.types import Lesion
from her2.explain.linear_head import LinearHead
from lightning_modules.backbones import Normalisation, network_input
from lightning_modules.class_activation import cam_layer, evaluating, grad_cam
from lightning_modules.crop_places import CropPlace, crop_place
from lightning_modules.crops import lesion_crop
from lightning_modules.data import child_seed
from lightning_modules.reproducible import torch_threads

BATCH = 4  # crops that go through the network together; more are no faster on a CPU


@dataclass(frozen=True)
class LogitNetwork:
    """A network with one logit on crops; it satisfies `her2.explain.saliency.Explainable`.

    network: one of timm, with one output, or without where `head` takes its features; layer: the
    map that is explained.
    """

    network: Any
    normalisation: Normalisation
    image_size: int
    layer: str
    head: LinearHead | None = None

    def with_head(self, head: LinearHead) -> LogitNetwork:
        """Return the same network under another head."""
        return replace(self, head=head)

    def copied(self) -> LogitNetwork:
        """Return the same network for another thread: hooks on its layers are its own."""
        return replace(self, network=copy.deepcopy(self.network))

    def signed_map(self, crop: NDArray[Any]) -> tuple[NDArray[np.float32], float]:
        """Signed Grad-CAM map (h, w) of a crop (S, S), and the logit."""
        with torch_threads(1):  # as the frozen features: the same bytes on every machine
            maps, logits = grad_cam(
                self.network, self._images(crop[np.newaxis]), layer=self.layer, logit=self._logits
            )
        return maps[0].cpu().numpy(), float(logits[0])

    def probabilities(self, crops: NDArray[Any]) -> NDArray[np.float64]:
        """Probabilities (n,) of crops (n, S, S)."""
        with evaluating(self.network), torch.inference_mode(), torch_threads(1):
            parts = [
                self._logits(self._images(crops[start : start + BATCH])).double().cpu()
                for start in range(0, len(crops), BATCH)
            ]
        return np.asarray(expit(torch.cat(parts).numpy()))

    def randomised(self, share: float, seed: int) -> LogitNetwork:
        """Network whose head, and a share of its layers from the top, have shuffled weights.

        Every tensor keeps its values, so that signals keep their size; what was learned is gone.
        """
        network = copy.deepcopy(self.network)
        generator = torch.Generator().manual_seed(child_seed(seed, round(100 * share)))
        classifier = {id(p) for p in network.get_classifier().parameters()}
        body = [p for p in network.parameters() if id(p) not in classifier]
        n_kept = round((1 - share) * len(body))
        top = [p for p in network.parameters() if id(p) in classifier]
        for parameter in (*body[n_kept:], *top):
            _shuffle(parameter.data, generator)
        return replace(self, network=network, head=_shuffled_head(self.head, seed))

    def _images(self, crops: NDArray[Any]) -> Tensor:
        device = next(self.network.parameters()).device
        given = torch.tensor(crops, device=device)[:, None]
        return network_input(given, self.normalisation, self.image_size)

    def _logits(self, images: Tensor) -> Tensor:
        logits: Tensor
        if self.head is None:
            logits = self.network(images)[:, 0]
            return logits
        tokens = self.network.forward_features(images)
        features = self.network.forward_head(tokens, pre_logits=True).double()
        weight = torch.from_numpy(self.head.weight).to(features.device)
        logits = features @ weight + self.head.intercept  # double: z-scores cancel large numbers
        return logits


def logit_network(
    network: Any,
    normalisation: Normalisation,
    *,
    image_size: int,
    layer: str | None = None,
    head: LinearHead | None = None,
) -> LogitNetwork:
    """Return a network that can be explained, at its last map unless a layer is named.

    Raises
    ------
    BadConfig
        As `lightning_modules.class_activation.cam_layer`.
    """
    found = layer
    if found is None:
        blank = np.zeros((1, image_size, image_size), dtype=np.uint8)
        images = network_input(torch.from_numpy(blank)[:, None], normalisation, image_size)
        found = cam_layer(network, images.to(next(network.parameters()).device))
    return LogitNetwork(network, normalisation, image_size, found, head)


@dataclass(frozen=True)
class View:
    """A lesion as the network sees it: crop and mask (S, S), and where they lie in the image.

    proportion: height over width of the crop in millimetres, or in pixels without a spacing.
    """

    crop: NDArray[np.uint8]
    mask: NDArray[np.bool_]
    place: CropPlace
    proportion: float


def lesion_view(
    lesion: Lesion, *, size: int, margin_px: int, margin_mm: float | None, aspect: str
) -> View:
    """Return the crop of a lesion as `lesion_crop` makes it, with its mask and its place."""
    image = load_lesion(lesion)
    place = crop_place(image, margin_px=margin_px, margin_mm=margin_mm, aspect=aspect)
    height, width = (n * mm for n, mm in zip(place.side, image.spacing_mm, strict=True))
    crop = lesion_crop(image, margin_px=margin_px, margin_mm=margin_mm, size=size, aspect=aspect)
    return View(crop, place.crop_mask(image.mask, size), place, height / width)


def _shuffle(values: Tensor, generator: torch.Generator) -> None:
    order = torch.randperm(values.numel(), generator=generator).to(values.device)
    values.copy_(values.flatten()[order].view_as(values))


def _shuffled_head(head: LinearHead | None, seed: int) -> LinearHead | None:
    if head is None:
        return None
    return replace(head, weight=np.random.default_rng(seed).permutation(head.weight))
