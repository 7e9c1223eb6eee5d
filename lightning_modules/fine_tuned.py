"""Fine-tuned networks on disk: safetensors files, and one JSON file that says how to use them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file

from her2.core.errors import BadConfig
from her2.core.settings import BackboneSettings
from her2.core.store import check_regular, file_sha256, write_json
from lightning_modules.backbones import Backbone, build_backbone
from lightning_modules.crops import place_settings
from lightning_modules.fine_tuning.fitting import Predictor
from lightning_modules.fine_tuning.jobs import TrainingTask
from lightning_modules.fine_tuning.temperature import probabilities
from lightning_modules.lightning_trainer import resolved_precision

FILE = "deep_learning.json"
FORMAT = 1


@dataclass(frozen=True)
class KeptNetwork:
    """A network in the folder.

    Attributes
    ----------
    file
        Its weights.
    fold
        That it was not trained on; -1 for none.
    number
        Of the networks that differ in their seed alone.
    shift
        Log odds that move its predictions to the training prevalence.
    is_final
        Whether it predicts new patients.
    """

    file: str
    fold: int
    number: int
    shift: float
    is_final: bool


@dataclass(frozen=True)
class FineTunedModel:
    """Networks that predict new crops together.

    Attributes
    ----------
    folder
        Where their weights are.
    backbone
        Settings of the network and of the crops.
    networks
        The networks of the folder.
    temperature
        That logits are divided by.
    mirrors, in_bf16, batch_size
        As in `Predictor`.
    """

    folder: Path
    backbone: BackboneSettings
    networks: tuple[KeptNetwork, ...]
    temperature: float
    mirrors: bool
    in_bf16: bool
    batch_size: int

    @property
    def crop(self) -> dict[str, Any]:
        """Arguments of `lesion_crop` that crops must be made with."""
        return {"size": self.backbone.image_size, **place_settings(self.backbone)}

    def network(self, kept: KeptNetwork) -> Backbone:
        """Return a network of the folder with its weights, in evaluation mode on the CPU."""
        built = build_backbone(self.backbone, weights="none", num_classes=1)
        built.network.load_state_dict(load_file(self.folder / kept.file))
        return built

    def predict(self, crops: NDArray[np.uint8], *, n_threads: int = 1) -> NDArray[np.float64]:
        """Probabilities (n,) of crops (n, S, S), at the prevalence of the training patients."""
        device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        logits = []
        for kept in (network for network in self.networks if network.is_final):
            built = self.network(kept)
            predictor = Predictor(
                built.normalisation, self.batch_size, device, in_bf16=self.in_bf16,
                mirrors=self.mirrors, n_threads=n_threads,
            )  # fmt: skip
            raw = predictor.logits(built.network.to(device), crops)
            logits.append(raw / self.temperature + kept.shift)
        return probabilities(np.mean(logits, axis=0), 1.0, 0.0)


def write_model(task: TrainingTask, kept: Sequence[KeptNetwork], *, temperature: float) -> None:
    """Write how the kept networks are used; their weights are in the folder already."""
    if task.model_dir is None:
        return
    backbone = {k: v for k, v in asdict(task.backbone).items() if k not in ("head", "mode")}
    networks = [
        {**asdict(network), "sha256": file_sha256(task.model_dir / network.file)}
        for network in kept
    ]
    content = {
        "format": FORMAT,
        "backbone": {**backbone, "weights": Path(backbone["weights"]).name},
        "started_from": task.described[2],
        "temperature": temperature,
        "test_time_augmentation": task.trainer.test_time_augmentation,
        "in_bf16": resolved_precision(task.trainer) == "bf16-mixed",
        "batch_size": task.trainer.batch_size,
        "networks": networks,
    }
    write_json(task.model_dir / FILE, content)


def keep_final(folder: Path) -> None:
    """Delete the networks that predict no new patients: those of the folds, beside a final one."""
    content = json.loads((folder / FILE).read_text())
    final = [network for network in content["networks"] if network["is_final"]]
    for network in content["networks"]:
        if not network["is_final"]:
            (folder / network["file"]).unlink()
    write_json(folder / FILE, {**content, "networks": final})


def load_fine_tuned(folder: Path) -> FineTunedModel:
    """Return the networks that a run has kept in its folder ``model``.

    Raises MissingInput if the folder holds none, and BadConfig if it was written by another
    version, or weights are not those that were written.
    """
    path = folder / FILE
    expected = f"{FILE} in the model folder of a run of her2 train"
    check_regular(path, expected, "name such a folder")
    content = json.loads(path.read_text())
    if content.get("format") != FORMAT:
        raise BadConfig(
            f"expected {FILE} of format {FORMAT}, found {content.get('format')}; train again"
        )
    for network in content["networks"]:
        _check_weights(folder / network["file"], network.pop("sha256"))
    return FineTunedModel(
        folder,
        BackboneSettings(**content["backbone"]),
        tuple(KeptNetwork(**network) for network in content["networks"]),
        content["temperature"],
        content["test_time_augmentation"],
        content["in_bf16"],
        content["batch_size"],
    )


def _check_weights(path: Path, sha256: str) -> None:
    check_regular(path, f"the weights {path.name} beside {FILE}", "copy the whole folder")
    if file_sha256(path) != sha256:
        raise BadConfig(
            f"expected {path.name} as it was written, found another content; restore the file"
        )
