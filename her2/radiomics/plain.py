"""pyradiomics as it is: stacks, parameter files, and grey values that no kernel here takes."""

from __future__ import annotations

import json
import logging
from functools import lru_cache
from typing import Any

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from radiomics import getFeatureClasses, setVerbosity
from radiomics.featureextractor import RadiomicsFeatureExtractor

from her2.core.errors import InputProblem
from her2.radiomics.roi import BoolArray, FloatArray


def pyradiomics_features(
    image: FloatArray,
    mask: BoolArray,
    *,
    spacing_mm: tuple[float, ...],
    parameters: dict[str, Any],
) -> dict[str, float]:
    """Return what pyradiomics answers to a set of parameters.

    Parameters
    ----------
    image, mask
        (z, y, x); a slice has one z.
    spacing_mm
        (z, y, x) millimetres per voxel.
    parameters
        In pyradiomics' schema.

    Raises
    ------
    InputProblem
        pyradiomics cannot measure this lesion.
    """
    label = parameters.get("setting", {}).get("label", 1)
    volumes = [
        volume_of(image, spacing_mm), volume_of(mask.astype(np.uint32) * label, spacing_mm)
    ]  # fmt: skip
    extractor = _extractor(json.dumps(parameters))
    try:
        found = extractor.execute(*volumes)
    except (ValueError, RuntimeError) as error:
        raise cannot_measure(error) from error
    return {k: float(v) for k, v in found.items() if not k.startswith("diagnostics_")}


def features_of_values(
    values: NDArray[np.floating],
    inside: BoolArray,
    *,
    spacing_mm: tuple[float, float],
    families: dict[str, tuple[str, ...]],
    bin_width: float,
) -> dict[str, float]:
    """Return ``<family>_<feature>`` of the values (n_pixels,) at the true elements of (h, w).

    Raises
    ------
    InputProblem
        pyradiomics cannot measure them, most often because they are not finite.
    """
    filtered = np.zeros((1, *inside.shape), dtype=values.dtype)
    filtered[0, inside] = values
    spacing = (1.0, *spacing_mm)
    volumes = [volume_of(filtered, spacing), volume_of(inside[np.newaxis], spacing)]
    features: dict[str, float] = {}
    for family, names in families.items():
        try:
            measured = getFeatureClasses()[family](*volumes, label=1, binWidth=bin_width)
            measured.enabledFeatures = dict.fromkeys(names, True)
            found = measured.execute()
        except (ValueError, RuntimeError) as error:
            raise cannot_measure(error) from error
        features |= {f"{family}_{name}": float(value) for name, value in found.items()}
    return features


def cannot_measure(error: Exception) -> InputProblem:
    """Return the problem that stands for an error of pyradiomics."""
    text = " ".join(str(error).split())
    code = "M15" if text.lower().startswith(("mask", "size of the roi")) else "D48"
    return InputProblem(
        code, f"pyradiomics cannot measure this lesion: {text}", "look at the image and its mask"
    )


def volume_of(array: NDArray[np.generic], spacing_mm: tuple[float, ...]) -> sitk.Image:
    """Return an array as an image; spacing in the order of its axes."""
    plain = array.astype(np.uint8) if array.dtype == np.bool_ else array
    volume = sitk.GetImageFromArray(plain)
    volume.SetSpacing(spacing_mm[::-1])
    return volume


@lru_cache(maxsize=4)
def _extractor(parameters: str) -> RadiomicsFeatureExtractor:
    setVerbosity(logging.CRITICAL)
    return RadiomicsFeatureExtractor(json.loads(parameters), additionalInfo=False)
