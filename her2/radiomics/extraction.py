"""Radiomic features of one lesion, exactly as pyradiomics defines them on float64 input."""

from __future__ import annotations

import logging
from functools import lru_cache

import numpy as np
import pandas as pd
import SimpleITK as sitk
from numpy.typing import NDArray
from radiomics import setVerbosity
from radiomics.featureextractor import RadiomicsFeatureExtractor

from her2.errors import BadConfig, InputProblem
from her2.radiomics.settings import PRESETS, REQUIRED_BY, Preset
from her2.radiomics.shape import shape_features


def extract_features(
    image: NDArray[np.generic],
    mask: NDArray[np.bool_],
    *,
    spacing_mm: tuple[float, float] = (1.0, 1.0),
    preset: str = "paper_1561",
) -> pd.Series:
    """Return the preset's features, float64, index = names as pyradiomics gives them.

    Parameters
    ----------
    image
        (H, W) grey levels of any numeric type; they are cast to float64, because 8-bit input
        overflows pyradiomics' bin edges and gives silently wrong texture values.
    mask
        (H, W) bool, true inside the lesion.
    spacing_mm
        (row, column) millimetres per pixel; only shape features and the run directions use it.
    preset
        A key of `her2.radiomics.settings.PRESETS`.

    Raises
    ------
    BadConfig
        The preset is unknown, or this environment lacks a package that a family needs.
    InputProblem
        Image and mask differ in shape, the mask is empty, or the image has no finite values.

    References
    ----------
    van Griethuysen JJM et al. Cancer Res 2017;77:e104. doi:10.1158/0008-5472.CAN-17-0339
    """
    chosen = find_preset(preset)
    pixels = np.asarray(image, dtype=np.float64)
    region = np.asarray(mask, dtype=bool)
    _check(pixels, region)
    found = _extractor(preset).execute(
        _volume(pixels, spacing_mm), _volume(region.astype(np.uint8), spacing_mm)
    )
    shape = shape_features(region, spacing_mm=spacing_mm)
    values = {f"original_shape_{name}": value for name, value in shape.items()}
    values |= {k: float(v) for k, v in found.items() if not k.startswith("diagnostics_")}
    _check_names(values, chosen)
    return pd.Series(values, index=list(chosen.feature_names), dtype=np.float64)


def find_preset(name: str) -> Preset:
    """Return a preset by name; an unknown one is refused with the known ones."""
    if name not in PRESETS:
        raise BadConfig(
            f"expected radiomics.preset to be one of {', '.join(PRESETS)}, found {name!r}"
        )
    return PRESETS[name]()


@lru_cache(maxsize=4)
def _extractor(preset: str) -> RadiomicsFeatureExtractor:
    """Return pyradiomics' extractor of everything but shape, which `shape_features` measures."""
    setVerbosity(logging.ERROR)
    parameters = find_preset(preset).parameters
    families = {k: v for k, v in parameters["featureClass"].items() if k != "shape"}
    return RadiomicsFeatureExtractor({**parameters, "featureClass": families})


def _volume(pixels: NDArray[np.generic], spacing_mm: tuple[float, float]) -> sitk.Image:
    """Return (H, W) pixels as a one-slice volume, 1 mm thick."""
    volume = sitk.GetImageFromArray(pixels[np.newaxis])
    row_mm, column_mm = spacing_mm
    volume.SetSpacing((column_mm, row_mm, 1.0))
    return volume


def _check(pixels: NDArray[np.float64], region: NDArray[np.bool_]) -> None:
    if pixels.ndim != 2 or pixels.shape != region.shape:
        raise InputProblem(
            "M02",
            f"expected an image and a mask of one shape (H, W), found {pixels.shape} and "
            f"{region.shape}",
            "export both from the same image",
        )
    if not region.any():
        raise InputProblem("M06", "the mask is empty", "draw the lesion again")
    if not np.isfinite(pixels).all():
        raise InputProblem("D48", "the image holds NaN or infinity", "export the image again")


def _check_names(values: dict[str, float], preset: Preset) -> None:
    missing = [name for name in preset.feature_names if name not in values]
    if not missing:
        return
    needs = sorted({need for prefix, need in REQUIRED_BY.items() if missing[0].startswith(prefix)})
    raise BadConfig(
        f"expected {len(preset.feature_names)} features of {preset.name}, found {len(values)}; "
        f"{len(missing)} are missing from {missing[0]!r} on; this environment lacks "
        f"{' and '.join(needs) or 'the package of that family'}: run make install again"
    )
