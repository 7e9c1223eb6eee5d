"""Logits and penultimate features of many crops by a fitted network, in batches."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from lightning_modules.backbones import Normalisation, network_input
from lightning_modules.reproducible import torch_threads


@dataclass(frozen=True)
class Predictor:
    """How crops go through a network.

    device: where; in_bf16: whether in mixed precision; mirrors: whether logits are averaged over
    a crop and its mirror image; n_threads: of torch on a CPU.
    """

    normalisation: Normalisation
    image_size: int
    batch_size: int
    device: torch.device
    in_bf16: bool = False
    mirrors: bool = False
    n_threads: int = 1

    def logits(self, network: nn.Module, crops: NDArray[np.uint8]) -> NDArray[np.float64]:
        """Logits (n,) of crops (n, S, S); the network is in evaluation mode on `device`."""
        if len(crops) == 0:
            return np.zeros(0)
        with torch.inference_mode(), torch_threads(self.n_threads):
            parts = [self._logits(network, images) for images in self._batches(crops)]
            found: NDArray[np.float64] = torch.cat(parts).double().cpu().numpy()
        return found

    def features(self, network: Any, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Penultimate features (n, width) of crops (n, S, S)."""
        if len(crops) == 0:
            return np.zeros((0, int(network.head_hidden_size)), dtype=np.float32)
        with torch.inference_mode(), torch_threads(self.n_threads):
            parts = [self._features(network, images) for images in self._batches(crops)]
            found: NDArray[np.float32] = torch.cat(parts).float().cpu().numpy()
        return found

    def _batches(self, crops: NDArray[np.uint8]) -> Iterator[Tensor]:
        for start in range(0, len(crops), self.batch_size):
            part = np.ascontiguousarray(crops[start : start + self.batch_size])
            images = torch.from_numpy(part).to(self.device)[:, None]
            yield network_input(images, self.normalisation, self.image_size)

    def _logits(self, network: nn.Module, images: Tensor) -> Tensor:
        with self._precision():
            logits: Tensor = network(images)[:, 0].float()
            if self.mirrors:
                logits = (logits + network(images.flip(-1))[:, 0].float()) / 2
        return logits

    def _features(self, network: Any, images: Tensor) -> Tensor:
        with self._precision():
            features: Tensor = network.forward_head(
                network.forward_features(images), pre_logits=True
            )
        return features

    def _precision(self) -> AbstractContextManager[Any]:
        if not self.in_bf16:
            return nullcontext()
        return torch.autocast(self.device.type, dtype=torch.bfloat16)
