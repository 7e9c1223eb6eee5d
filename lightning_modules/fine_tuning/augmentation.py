"""Random changes of lesion crops, with parameters of their own for every sample of a batch."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional


@dataclass(frozen=True)
class Augmentation:
    """Random changes of a crop; 0 makes none.

    Attributes
    ----------
    shift
        Largest shift, as a share of the side (a random crop of a padded image).
    flips_horizontally, flips_vertically
        Whether half of the crops are mirrored left to right, and top to bottom.
    scale
        Largest enlargement and reduction, as a share.
    rotation
        Largest angle in degrees.
    contrast
        Largest change of the dynamic range, as a share.
    gain
        Largest offset in grey levels (a scanner's image is logarithmic, so its gain adds).
    """

    shift: float
    flips_horizontally: bool
    flips_vertically: bool
    scale: float = 0.0
    rotation: float = 0.0
    contrast: float = 0.0
    gain: float = 0.0


# The beam comes from above: shadows and enhancement lie below a lesion, so no scanner makes an
# image that is upside down or turned far. The paper flips both ways.
AUGMENTATIONS: dict[str, Augmentation | None] = {
    "default": Augmentation(
        shift=0.1,
        flips_horizontally=True,
        flips_vertically=False,
        scale=0.1,
        rotation=7.0,
        contrast=0.1,
        gain=12.0,
    ),
    "paper": Augmentation(shift=0.1, flips_horizontally=True, flips_vertically=True),
    "none": None,
}

MIDDLE_GREY = 127.5


class Changes(NamedTuple):
    """Changes of n crops: (n, 2, 3) from the new place to the old, and (n,) each."""

    affine: Tensor
    contrast: Tensor
    gain: Tensor

    def to(self, device: torch.device) -> Changes:
        """Return the changes on a device."""
        return Changes(*(part.to(device, non_blocking=True) for part in self))

    def rows(self, part: slice) -> Changes:
        """Return the changes of some of the crops."""
        return Changes(*(of_all[part] for of_all in self))


def draw_changes(n: int, augmentation: Augmentation, generator: torch.Generator) -> Changes:
    """Draw the changes of n crops for `apply_changes`."""
    uniform = torch.rand(n, 8, generator=generator)
    allowed = torch.tensor([augmentation.flips_horizontally, augmentation.flips_vertically])
    flips = 1 - 2 * ((uniform[:, :2] < 0.5) & allowed).float()
    signed = 2 * uniform[:, 2:] - 1  # shift x, shift y, scale, rotation, contrast, gain
    zoom = torch.exp(signed[:, 2] * math.log1p(augmentation.scale))
    angle = signed[:, 3] * math.radians(augmentation.rotation)
    affine = torch.empty(n, 2, 3)
    affine[:, 0, 0] = zoom * torch.cos(angle) * flips[:, 0]
    affine[:, 0, 1] = -zoom * torch.sin(angle) * flips[:, 1]
    affine[:, 1, 0] = zoom * torch.sin(angle) * flips[:, 0]
    affine[:, 1, 1] = zoom * torch.cos(angle) * flips[:, 1]
    affine[:, :, 2] = 2 * augmentation.shift * signed[:, :2]  # the grid runs from -1 to 1
    contrast = 1 + augmentation.contrast * signed[:, 4]
    return Changes(affine, contrast, augmentation.gain * signed[:, 5])


def apply_changes(crops: Tensor, changes: Changes) -> Tensor:
    """Change crops (B, 1, S, S) of grey levels 0 to 255; float32, clipped to that range.

    What is beyond the edge is mirrored.
    """
    moved = apply_affine(crops, changes.affine)
    offset = changes.gain + MIDDLE_GREY * (1 - changes.contrast)
    contrast, offset = (part[:, None, None, None] for part in (changes.contrast, offset))
    return moved.mul_(contrast).add_(offset).clamp_(0, 255)  # in place: `moved` is new


def apply_affine(crops: Tensor, affine: Tensor) -> Tensor:
    """Move crops (B, 1, S, S) by matrices (B, 2, 3); float32, what is beyond the edge mirrored."""
    height, width = crops.shape[-2:]
    return functional.grid_sample(
        crops.float(),
        affine_grid(affine, height, width),
        padding_mode="reflection",
        align_corners=False,
    )


def affine_grid(affine: Tensor, height: int, width: int) -> Tensor:
    """Where each pixel comes from, (B, height, width, 2), by matrices (B, 2, 3).

    What `torch.nn.functional.affine_grid` gives, in a tenth of its time: a term of the column and
    a term of the row are added once, both coordinates together as one complex number.
    """
    x = (2 * torch.arange(width, device=affine.device) + 1) / width - 1
    y = (2 * torch.arange(height, device=affine.device) + 1) / height - 1
    columns = affine[:, None, :, 0] * x[:, None]  # (B, width, 2)
    rows = affine[:, None, :, 1] * y[:, None] + affine[:, None, :, 2]  # (B, height, 2)
    both = [torch.view_as_complex(part.contiguous()) for part in (columns, rows)]
    return torch.view_as_real(both[0][:, None, :] + both[1][:, :, None])
