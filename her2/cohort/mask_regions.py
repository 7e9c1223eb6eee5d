"""The regions that a mask file holds - labels, colours, layers or segments - and which is meant.

A file with one region needs no choice. Of several the settings name one, or the case is refused
with a list of them. A region is never a channel of a colour.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from her2.cohort.problems import Note, refuse
from her2.core.types import MaskChoice

Mask = NDArray[np.bool_]
Values = NDArray[np.generic]
Colour = tuple[int, int, int]

_MOST_REGIONS = 64  # more levels or colours are those of a picture
_LISTED = 8
_MOST_SMALL = 8  # levels beside 255 of which each may be a label
_LOSSY_SHARE = 0.005  # intermediate values that JPEG compression may leave
_DRAW_AGAIN = "draw the mask again on the analysed image"
_EXPORT_LABELS = "export the mask alone, without the image and without smoothing"
_BINARY = 255  # what 8-bit pictures put for 1


class Segment(NamedTuple):
    """Entry of a segmentation's table: where it is stored and what it is called."""

    layer: int
    label: int
    name: str


@dataclass(frozen=True)
class Region:
    """One labelled part of a mask file.

    Attributes
    ----------
    values, number
        It is where the array (H, W) or (n, H, W) equals the number.
    n_pixels
        Its size.
    label
        Its value or number; None of a colour and of a mask that is only drawn or not.
    segment
        Its name; empty without one.
    colour
        (red, green, blue) of 0 to 255; None of a grey file.
    """

    values: Values
    number: int
    n_pixels: int
    label: int | None = None
    segment: str = ""
    colour: Colour | None = None

    @property
    def mask(self) -> Mask:
        """Where the region is, bool."""
        return np.asarray(self.values == self.number)

    @property
    def name(self) -> str:
        """The region as a message lists it, with its size."""
        label = "" if self.label is None else f"label {self.label}"
        called = self.segment or (f"colour {list(self.colour)}" if self.colour else label)
        return f"{called or 'the rest'} ({self.n_pixels} pixels)"


def choose(regions: Iterable[Region], choice: MaskChoice) -> tuple[Mask, list[Note]]:
    """Return the region that is the lesion, and a note where it is one of several.

    Raises
    ------
    InputProblem
        M06 where nothing is drawn, M25 where several regions are, or not the one that is meant.
    """
    drawn = [region for region in regions if region.n_pixels]
    if not drawn:
        raise refuse("M06", "the mask is empty", _DRAW_AGAIN)
    meant, wish = _meant(drawn, choice)
    names = [region.name for region in drawn[:_LISTED]]
    listed = ", ".join(names + [f"{len(drawn) - _LISTED} more"] * (len(drawn) > _LISTED))
    if len(meant) != 1:
        expected = f"expected {wish}" if wish else "expected one"
        what = f"the mask holds {len(drawn)} regions, {expected}, found {listed}"
        raise refuse("M25", what, _how_to_choose(drawn))
    mask, label = meant[0].mask, meant[0].label
    if len(drawn) > 1:
        what = f"of {listed}, {meant[0].name} was read"
        return mask, [Note("M25", what, "nothing", severity="normalised")]
    if label in (None, 1) or meant[0].segment:
        return mask, []
    return mask, [Note("M08", f"the label {label} was read as 1", "nothing")]


def _meant(drawn: Sequence[Region], choice: MaskChoice) -> tuple[list[Region], str]:
    """Return the regions that the first applicable choice means, and that choice in words."""
    if choice.segment is not None and any(region.segment for region in drawn):
        wanted = choice.segment.casefold().strip()
        found = [r for r in drawn if r.segment.casefold().strip() == wanted]
        return found, f"the segment {choice.segment!r}"
    if choice.colour is not None and any(region.colour for region in drawn):
        return [r for r in drawn if r.colour == choice.colour], f"the colour {list(choice.colour)}"
    if choice.label is not None and any(region.label is not None for region in drawn):
        return [r for r in drawn if r.label == choice.label], f"the label {choice.label}"
    return list(drawn), ""


def _how_to_choose(drawn: Sequence[Region]) -> str:
    settings = {
        "cohort.mask_segment=NAME": any(region.segment for region in drawn),
        "cohort.mask_colour=[R,G,B]": any(region.colour for region in drawn),
        "cohort.mask_label=N": any(region.label is not None for region in drawn),
    }
    named = " or ".join(name for name, applies in settings.items() if applies)
    return f"say which is the lesion by {named or 'a mask of one region'}"


def label_regions(values: Values, names: Mapping[int, str] | None = None) -> list[Region]:
    """Regions of an array of whole numbers in which 0 is no region; `names` by number."""
    levels, counts = _histogram(values)
    found = [(int(v), int(n)) for v, n in zip(levels, counts, strict=True) if v]
    names = names or {}
    edge = sum(n for v, n in found if v < _BINARY)
    if len(found) > _MOST_SMALL and not names and edge < found[-1][1] and found[-1][0] == _BINARY:
        what = f"the mask's outline is smoothed: {len(found) - 1} grey levels between 0 and 255"
        raise refuse("M19", what, _EXPORT_LABELS)
    if len(levels) > _MOST_REGIONS:
        what = f"the mask holds {len(levels)} grey levels, as a picture does, expected labels"
        raise refuse("M19", what, _EXPORT_LABELS)
    if [v for v, _ in found] == [_BINARY] and not names:
        return [Region(values, _BINARY, found[0][1])]
    return [Region(values, v, n, label=v, segment=names.get(v, "")) for v, n in found]


def _histogram(values: Values) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Levels of a mask and how many pixels have each."""
    if values.dtype == np.uint8:  # far faster than sorting
        counts = np.bincount(values.ravel(), minlength=256)
        return np.flatnonzero(counts), counts[counts > 0]
    numbers = values.astype(np.float64)
    whole = np.isfinite(numbers).all() and np.array_equal(numbers, np.floor(numbers))
    if not whole or numbers.min() < 0:
        raise refuse("M19", "the mask holds NaN, negative or fractional values", _DRAW_AGAIN)
    levels, counts = np.unique(numbers, return_counts=True)
    return levels.astype(np.int64), counts


def layer_regions(values: Values, segments: Sequence[Segment]) -> list[Region]:
    """Regions of an array whose last axis is layers, which may overlap.

    Layers without a table of segments are called by their number, from 1.
    """
    if not segments and bool((values == values[..., :1]).all()):
        return label_regions(values[..., 0])  # grey that was stored as colour
    found = []
    for layer in range(values.shape[-1]):
        names = {s.label: s.name for s in segments if s.layer == layer}
        regions = label_regions(values[..., layer], names)
        called = f"layer {layer + 1}"
        for region in regions:
            part = called if len(regions) == 1 else f"{called} label {region.label}"
            found.append(replace(region, segment=region.segment or part))
    return found


def colour_regions(values: Values) -> tuple[list[Region], Note]:
    """Regions of a picture (..., 3) or (..., 4) of red, green, blue and alpha.

    The background is what is transparent, black, or else the grey colour of most of the border.
    """
    rgb = np.asarray(values[..., :3]).copy()
    if values.shape[-1] == 4:
        alpha = values[..., 3]
        if _is_flat(rgb) and alpha.min() == 0 and len(np.unique(alpha)) == 2:
            drawn, size = int(alpha.max()), int(np.count_nonzero(alpha))
            return [Region(alpha, drawn, size)], _coloured("drawn in alpha only")
        if alpha.min() == 0 < alpha.max():
            rgb[alpha == 0] = 0
    red, green, blue = (rgb[..., channel] for channel in range(3))
    if np.array_equal(red, green) and np.array_equal(red, blue):
        return label_regions(red), _coloured("stored in colour; its channels are equal")
    wide = rgb.astype(np.int64)
    packed = (wide[..., 0] << 32) | (wide[..., 1] << 16) | wide[..., 2]
    codes, counts = np.unique(packed, return_counts=True)
    if len(codes) > _MOST_REGIONS:
        what = f"the mask has {len(codes)} colours, as a picture or a mask drawn on one has"
        raise refuse("M19", what, _EXPORT_LABELS)
    background = _background(packed)
    regions = [
        Region(packed, int(code), int(n), colour=_unpacked(int(code)))
        for code, n in zip(codes, counts, strict=True)
        if code != background
    ]
    if len(regions) == 1:
        return regions, _coloured(f"drawn in one colour, {list(regions[0].colour or ())}")
    return regions, _coloured(f"drawn in {len(regions)} colours")


def _background(packed: NDArray[np.int64]) -> int | None:
    if (packed == 0).any():
        return 0
    edge = np.concatenate([packed[..., 0, :], packed[..., -1, :]], axis=None)
    codes, counts = np.unique(edge, return_counts=True)
    most = int(codes[counts.argmax()])
    return most if len(set(_unpacked(most))) == 1 else None


def _unpacked(code: int) -> Colour:
    return code >> 32, code >> 16 & 0xFFFF, code & 0xFFFF


def _is_flat(rgb: Values) -> bool:
    pixels = rgb.reshape(-1, 3)
    return bool((pixels == pixels[0]).all())


def _coloured(how: str) -> Note:
    return Note("M10", f"a mask {how}", "nothing")


def from_jpeg(values: Values) -> tuple[Values, list[Note]]:
    """Values of a JPEG mask cut to 0 and 255, in every channel; blurred ones are refused.

    Ringing stays near the two levels; what is clearly between is a blurred contour.
    """
    if len(set(np.unique(values)) - {0}) <= 1 and not values.all():
        return values, []
    levels = values.astype(np.int64)
    between = float(
        np.mean(((levels > 32) & (levels < 223)).reshape(*values.shape[:2], -1).any(2))
    )
    what = f"{between:.2%} of a JPEG mask lies between black and white"
    if between > _LOSSY_SHARE:
        raise refuse("M09", what, "save the mask as PNG, NIfTI or NRRD")
    cut = np.where(levels > 127, 255, 0).astype(np.uint8)
    return cut, [Note("M09", f"{what}; cut at 127", "nothing", severity="normalised")]
