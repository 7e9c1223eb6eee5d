"""Generators as safetensors files, which declare the patients they were fitted on.

The header carries the sizes of the network, and hashes of the patients and images that it was
fitted on. A file without them is refused: it could have been fitted on patients of the test role.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load, save
from torch import Tensor

from her2.core.errors import BadConfig, LeakageError, MissingWeights
from her2.core.store import check_regular, file_sha256, write_atomic
from lightning_modules.networks.rrdb import RRDBGenerator

FORMAT = "her2 super-resolution 1"
_DECLARATION = "her2"


@dataclass(frozen=True)
class Seen:
    """Patients and images that a generator was fitted on.

    Attributes
    ----------
    patients
        Hashes of cohort and patient (`patient_hash`).
    images
        Hashes of the pixels.
    """

    patients: tuple[str, ...]
    images: tuple[str, ...]


@dataclass(frozen=True)
class GeneratorFile:
    """A generator as it was read from a file.

    Attributes
    ----------
    network
        The generator.
    seen
        Whose images it has learned from.
    n_steps
        Length of its fit.
    sha256
        Of the file.
    """

    network: RRDBGenerator
    seen: Seen
    n_steps: int
    sha256: str


def patient_hash(cohort: str, patient_id: str) -> str:
    """Return a hash that identifies a patient of a cohort.

    >>> patient_hash("A", "1") == patient_hash("B", "1")
    False
    """
    return hashlib.sha256(json.dumps([cohort, patient_id]).encode()).hexdigest()


def save_generator(path: Path, network: RRDBGenerator, seen: Seen, *, n_steps: int) -> None:
    """Write a generator with its declaration; the file is whole or absent."""
    declaration = {
        "format": FORMAT,
        "architecture": network.architecture,
        "training": {"patients": sorted(seen.patients), "images": sorted(seen.images)},
        "n_steps": n_steps,
    }
    state = {name: tensor.contiguous() for name, tensor in network.state_dict().items()}
    write_atomic(path, save(state, metadata={_DECLARATION: json.dumps(declaration)}))


def load_generator(path: Path) -> GeneratorFile:
    """Read a generator and its declaration, from the header or from ``<name>.json`` beside it."""
    check_regular(
        path, "enhance.weights to be an existing safetensors file",
        "correct the path, or leave it out to fit a generator on the training patients",
        error=MissingWeights,
    )  # fmt: skip
    try:
        declared = _declaration(path)
        training = declared["training"]
        seen = Seen(tuple(training["patients"]), tuple(training["images"]))
        network = _built(declared["architecture"], load(path.read_bytes()))
        n_steps = int(declared["n_steps"])
    except (SafetensorError, KeyError, TypeError, json.JSONDecodeError) as error:
        raise BadConfig(
            f"expected enhance.weights to declare the generator and its training data, found "
            f"{path.name} without ({type(error).__name__}); take a file that her2 wrote "
            "(model/super_resolution.safetensors of a run), or fit one by leaving it out"
        ) from error
    return GeneratorFile(network.eval(), seen, n_steps, file_sha256(path))


def refuse_seen(seen: Seen, judged: Seen, whose: str) -> None:
    """Raise LeakageError if a generator was fitted on any patient or image that it is to enlarge.

    whose: what the patients are, for the message: ``held-out``.
    """
    n_patients = len(set(judged.patients) & set(seen.patients))
    n_images = len(set(judged.images) & set(seen.images))
    if n_patients or n_images:
        raise LeakageError(
            f"expected a generator that was fitted on none of the {whose} patients, found "
            f"{n_patients} of them and {n_images} of their images in its training data; take "
            "another enhance.weights, or leave it out to fit one on the training patients"
        )


def _declaration(path: Path) -> Mapping[str, Any]:
    with safe_open(path, framework="pt") as file:
        text = (file.metadata() or {}).get(_DECLARATION)
    beside = path.with_suffix(".json")
    if text is None and beside.is_file():
        text = beside.read_text()
    if text is None:
        raise KeyError(_DECLARATION)
    declared: Mapping[str, Any] = json.loads(text)
    if not declared["training"]["patients"] or not declared["training"]["images"]:
        raise KeyError("training")
    return declared


def _built(architecture: Mapping[str, Any], state: dict[str, Tensor]) -> RRDBGenerator:
    network = RRDBGenerator(**architecture)
    fitting = {name: tensor.shape for name, tensor in network.state_dict().items()}
    if {name: tensor.shape for name, tensor in state.items()} != fitting:
        raise KeyError("weights of another architecture")
    if not all(torch.isfinite(tensor).all() for tensor in state.values()):
        raise KeyError("weights that are not finite")
    network.load_state_dict(state)
    return network
