"""What is measured on every lesion of a table: preset, region, reader, and a change if any."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from her2.cohort import load_lesion, load_reader2_mask
from her2.cohort.masks import MINIMUM_PIXELS
from her2.core.errors import BadArgument, BadConfig, InputProblem
from her2.core.types import Lesion, LesionImage
from her2.radiomics.parameters import RING_PREFIX, Preset, find_preset
from her2.radiomics.perturbation import MASK_KINDS, Perturbation
from her2.radiomics.region import RING, Length, check_region, peritumoural_ring


class UnknownSpacing(BadArgument):
    """A length in millimetres for an image whose pixel size is not known."""


@dataclass(frozen=True)
class Recipe:
    """What is measured on every lesion of a table.

    Attributes
    ----------
    preset
        Feature set for slices: a name, or what `read_parameter_file` returns.
    region
        ``lesion``, ``ring`` (the tissue around it) or ``both`` (twice the features; those of the
        ring are called ``ring_...``).
    ring
        Width of the ring; in pixels where `Length.px` is given.
    reader
        Whose mask: 1 or 2.
    perturbation
        A change of mask or image before anything is measured; None for none.
    """

    preset: str | Preset = "paper_1561"
    region: str = "lesion"
    ring: Length = RING
    reader: Literal[1, 2] = 1
    perturbation: Perturbation | None = None

    @property
    def chosen_preset(self) -> Preset:
        """The feature set itself; one that does not exist, or is for stacks, is refused."""
        chosen = find_preset(self.preset) if isinstance(self.preset, str) else self.preset
        if chosen.n_dimensions != 2:
            raise BadConfig(
                "expected a preset for slices, as a cohort has them, found radiomics.preset "
                f"{chosen.name} for stacks; choose paper_1561 or us2d"
            )
        return chosen

    @property
    def prefixes(self) -> tuple[str, ...]:
        """Beginning of the names of each part of the region: "" of the lesion, ``ring_``."""
        return {"lesion": ("",), "ring": (RING_PREFIX,), "both": ("", RING_PREFIX)}[self.region]

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Names of the columns, in order."""
        check_region(self.region, self.ring)
        names = self.chosen_preset.feature_names
        return tuple(f"{prefix}{name}" for prefix in self.prefixes for name in names)

    @property
    def lengths(self) -> tuple[Length, ...]:
        """Lengths that need a pixel size."""
        change = self.perturbation
        changes = (change.size,) if change is not None and change.kind in MASK_KINDS else ()
        return changes if self.region == "lesion" else (self.ring, *changes)

    def image(self, lesion: Lesion) -> LesionImage | None:
        """Return image and mask as the recipe measures them.

        None where the reader has no usable mask, or a perturbation leaves too little of it.
        """
        image = load_lesion(lesion)
        if not all(length.is_known_on(image) for length in self.lengths):
            raise UnknownSpacing("expected a known pixel spacing, found none; give the spacing")
        if self.reader == 2:
            try:
                second = load_reader2_mask(lesion, (image.mask.shape[0], image.mask.shape[1]))
            except InputProblem:  # a warning in quarantine.csv says why; it costs the agreement
                second = None
            if second is None:
                return None
            image = replace(image, mask=second)
        if self.perturbation is None:
            return image
        changed = self.perturbation.of(image, lesion.key)
        return changed if changed.mask.sum() >= MINIMUM_PIXELS else None

    def parts(self, image: LesionImage) -> dict[str, NDArray[np.bool_]]:
        """Return the mask of each part of the region by its prefix."""
        masks = {}
        for prefix in self.prefixes:
            masks[prefix] = image.mask
            if prefix == RING_PREFIX:
                width, spacing = self.ring.on(image)
                masks[prefix] = peritumoural_ring(image.mask, spacing_mm=spacing, width_mm=width)
        return masks
