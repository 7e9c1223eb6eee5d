"""Networks whose logit Grad-CAM explains, for the checks of `her2.explain.saliency`."""

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
from her2.core.settings import BackboneSettings
from her2.core.types import Lesion
from her2.explain.linear_head import LinearHead
from lightning_modules.backbones import Backbone, Normalisation, network_input, penultimate
from lightning_modules.crops import CropPlace, crop_place, lesion_crop, place_settings
from lightning_modules.grad_cam_maps import cam_layer, evaluating, grad_cam
from lightning_modules.torch_runtime import child_seed, torch_threads

BATCH = 4  # crops that go through the network together; more are no faster on a CPU


@dataclass(frozen=True)
class LogitNetwork:
    """A network with one logit on crops; it satisfies `her2.explain.saliency.Explainable`.

    Attributes
    ----------
    network
        One of timm with one output; with any number if `head` takes its features.
    normalisation
        Images that the network expects.
    layer
        Name of the layer whose map is explained.
    head
        Gives the logit from the penultimate features; None for the network's own head.
    """

    network: Any
    normalisation: Normalisation
    layer: str
    head: LinearHead | None = None

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
        """Network with shuffled weights in its head and a share of its layers from the top.

        Every tensor keeps its values, so signals keep their size; what was learned is gone.
        """
        network = copy.deepcopy(self.network)
        generator = torch.Generator().manual_seed(child_seed(seed, round(100 * share)))
        classifier = {id(p) for p in network.get_classifier().parameters()}
        body = [p for p in network.parameters() if id(p) not in classifier]
        top = [p for p in network.parameters() if id(p) in classifier]
        for parameter in (*body[round((1 - share) * len(body)) :], *top):
            values = parameter.data
            order = torch.randperm(values.numel(), generator=generator).to(values.device)
            values.copy_(values.flatten()[order].view_as(values))
        head = self.head
        if head is not None:
            head = replace(head, weight=np.random.default_rng(seed).permutation(head.weight))
        return replace(self, network=network, head=head)

    def _images(self, crops: NDArray[Any]) -> Tensor:
        device = next(self.network.parameters()).device
        given = torch.tensor(crops, device=device)[:, None]
        return network_input(given, self.normalisation)

    def _logits(self, images: Tensor) -> Tensor:
        logits: Tensor
        if self.head is None:
            logits = self.network(images)[:, 0]
            return logits
        features = penultimate(self.network, images).double()
        weight = torch.from_numpy(self.head.weight).to(features.device)
        logits = features @ weight + self.head.intercept  # double: z-scores cancel large numbers
        return logits


def logit_network(
    built: Backbone, *, layer: str | None = None, head: LinearHead | None = None
) -> LogitNetwork:
    """Return a network that can be explained, at its last map unless a layer is named."""
    network, expected = built.network, built.normalisation
    if layer is None:
        blank = torch.zeros((1, 1, expected.image_size, expected.image_size), dtype=torch.uint8)
        images = network_input(blank, expected)
        layer = cam_layer(network, images.to(next(network.parameters()).device))
    return LogitNetwork(network, expected, layer, head)


@dataclass(frozen=True)
class View:
    """A lesion as the network sees it.

    Attributes
    ----------
    crop, mask
        (S, S).
    place
        Where they lie in the image.
    proportion
        Height over width of the crop in millimetres, or in pixels without a spacing.
    """

    crop: NDArray[np.uint8]
    mask: NDArray[np.bool_]
    place: CropPlace
    proportion: float


def lesion_view(lesion: Lesion, backbone: BackboneSettings, *, size: int) -> View:
    """Return the crop of a lesion for a network, with its mask and its place, `size` pixels wide.

    The size may be another one than the network's.
    """
    image, given = load_lesion(lesion), place_settings(backbone)
    place = crop_place(image, **given)
    height, width = (n * mm for n, mm in zip(place.side, image.spacing_mm, strict=True))
    crop = lesion_crop(image, size=size, **given)
    return View(crop, place.crop_mask(image.mask, size), place, height / width)
