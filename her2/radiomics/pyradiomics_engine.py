"""pyradiomics as it is: stacks, parameter files, and grey values that no kernel here takes.

pyradiomics leaves a whole family out, with one line in its log, where a package is missing;
`check_packages` names the package and its version instead.
"""

from __future__ import annotations

import json
import logging
from functools import lru_cache
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import Any, NamedTuple

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from radiomics import getFeatureClasses, setVerbosity
from radiomics.featureextractor import RadiomicsFeatureExtractor

from her2.core.errors import BadConfig, InputProblem
from her2.radiomics.parameters import FAMILIES, Preset
from her2.radiomics.roi import BoolArray, FloatArray


class _Need(NamedTuple):
    """What a filter imports, as in ``from module import attribute``, and what has it."""

    module: str
    attribute: str
    package: str
    versions: str


# of pyradiomics; the plane engine has local patterns of its own
NEEDS = {
    "LBP3D": (
        _Need("scipy.special", "sph_harm", "scipy", "below 1.17"),
        _Need("trimesh.creation", "icosphere", "trimesh", "4.5 or later"),
    ),
    "LBP2D": (_Need("skimage.feature", "local_binary_pattern", "scikit-image", "0.22 or later"),),
}


def pyradiomics_features(
    image: FloatArray, mask: BoolArray, spacing_mm: tuple[float, ...], parameters: dict[str, Any]
) -> dict[str, float]:
    """Return the features that pyradiomics computes; axes (z, y, x), one z for a slice."""
    label = parameters.get("setting", {}).get("label", 1)
    labels = mask.astype(np.uint32) * label
    volumes = [_as_volume(x, spacing_mm) for x in (image, labels)]
    try:
        measured = _extractor(json.dumps(parameters)).execute(*volumes)
    except (ValueError, RuntimeError) as error:
        raise _as_problem(error) from error
    return {k: float(v) for k, v in measured.items() if not k.startswith("diagnostics_")}


def features_of_values(
    values: NDArray[np.floating], inside: BoolArray, spacing_mm: tuple[float, float],
    bin_width: float,
) -> dict[str, float]:  # fmt: skip
    """Return ``<family>_<feature>`` of the values (n_pixels,) at the true elements of (h, w)."""
    filtered = np.zeros((1, *inside.shape), dtype=values.dtype)
    filtered[0, inside] = values
    spacing = (1.0, *spacing_mm)
    volumes = [_as_volume(filtered, spacing), _as_volume(inside[np.newaxis], spacing)]
    features: dict[str, float] = {}
    for family, names in FAMILIES.items():
        try:
            kernel = getFeatureClasses()[family](*volumes, label=1, binWidth=bin_width)
            kernel.enabledFeatures = dict.fromkeys(names, True)
            measured = kernel.execute()
        except (ValueError, RuntimeError) as error:
            raise _as_problem(error) from error
        features |= {f"{family}_{name}": float(value) for name, value in measured.items()}
    return features


def _as_problem(error: Exception) -> InputProblem:
    """Return an error of pyradiomics as a problem of the lesion."""
    text = " ".join(str(error).split())
    code = "M15" if text.lower().startswith(("mask", "size of the roi")) else "D48"
    return InputProblem(
        code, f"pyradiomics cannot measure this lesion: {text}", "look at the image and its mask"
    )


def _as_volume(array: NDArray[np.generic], spacing_mm: tuple[float, ...]) -> sitk.Image:
    """Return an array as an image; spacing in the order of its axes."""
    plain = array.astype(np.uint8) if array.dtype == np.bool_ else array
    volume = sitk.GetImageFromArray(plain)
    volume.SetSpacing(spacing_mm[::-1])
    return volume


@lru_cache(maxsize=4)
def _extractor(parameters: str) -> RadiomicsFeatureExtractor:
    setVerbosity(logging.CRITICAL)
    return RadiomicsFeatureExtractor(json.loads(parameters), additionalInfo=False)


def check_packages(preset: Preset) -> None:
    """Refuse a preset with a filter that this environment lacks a package for."""
    for image_type in preset.parameters.get("imageType", {}):
        if image_type == "LBP2D" and preset.engine == "plane":
            continue
        for need in NEEDS.get(image_type, ()):
            _check(need, f"image type {image_type} of radiomics.preset {preset.name}")


def _check(need: _Need, purpose: str) -> None:
    try:
        getattr(import_module(need.module), need.attribute)
    except (ImportError, AttributeError) as error:
        try:
            installed = f"{need.package} {version(need.package)}"
            found = f"{installed}, which lacks {need.module}.{need.attribute}"
        except PackageNotFoundError:
            found = "none"
        raise BadConfig(
            f"expected {need.package} {need.versions} for {purpose}, found {found}; install it, "
            "or choose a set of features without it"
        ) from error
