"""Converts an official CrossFormer checkpoint to safetensors, once and explicitly.

Usage: python -m lightning_modules.convert_crossformer IN.pth OUT.safetensors

The published files hold the weights under ``model`` beside a pickled settings object, which
torch's safe loader refuses. Here that object is read as an empty shell: no code of the file, and
none of the library that its settings came from, is run. The result is loaded strictly before it
is kept; use it with ``backbone=crossformer_small backbone.weights=OUT.safetensors``.

References
----------
https://github.com/cheerss/CrossFormer (MIT): where the checkpoints are published.
"""

from __future__ import annotations

import pickle
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import timm
import torch
from safetensors.torch import save
from torch import Tensor

from her2.core.errors import BadConfig, Her2Error
from her2.core.store import check_regular, write_atomic
from lightning_modules.networks.crossformer import VARIANTS, checkpoint_filter_fn
from lightning_modules.weights import UNREADABLE

# What the tensors of a checkpoint are made of; everything else becomes a shell.
ALLOWED = {
    ("collections", "OrderedDict"),
    ("torch._utils", "_rebuild_tensor_v2"),
    ("torch._utils", "_rebuild_parameter"),
    *(("torch", f"{kind}Storage")
      for kind in ("Float", "Half", "Long", "Int", "Bool", "Double", "BFloat16")),
}  # fmt: skip


class Shell(list[object]):
    """Stands for an object of a class that is not loaded; takes whatever it is given."""

    def __init__(self, *arguments: object, **named: object) -> None:
        super().__init__()

    def __setstate__(self, state: object) -> None:
        """Forget the state."""

    def __setitem__(self, key: object, value: object) -> None:
        """Forget an item."""


class RestrictedUnpickler(pickle.Unpickler):
    """Loads tensors and plain containers; every other class becomes a `Shell`."""

    def find_class(self, module: str, name: str) -> Any:
        """Return an allowed class or function, else the shell."""
        return super().find_class(module, name) if (module, name) in ALLOWED else Shell


def _restricted_load(stream: Any, **named: Any) -> Any:
    """Load a part of a file in torch's format of before 2020."""
    return RestrictedUnpickler(stream, **named).load()


def read_checkpoint(path: Path) -> dict[str, Tensor]:
    """Weights of an official checkpoint, those under ``model``, by name."""
    check_regular(path, "an official CrossFormer checkpoint", "correct the path")
    restricted = SimpleNamespace(
        __name__=__name__, Unpickler=RestrictedUnpickler, load=_restricted_load
    )
    try:
        content = torch.load(
            path, map_location="cpu", pickle_module=restricted, weights_only=False
        )
    except UNREADABLE as error:
        raise BadConfig(
            f"expected a checkpoint that torch has written, found {path.name}, which cannot be "
            f"read as one ({type(error).__name__}); download it again"
        ) from error
    weights = content.get("model") if isinstance(content, Mapping) else None
    if not isinstance(weights, Mapping) or not all(map(torch.is_tensor, weights.values())):
        raise BadConfig(
            f"expected weights under the key model, found none in {path.name}; it is no official "
            "CrossFormer checkpoint"
        )
    return dict(weights)


def convert(source: Path, target: Path) -> str:
    """Convert a checkpoint and return the name of its network."""
    state = checkpoint_filter_fn(read_checkpoint(source), torch.nn.Identity())
    state = {name: tensor.detach().contiguous().clone() for name, tensor in state.items()}
    name = variant_of(state)
    write_atomic(target, save(state, metadata={"network": name, "source": source.name}))
    return name


def variant_of(state: Mapping[str, Tensor]) -> str:
    """Name of the CrossFormer into which weights load strictly."""
    head = state.get("head.weight")
    n_classes = 0 if head is None else len(head)
    for name in VARIANTS:
        with torch.device("meta"):
            network = timm.create_model(name, num_classes=n_classes)
        expected = {key: tensor.shape for key, tensor in network.state_dict().items()}
        if expected == {key: tensor.shape for key, tensor in state.items()}:
            return name
    raise BadConfig(
        f"expected the weights of one of {', '.join(VARIANTS)}, found {len(state)} others; name "
        "the checkpoint of a classification network"
    )


def main(arguments: Sequence[str]) -> int:
    """Run the command line and return its exit status."""
    if len(arguments) != 2:
        sys.stderr.write("usage: python -m lightning_modules.convert_crossformer IN.pth OUT\n")
        return 2
    source, target = map(Path, arguments)
    if target.suffix != ".safetensors":
        sys.stderr.write(f"expected OUT to end with .safetensors, found {target.name}\n")
        return 2
    try:
        name = convert(source, target)
    except (Her2Error, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    sys.stdout.write(f"{target}: use it with backbone={name} backbone.weights={target}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
