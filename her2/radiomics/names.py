"""What a feature's name says: the image it was computed on, and its family."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from her2.radiomics.region import RING_PREFIX

FAMILIES = (
    "shape", "shape2D", "firstorder", "glcm", "glrlm", "glszm", "gldm", "ngtdm",
)  # fmt: skip
SHAPE_FAMILIES = ("shape", "shape2D")
DEEP = "deep"
OTHER = "other"


def image_type_and_family(name: str) -> tuple[str, str]:
    """Return (image type, family) of a feature's name.

    Names are those of pyradiomics, with ``ring_`` in front for the ring around the lesion; a
    component of deep features is ``deep_pc_<number>``; anything else was brought and belongs to
    the family ``other``.

    Examples
    --------
    >>> image_type_and_family("wavelet-LLH_glcm_Contrast")
    ('wavelet-LLH', 'glcm')
    >>> image_type_and_family("deep_pc_7"), image_type_and_family("tumour_grade")
    (('deep', 'deep'), ('other', 'other'))
    >>> image_type_and_family("ring_original_glcm_Contrast")
    ('ring_original', 'glcm')
    """
    if name.startswith(RING_PREFIX):
        image_type, family = image_type_and_family(name.removeprefix(RING_PREFIX))
        return (f"{RING_PREFIX}{image_type}" if family in FAMILIES else OTHER), family
    image_type, _, rest = name.partition("_")
    if image_type == DEEP and rest.startswith("pc_"):
        return DEEP, DEEP
    family = rest.partition("_")[0]
    return (image_type, family) if family in FAMILIES else (OTHER, OTHER)


def family_counts(names: Sequence[str]) -> pd.DataFrame:
    """Return the number of features by image type and family, in the order of the names.

    Examples
    --------
    >>> family_counts(["original_glcm_A", "original_glcm_B", "mine"]).to_numpy().tolist()
    [['original', 'glcm', 2], ['other', 'other', 1]]
    """
    pairs = pd.DataFrame(
        [image_type_and_family(name) for name in names], columns=["image_type", "family"]
    )
    return pairs.groupby(["image_type", "family"], sort=False).size().reset_index(name="n")
